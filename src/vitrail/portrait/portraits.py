"""The network portrait of a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from vitrail.errors import VitrailError
from vitrail.parallel import available_threads, threaded
from vitrail.portrait.order import hilbert_order, search_order
from vitrail.portrait.search import SOURCES, shell_histogram


def portrait(
    graph: Any,
    max_depth: int | None = None,
    xy: npt.ArrayLike | None = None,
    threads: int | None = None,
) -> sp.csr_matrix:
    """Network portrait B of a graph, exact.

    B[l, k] is the number of nodes that have exactly k nodes at distance l (Bagrow & Bollt 2019,
    doi:10.1007/s41109-019-0156-x). Nodes that do not reach level l count in B[l, 0], so that each
    row sums to n. The graph is taken as undirected (union of both directions), weights and loops
    are ignored.

    Parameters
    ----------
    graph
        Adjacency (n, n), sparse or dense, a `vitrail.graph.Graph`, or an AnnData with
        ``obsp["spatial_connectivities"]``.
    max_depth
        Last level that is counted; None for all. The result is then the first rows of the full
        portrait.
    xy
        Positions (n, 2) of the nodes: they speed up the search, and do not change the result.
    threads
        Number of threads; the result does not depend on it.

    Returns
    -------
    scipy.sparse.csr_matrix
        int64 (levels, counts): as many rows as there are levels that some node reaches, as many
        columns as the largest shell needs. A graph without nodes gives shape (0, 1), a single
        node [[0, 1]].
    """
    matrix = undirected(graph)
    n = matrix.shape[0]
    if n == 0:
        return sp.csr_matrix((0, 1), dtype=np.int64)
    indptr, indices = renumbered(matrix, xy)
    depth = np.iinfo(np.int64).max if max_depth is None else int(max_depth)
    if depth < 0:
        raise VitrailError(f"portrait: found max_depth = {max_depth}, wanted at least 0.")
    sources = np.arange(n)
    batches = -(-n // SOURCES)
    workers = max(1, min(threads or available_threads(), batches))
    parts = threaded(
        lambda first: shell_histogram(indptr, indices, sources, first, workers, depth),
        range(workers),
        workers,
    )
    return _assemble(parts, n)


def undirected(graph: Any) -> sp.csr_matrix:
    """Adjacency of `graph` as symmetric CSR without loops; values have no meaning."""
    if hasattr(graph, "obsp"):
        graph = graph.obsp["spatial_connectivities"]
    matrix = sp.csr_matrix(getattr(graph, "connectivities", graph), copy=True)
    if matrix.shape[0] != matrix.shape[1]:
        raise VitrailError(f"graph: found a matrix of shape {matrix.shape}, wanted a square one.")
    matrix.data = np.ones(matrix.nnz, np.int8) * (matrix.data != 0)
    matrix.eliminate_zeros()
    matrix.setdiag(0)
    matrix.eliminate_zeros()
    return matrix.maximum(matrix.T).tocsr()


def renumbered(
    matrix: sp.csr_matrix, xy: npt.ArrayLike | None = None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Row offsets and columns of the graph with its nodes numbered so that near ones are near."""
    indptr, indices = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32)
    if xy is None:
        order = search_order(indptr, indices)
    else:
        order = hilbert_order(np.asarray(xy, dtype=np.float64))
    if len(order) != matrix.shape[0]:
        raise VitrailError(
            f"portrait: found {len(order)} positions, wanted one for each of the "
            f"{matrix.shape[0]} nodes."
        )
    moved = matrix[order][:, order]
    moved.sort_indices()
    return moved.indptr.astype(np.int64), moved.indices.astype(np.int32)


def _assemble(parts: list[Any], n: int) -> sp.csr_matrix:
    levels, counts, numbers = [], [], []
    for offset, histogram in parts:
        stored = np.flatnonzero(histogram)
        level = np.searchsorted(offset, stored, side="right") - 1
        levels.append(level)
        counts.append(stored - offset[level])
        numbers.append(histogram[stored])
    return from_entries(np.concatenate(levels), np.concatenate(counts), np.concatenate(numbers), n)


def from_entries(
    levels: npt.NDArray[Any], counts: npt.NDArray[Any], numbers: npt.NDArray[Any], n: int
) -> sp.csr_matrix:
    """Portrait of n nodes from its entries with counts above 0; entries may repeat."""
    if not levels.size:
        return sp.csr_matrix((0, 1), dtype=np.int64)
    depth = int(levels.max()) + 1
    reached = np.bincount(levels, weights=numbers, minlength=depth).astype(np.int64)
    short = np.flatnonzero(reached < n)
    matrix = sp.csr_matrix(
        (
            np.concatenate([numbers, n - reached[short]]).astype(np.int64),
            (
                np.concatenate([levels, short]),
                np.concatenate([counts, np.zeros(short.size, np.int64)]),
            ),
        ),
        shape=(depth, int(counts.max()) + 1),
    )
    matrix.sum_duplicates()
    return matrix
