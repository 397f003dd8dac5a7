"""The tables that the stage autocorrelation writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from vitrail.autocorrelation.cross_moran import bivariate
from vitrail.autocorrelation.local_moran import local
from vitrail.autocorrelation.tables import spatial_autocorrelation
from vitrail.autocorrelation.values import normal_p

NOT_MEASURED = "not measured"
# Neighbours that are alike have a greater I and a lesser C.
ALIKE = {"moran": "greater", "geary": "less"}


class Tables(NamedTuple):
    """What the stage writes, see `gene_table`, `pair_table` and `local_table`."""

    genes: pd.DataFrame
    pairs: pd.DataFrame
    local: pd.DataFrame


def autocorrelation(
    values: Any,
    genes: Sequence[str],
    weights: sp.csr_matrix,
    qc_pass: npt.ArrayLike,
    cells: npt.ArrayLike,
    *,
    pairs: Sequence[Sequence[str]] = (),
    local_genes: Sequence[str] = (),
    **settings: Any,
) -> Tables:
    """All tables of a sample; parameters are those of the functions that make them."""
    data = (values, genes, weights, qc_pass)
    return Tables(
        gene_table(*data, **settings),
        pair_table(*data, pairs, **settings),
        local_table(*data, cells, local_genes, **settings),
    )


def not_measured(
    genes: Sequence[str], pairs: Sequence[Sequence[str]], local_genes: Sequence[str]
) -> list[str]:
    """Genes that are asked for in pairs or cell by cell and that the sample has not measured."""
    return sorted({*local_genes, *(gene for pair in pairs for gene in pair)} - set(genes))


def gene_table(
    values: Any,
    genes: Sequence[str],
    weights: sp.csr_matrix,
    qc_pass: npt.ArrayLike,
    permutations: int = 999,
    row_standardised: bool = False,
    seed: int = 0,
    threads: int | None = None,
) -> pd.DataFrame:
    """Moran's I and Geary's C of each gene over the cells that pass quality control.

    Parameters
    ----------
    values
        Values (cells, genes), sparse.
    genes
        Names of the columns.
    weights
        Graph (cells, cells).
    qc_pass
        Boolean (cells,): cells that count.
    permutations, row_standardised, seed, threads
        As in `vitrail.autocorrelation.moran`.

    Returns
    -------
    pandas.DataFrame
        One row a gene: ``gene``, ``cells_expressing``, ``mean``, the columns of
        `vitrail.autocorrelation.moran` with the prefix ``moran_``, those of ``geary`` with the
        prefix ``geary_``, each with ``p_alike`` (one-sided: neighbours are alike; normal
        approximation), ``reason``.
    """
    used = np.flatnonzero(np.asarray(qc_pass, dtype=bool))
    matrix = sp.csr_matrix(values)[used]
    tables = spatial_autocorrelation(
        matrix, weights[used][:, used], permutations, seed, row_standardised, genes, threads
    )
    stored = sp.csc_matrix(matrix)
    stored.eliminate_zeros()
    mean = np.asarray(matrix.sum(axis=0), dtype=np.float64).ravel() / max(len(used), 1)
    table = pd.DataFrame(
        {
            "gene": pd.Series([str(gene) for gene in genes], dtype="object"),
            "cells_expressing": np.diff(stored.indptr).astype(np.int64),
            "mean": mean,
        }
    )
    for name, result in tables.items():
        for column in result.columns.drop("reason"):
            table[f"{name}_{column}"] = result[column].to_numpy()
        table[f"{name}_p_alike"] = normal_p(result["z"].to_numpy(), ALIKE[name])
    table["reason"] = tables["moran"]["reason"].to_numpy()
    return table


def pair_table(
    values: Any,
    genes: Sequence[str],
    weights: sp.csr_matrix,
    qc_pass: npt.ArrayLike,
    pairs: Sequence[Sequence[str]],
    permutations: int = 999,
    row_standardised: bool = False,
    seed: int = 0,
    threads: int | None = None,
) -> pd.DataFrame:
    """Bivariate Moran's I of pairs of genes over the cells that pass quality control.

    Parameters and columns are those of `vitrail.autocorrelation.bivariate`. A pair with a gene that
    the sample has not measured keeps its row, without values and with that as its `reason`.
    """
    used = np.flatnonzero(np.asarray(qc_pass, dtype=bool))
    names = {str(gene) for gene in genes}
    wanted = pd.DataFrame([(str(x), str(y)) for x, y in pairs], columns=["x", "y"], dtype=object)
    measured = (wanted["x"].isin(names) & wanted["y"].isin(names)).to_numpy(bool)
    found = bivariate(
        sp.csr_matrix(values)[used], weights[used][:, used],
        list(wanted[measured].itertuples(index=False, name=None)), permutations, seed,
        row_standardised, genes, threads,
    )  # fmt: skip
    found.index = wanted.index[measured]
    table = found.reindex(wanted.index)
    table[["x", "y"]] = wanted
    reason = table["reason"].astype(object).where(table["reason"].notna(), None)
    table["reason"] = reason.where(measured, NOT_MEASURED)
    return table


def local_table(
    values: Any,
    genes: Sequence[str],
    weights: sp.csr_matrix,
    qc_pass: npt.ArrayLike,
    cells: npt.ArrayLike,
    local_genes: Sequence[str],
    permutations: int = 999,
    row_standardised: bool = False,
    seed: int = 0,
    threads: int | None = None,
) -> pd.DataFrame:
    """Local Moran's I of chosen genes, in the cells that pass quality control.

    Parameters are those of `vitrail.autocorrelation.local`; genes that the sample has not measured
    have no rows.

    Returns
    -------
    pandas.DataFrame
        One row a gene and cell: ``gene``, ``cell`` (label, from `cells`), and the columns of
        `vitrail.autocorrelation.local`.
    """
    used = np.flatnonzero(np.asarray(qc_pass, dtype=bool))
    names = {str(gene) for gene in genes}
    measured = [str(gene) for gene in local_genes if str(gene) in names]
    tables = local(
        sp.csr_matrix(values)[used], weights[used][:, used], measured, permutations, seed,
        row_standardised, genes, threads,
    )  # fmt: skip
    cell = np.asarray(cells, dtype=np.int32)[used]
    parts = []
    for gene, table in tables.items():
        table.insert(0, "gene", pd.Series([gene] * len(table), dtype=object))
        table.insert(1, "cell", cell)
        parts.append(table)
    return pd.concat(parts, ignore_index=True) if parts else _no_local()


def _no_local() -> pd.DataFrame:
    columns = ["I", "expected", "variance", "z", "p", "p_permutation", "fdr"]
    table = pd.DataFrame({"gene": pd.Series([], dtype=object), "cell": np.zeros(0, np.int32)})
    table[columns] = np.zeros((0, len(columns)))
    table["quadrant"] = np.zeros(0, np.int8)
    return table
