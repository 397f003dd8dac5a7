"""Pairs of neighbours of any weight matrix, each pair once.

x'Wx is the same for W and for any matrix that holds each w_ij + w_ji once, so each pair of cells is
visited once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.csgraph import reverse_cuthill_mckee

from vitrail.annotated import connectivities_of
from vitrail.errors import VitrailError


class Pairs(NamedTuple):
    """Pairs of neighbours, each once, and the row and column sums of W."""

    indptr: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float64]  # w_ij + w_ji; empty where all are equal to `weight`
    weight: float
    sums: npt.NDArray[np.float64]  # (n,): row sums plus column sums


def neighbour_pairs(both: sp.csr_matrix) -> Pairs:
    """Pairs of W + W' (n, n), which has no loops."""
    upper = sp.triu(both, k=1, format="csr")
    sums = np.asarray(both.sum(axis=1), dtype=np.float64).ravel()
    data = upper.data.astype(np.float64)
    equal = data.size == 0 or bool((data == data[0]).all())
    return Pairs(
        upper.indptr.astype(np.int64),
        upper.indices.astype(np.int32),
        np.zeros(0) if equal else data,
        float(data[0]) if equal and data.size else 1.0,
        sums,
    )


def local_pairs(both: sp.csr_matrix) -> tuple[Pairs, npt.NDArray[np.int32]]:
    """The same with nodes renumbered so that neighbours are near each other in memory.

    Returns
    -------
    The pairs, and the new number of each node (n,).
    """
    order = reverse_cuthill_mckee(both, symmetric_mode=True)
    rank = np.empty(order.size, np.int32)
    rank[order] = np.arange(order.size, dtype=np.int32)
    return neighbour_pairs(both[order][:, order]), rank


def weight_matrix(graph: object, n: int, row_standardised: bool) -> sp.csr_matrix:
    """Weights (n, n) as float64 without loops, from whatever holds a graph.

    Parameters
    ----------
    graph
        Sparse or dense matrix, `vitrail.graph.Graph`, or AnnData with its graph in
        ``obsp["spatial_connectivities"]``.
    n
        Cells.
    row_standardised
        Divide each row by its sum; rows of zeros stay.
    """
    graph = connectivities_of(graph)
    weights = sp.csr_matrix(getattr(graph, "connectivities", graph), dtype=np.float64, copy=True)
    if weights.shape != (n, n):
        raise VitrailError(
            f"autocorrelation: found weights of shape {weights.shape}, wanted ({n}, {n})."
        )
    weights.sum_duplicates()
    row = np.repeat(np.arange(n), np.diff(weights.indptr))
    weights.data[weights.indices == row] = 0.0
    weights.eliminate_zeros()
    if row_standardised:
        total = np.asarray(weights.sum(axis=1)).ravel()
        weights.data /= np.repeat(total, np.diff(weights.indptr))
    return weights
