"""Moran's I and Geary's C of all genes of a sample, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitrail.autocorrelation.moments import (
    GeneMoments,
    geary_moments,
    gene_moments,
    moran_moments,
    weight_sums,
)
from vitrail.autocorrelation.pairs import weight_matrix
from vitrail.autocorrelation.permutation import Block, exceedances, prepare
from vitrail.autocorrelation.rows import pack_blocks
from vitrail.autocorrelation.values import check_alternative, normal_p, value_matrix
from vitrail.inference.fdr import benjamini_hochberg

Floats = npt.NDArray[np.float64]
STATISTICS = {"moran": "I", "geary": "C"}
NULLS = {"moran": moran_moments, "geary": geary_moments}


def moran(
    counts: Any,
    graph: Any,
    permutations: int = 0,
    seed: int = 0,
    row_standardised: bool = False,
    genes: Sequence[str] | None = None,
    threads: int | None = None,
    alternative: str = "two-sided",
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

    alternative
        What the p-values speak for: "two-sided" (the statistic differs from its expectation),
        "greater" or "less" (it is greater or less than that). Neighbours that are alike have a
        greater I and a lesser C.

    Returns
    -------
    pandas.DataFrame
        One row a gene, indexed by name: ``I``, ``expected``, ``variance`` (randomisation), ``z``,
        ``p`` (normal approximation), ``variance_normal``, ``z_normal``, ``p_normal`` (under
        normality), ``p_permutation`` ((b + 1) / (m + 1); NaN without permutations), ``fdr``
        (Benjamini-Hochberg of ``p_permutation``, without permutations of ``p``) and ``reason``:
        null, or why the row is NaN ("constant", "fewer than 4 cells", "no edges").
    """
    return _tables(("moran",), counts, graph, permutations, seed, row_standardised, genes, threads,
                   alternative)["moran"]  # fmt: skip


def geary(
    counts: Any,
    graph: Any,
    permutations: int = 0,
    seed: int = 0,
    row_standardised: bool = False,
    genes: Sequence[str] | None = None,
    threads: int | None = None,
    alternative: str = "two-sided",
) -> pd.DataFrame:
    """Geary's C of each gene, with its moments and p-values.

    C = (n - 1) / (2 s0) * sum_ij w_ij (x_i - x_j)^2 / z'z (Geary 1954, doi:10.2307/2986645): below
    1 where neighbours are alike. Parameters and columns as in `moran`, with ``C`` for ``I``.
    """
    return _tables(("geary",), counts, graph, permutations, seed, row_standardised, genes, threads,
                   alternative)["geary"]  # fmt: skip


def spatial_autocorrelation(
    counts: Any,
    graph: Any,
    permutations: int = 0,
    seed: int = 0,
    row_standardised: bool = False,
    genes: Sequence[str] | None = None,
    threads: int | None = None,
    alternative: str = "two-sided",
) -> dict[str, pd.DataFrame]:
    """Both statistics in one pass over the same permutations: {"moran": ..., "geary": ...}."""
    return _tables(tuple(STATISTICS), counts, graph, permutations, seed, row_standardised, genes,
                   threads, alternative)  # fmt: skip


def _tables(
    wanted: tuple[str, ...], counts: Any, graph: Any, permutations: int, seed: int,
    row_standardised: bool, genes: Sequence[str] | None, threads: int | None, alternative: str,
) -> dict[str, pd.DataFrame]:  # fmt: skip
    """Tables of the statistics that are wanted, of "moran" and "geary"."""
    check_alternative(alternative)
    matrix, names = value_matrix(counts, genes)
    weights = weight_matrix(graph, matrix.shape[0], row_standardised)
    both = (weights + weights.T).tocsr()
    moments = gene_moments(matrix, threads)
    w = weight_sums(weights, both)
    reason = _reasons(moments, w.n, w.s0)
    permuted = permutations > 0 and w.n >= 4 and w.s0 > 0
    layout = prepare(both, permuted)
    observed = np.zeros((len(wanted), len(names)))
    found = np.zeros((len(wanted), len(names)), np.int64) if permuted else None
    for rows in pack_blocks(matrix, moments, threads):
        block = Block(rows, layout, moments, w, wanted)
        values = block.observed(threads)
        observed[:, rows.genes] = values
        if found is not None:
            found[:, rows.genes] = exceedances(
                block, values, permutations, seed, alternative, threads
            )
    tables = {}
    for row, name in enumerate(wanted):
        if w.n >= 4 and w.s0 > 0:
            null = NULLS[name](w, moments.kurtosis)
        else:
            null = (np.nan, np.nan, np.full(len(names), np.nan))
        table = _table(STATISTICS[name], observed[row], null, alternative)
        table["p_permutation"] = np.nan if found is None else (found[row] + 1) / (permutations + 1)
        table.loc[reason.notna().to_numpy(), :] = np.nan
        tested = table["p"] if found is None else table["p_permutation"]
        table["fdr"] = benjamini_hochberg(tested)
        table["reason"] = reason
        table.index = pd.Index(names, name="gene")
        tables[name] = table
    return tables


def _reasons(moments: GeneMoments, n: int, s0: float) -> pd.Series:
    """Why each gene has no result; null where it has one."""
    reason = np.full(moments.constant.size, None, dtype=object)
    reason[moments.constant] = "constant"
    if s0 <= 0:
        reason[:] = "no edges"
    if n < 4:
        reason[:] = "fewer than 4 cells"
    return pd.Series(reason, dtype="object")


def _table(
    symbol: str, value: Floats, null: tuple[float, float, Floats], alternative: str
) -> pd.DataFrame:
    expected, normal, random = null
    table = pd.DataFrame({symbol: value, "expected": expected, "variance": random})
    with np.errstate(divide="ignore", invalid="ignore"):
        table["z"] = (value - expected) / np.sqrt(random)
        table["p"] = normal_p(table["z"].to_numpy(), alternative)
        table["variance_normal"] = normal
        table["z_normal"] = (value - expected) / np.sqrt(normal)
        table["p_normal"] = normal_p(table["z_normal"].to_numpy(), alternative)
    return table
