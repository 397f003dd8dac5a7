"""Binary adjacency matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp


def adjacency(
    rows: npt.NDArray[Any], columns: npt.NDArray[Any], n: int, symmetric: bool
) -> sp.csr_matrix:
    """Binary float64 CSR (n, n) of directed edges, columns sorted, each edge once.

    Parameters
    ----------
    rows, columns
        Ends of each edge; self-loops are dropped, repeated edges count once.
    symmetric
        Add each edge's reverse (symmetric by union).
    """
    keep = rows != columns
    rows, columns = rows[keep].astype(np.int32), columns[keep].astype(np.int32)
    if symmetric:
        rows, columns = np.concatenate([rows, columns]), np.concatenate([columns, rows])
    matrix = sp.csr_matrix((np.ones(rows.size), (rows, columns)), shape=(n, n))
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def canonical(indices: npt.NDArray[np.int32], indptr: npt.NDArray[np.int64]) -> sp.csr_matrix:
    """Binary float64 CSR (n, n) of columns that are sorted and unique in each row."""
    n = len(indptr) - 1
    if indptr[-1] <= np.iinfo(np.int32).max:
        indptr = indptr.astype(np.int32)
    matrix = sp.csr_matrix((np.ones(indices.size), indices, indptr), shape=(n, n))
    matrix.has_sorted_indices = matrix.has_canonical_format = True
    return matrix
