"""Clusters of cells with similar expression."""

from __future__ import annotations

import random

import numpy as np
import numpy.typing as npt
from scipy import sparse

ITERATIONS = 10


def shared_neighbours(neighbours: npt.NDArray[np.int64]) -> sparse.coo_matrix:
    """Graph of neighbours, weighted by the neighbours that two cells share.

    The weight is the Jaccard index of two cells' neighbourhoods, themselves included (Levine et
    al. 2015, PhenoGraph).

    Parameters
    ----------
    neighbours
        int64 array of shape (n, k).

    Returns
    -------
    Upper triangle of the symmetric weights, COO float64 of shape (n, n), in row-major order.
    """
    n, k = neighbours.shape
    members = np.column_stack([np.arange(n), neighbours])
    indptr = np.arange(n + 1) * (k + 1)
    ones = np.ones(members.size)
    hood = sparse.csr_matrix((ones, members.ravel(), indptr), shape=(n, n))
    linked = sparse.triu(hood + hood.T, k=1).astype(bool).tocsr()
    linked.sort_indices()
    edges = linked.tocoo()
    shared = _intersections(hood, edges.row, edges.col)
    return sparse.coo_matrix((shared / (2 * (k + 1) - shared), (edges.row, edges.col)), (n, n))


def _intersections(
    hood: sparse.csr_matrix, a: npt.NDArray[np.int32], b: npt.NDArray[np.int32]
) -> npt.NDArray[np.float64]:
    """Number of common members of pairs of neighbourhoods, in blocks of pairs."""
    shared = np.empty(len(a))
    for start in range(0, len(a), 1 << 18):
        block = slice(start, start + (1 << 18))
        shared[block] = np.asarray(hood[a[block]].multiply(hood[b[block]]).sum(axis=1)).ravel()
    return shared


def leiden(
    neighbours: npt.NDArray[np.int64], resolution: float, seed: int
) -> npt.NDArray[np.int32]:
    """Leiden communities of the shared-neighbour graph (Traag et al. 2019), modularity.

    Parameters
    ----------
    neighbours
        int64 array of shape (n, k).
    resolution
        Larger values give more clusters.
    seed
        Of the random order of moves.

    Returns
    -------
    int32 array of shape (n,): clusters from 0, largest first.
    """
    import igraph

    weights = shared_neighbours(neighbours)
    graph = igraph.Graph(n=len(neighbours), edges=np.column_stack([weights.row, weights.col]))
    igraph.set_random_number_generator(random.Random(seed))
    try:
        found = graph.community_leiden(
            objective_function="modularity",
            weights=weights.data,
            resolution=resolution,
            n_iterations=ITERATIONS,
        )
    finally:
        igraph.set_random_number_generator(random)
    return by_size(np.asarray(found.membership, dtype=np.int64))


def by_size(membership: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Number clusters from the largest; among equal ones the one of the first cell comes first."""
    _, first, inverse, sizes = np.unique(
        membership, return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.empty(len(sizes), dtype=np.int32)
    rank[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return rank[inverse]
