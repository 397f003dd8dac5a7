"""Binary adjacency matrices from lists of edges."""

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
