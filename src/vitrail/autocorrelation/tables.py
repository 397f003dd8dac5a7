"""Moran's I and Geary's C of all genes of a sample, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from scipy.special import ndtr

from vitrail.autocorrelation.forms import gene_columns, neighbour_pairs
from vitrail.autocorrelation.moments import (
    GeneMoments,
    geary_moments,
    gene_moments,
    moran_moments,
    weight_sums,
)
from vitrail.autocorrelation.permutation import exceedances, observed_forms, statistics
from vitrail.errors import VitrailError
from vitrail.inference.fdr import benjamini_hochberg

Floats = npt.NDArray[np.float64]
STATISTICS = {"moran": "I", "geary": "C"}


def moran(
    counts: Any,
    graph: Any,
    permutations: int = 0,
    seed: int = 0,
    row_standardised: bool = False,
    genes: Sequence[str] | None = None,
    threads: int | None = None,
) -> pd.DataFrame:
    """Moran's I of each gene, with its moments and p-values.

    I = n / s0 * z'Wz / z'z with z the deviations from the mean (Moran 1950,
    doi:10.1093/biomet/37.1-2.17). Moments as in Cliff & Ord 1981.

    Parameters
    ----------
    counts
        Values (cells, genes): sparse or dense array, DataFrame or AnnData (its X). Sparse input
        is never made dense.
    graph
        Weights (cells, cells): sparse or dense, a `vitrail.graph.Graph`, or an AnnData with
        ``obsp["spatial_connectivities"]``. Any weights; loops are ignored; cells without
        neighbours count in n and in the mean.
    permutations
        Number of permutations, shared by all genes; 0 for none.
    seed
        Seed of the permutations.
    row_standardised
        Divide each row of the weights by its sum first (rows of zeros stay).
    genes
        Names; by default those of `counts`, else "0", "1", ...
    threads
        Number of threads; the result does not depend on it.

    Returns
    -------
    pandas.DataFrame
        One row a gene, indexed by name: ``I``, ``expected``, ``variance`` (randomisation), ``z``,
        ``p`` (two-sided, normal approximation), ``variance_normal``, ``z_normal``, ``p_normal``
        (under normality), ``p_permutation`` ((b + 1) / (m + 1), two-sided; NaN without
        permutations), ``fdr`` (Benjamini-Hochberg of ``p_permutation``, without permutations of
        ``p``) and ``reason``: null, or why the row is NaN ("constant", "fewer than 4 cells",
        "no edges").
    """
    return _one("moran", counts, graph, permutations, seed, row_standardised, genes, threads)


def geary(
    counts: Any,
    graph: Any,
    permutations: int = 0,
    seed: int = 0,
    row_standardised: bool = False,
    genes: Sequence[str] | None = None,
    threads: int | None = None,
) -> pd.DataFrame:
    """Geary's C of each gene, with its moments and p-values.

    C = (n - 1) / (2 s0) * sum_ij w_ij (x_i - x_j)^2 / z'z (Geary 1954, doi:10.2307/2986645): below
    1 where neighbours are alike. Parameters and columns as in `moran`, with ``C`` for ``I``.
    """
    return _one("geary", counts, graph, permutations, seed, row_standardised, genes, threads)


def spatial_autocorrelation(
    counts: Any,
    graph: Any,
    permutations: int = 0,
    seed: int = 0,
    row_standardised: bool = False,
    genes: Sequence[str] | None = None,
    threads: int | None = None,
) -> dict[str, pd.DataFrame]:
    """Both statistics in one pass over the same permutations: {"moran": ..., "geary": ...}."""
    matrix, names = _values(counts, genes)
    weights = _weights(graph, matrix.shape[0], row_standardised)
    moments = gene_moments(matrix)
    w = weight_sums(weights)
    columns, pairs = gene_columns(matrix), neighbour_pairs(weights)
    reason = _reasons(moments, w.n, w.s0)
    observed = statistics(observed_forms(pairs, columns, threads), columns, moments, w)
    found = None
    if permutations > 0 and w.n >= 4 and w.s0 > 0:
        found = exceedances(pairs, columns, moments, w, observed, permutations, seed, threads)
    tables = {}
    for row, (name, symbol) in enumerate(STATISTICS.items()):
        if w.n >= 4 and w.s0 > 0:
            null = (moran_moments, geary_moments)[row](w, moments.kurtosis)
        else:
            null = (np.nan, np.nan, np.full(len(names), np.nan))
        table = _table(symbol, observed[row], null)
        table["p_permutation"] = np.nan if found is None else (found[row] + 1) / (permutations + 1)
        table.loc[reason.notna().to_numpy(), :] = np.nan
        tested = table["p"] if found is None else table["p_permutation"]
        table["fdr"] = benjamini_hochberg(tested)
        table["reason"] = reason
        table.index = pd.Index(names, name="gene")
        tables[name] = table
    return tables


def _one(
    name: str, counts: Any, graph: Any, permutations: int, seed: int, row_standardised: bool,
    genes: Sequence[str] | None, threads: int | None,
) -> pd.DataFrame:  # fmt: skip
    return spatial_autocorrelation(
        counts, graph, permutations, seed, row_standardised, genes, threads
    )[name]


def _values(counts: Any, genes: Sequence[str] | None) -> tuple[sp.csc_matrix, list[str]]:
    """Values as CSC without stored zeros, and the genes' names."""
    names = genes
    if isinstance(counts, pd.DataFrame):
        names, counts = list(counts.columns) if names is None else names, counts.to_numpy()
    elif hasattr(counts, "var_names"):
        names, counts = list(counts.var_names) if names is None else names, counts.X
    matrix = sp.csc_matrix(counts)
    if matrix.nnz and not np.isfinite(matrix.data).all():
        gene = int(np.searchsorted(matrix.indptr, np.flatnonzero(~np.isfinite(matrix.data))[0],
                                   side="right")) - 1  # fmt: skip
        label = gene if names is None else names[gene]
        raise VitrailError(f"autocorrelation, gene {label}: found NaN or inf, wanted numbers.")
    if not matrix.has_canonical_format or (matrix.data == 0).any():
        matrix = matrix.copy()
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
    labels = [str(i) for i in range(matrix.shape[1])] if names is None else [str(g) for g in names]
    if len(labels) != matrix.shape[1]:
        raise VitrailError(
            f"autocorrelation: found {len(labels)} names, wanted {matrix.shape[1]}, one a gene."
        )
    return matrix, labels


