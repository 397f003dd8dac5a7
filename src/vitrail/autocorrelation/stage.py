"""The table of genes that the stage autocorrelation writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from vitrail.autocorrelation.tables import spatial_autocorrelation


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
        prefix ``geary_``, ``reason``.
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
    table["reason"] = tables["moran"]["reason"].to_numpy()
    return table