def _weights(graph: Any, n: int, row_standardised: bool) -> sp.csr_matrix:
    if hasattr(graph, "obsp"):
        graph = graph.obsp["spatial_connectivities"]
    weights = sp.csr_matrix(getattr(graph, "connectivities", graph), dtype=np.float64, copy=True)
    if weights.shape != (n, n):
        raise VitrailError(
            f"autocorrelation: found weights of shape {weights.shape}, wanted ({n}, {n})."
        )
    weights.setdiag(0.0)
    weights.eliminate_zeros()
    if row_standardised:
        total = np.asarray(weights.sum(axis=1)).ravel()
        weights.data /= np.repeat(total, np.diff(weights.indptr))
    return weights


def _reasons(moments: GeneMoments, n: int, s0: float) -> pd.Series:
    """Why each gene has no result; null where it has one."""
    reason = np.full(moments.constant.size, None, dtype=object)
    reason[moments.constant] = "constant"
    if s0 <= 0:
        reason[:] = "no edges"
    if n < 4:
        reason[:] = "fewer than 4 cells"
    return pd.Series(reason, dtype="object")


def _table(symbol: str, value: Floats, null: tuple[float, float, Floats]) -> pd.DataFrame:
    expected, normal, random = null
    table = pd.DataFrame({symbol: value, "expected": expected, "variance": random})
    with np.errstate(divide="ignore", invalid="ignore"):
        table["z"] = (value - expected) / np.sqrt(random)
        table["p"] = 2.0 * ndtr(-np.abs(table["z"].to_numpy()))
        table["variance_normal"] = normal
        table["z_normal"] = (value - expected) / np.sqrt(normal)
        table["p_normal"] = 2.0 * ndtr(-np.abs(table["z_normal"].to_numpy()))
    return table
