"""The network portrait of a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from vitrail.annotated import connectivities_of
from vitrail.errors import VitrailError
from vitrail.parallel import available_threads, threaded
from vitrail.portrait.bits import BITS
from vitrail.portrait.network import Network, lay_out
from vitrail.portrait.search import shell_histogram

Integers = npt.NDArray[np.int64]


def portrait(
    graph: Any,
    max_depth: int | None = None,
    xy: npt.ArrayLike | None = None,
    threads: int | None = None,
    members: npt.ArrayLike | None = None,
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
        Positions (n, 2) of the nodes. They are not needed: nodes near each other are found in the
        graph itself.
    threads
        Number of threads; the result does not depend on it.
    members
        Boolean (n,): the portrait of these nodes as seen through the whole graph. B[l, k] is then
        the number of members that have exactly k members at distance l, over paths through any
        node, and rows sum to the number of members. None for all nodes.

    Returns
    -------
    scipy.sparse.csr_matrix
        int64 (levels, counts): as many rows as there are levels that some node reaches, as many
        columns as the largest shell needs. A graph without nodes gives shape (0, 1), a single
        node [[0, 1]].
    """
    matrix = undirected(graph)
    n = matrix.shape[0]
    if xy is not None and len(np.asarray(xy)) != n:
        raise VitrailError(
            f"portrait: found {len(np.asarray(xy))} positions, wanted one for each of the {n} "
            "nodes."
        )
    counted = _members(members, n)
    depth = _depth(max_depth)
    if not counted.any():
        return sp.csr_matrix((0, 1), dtype=np.int64)
    network = lay_out(matrix)
    counted = counted[network.order]
    sources = np.flatnonzero(counted)
    _, levels, counts, numbers = shell_entries(network, counted, sources, 1, depth, threads)
    return from_entries(levels, counts, numbers, sources.size)


def _members(members: npt.ArrayLike | None, n: int) -> npt.NDArray[np.uint8]:
    if members is None:
        return np.ones(n, np.uint8)
    mask = np.asarray(members)
    if mask.shape != (n,) or mask.dtype != bool:
        raise VitrailError(
            f"portrait: found members of shape {mask.shape} and type {mask.dtype}, wanted a "
            f"boolean for each of the {n} nodes."
        )
    return mask.astype(np.uint8)


def _depth(max_depth: int | None) -> int:
    if max_depth is None:
        return int(np.iinfo(np.int64).max)
    if max_depth < 0:
        raise VitrailError(f"portrait: found max_depth = {max_depth}, wanted at least 0.")
    return int(max_depth)


def undirected(graph: Any) -> sp.csr_matrix:
    """Adjacency of `graph` as symmetric CSR without loops; values have no meaning."""
    graph = connectivities_of(graph)
    matrix = sp.csr_matrix(getattr(graph, "connectivities", graph), copy=True)
    if matrix.shape[0] != matrix.shape[1]:
        raise VitrailError(f"graph: found a matrix of shape {matrix.shape}, wanted a square one.")
    matrix.data = np.ones(matrix.nnz, np.int8) * (matrix.data != 0)
    matrix.eliminate_zeros()
    matrix.setdiag(0)
    matrix.eliminate_zeros()
    return matrix.maximum(matrix.T).tocsr()


def shell_entries(
    network: Network,
    counted: npt.NDArray[np.uint8],
    sources: Integers,
    parts: int,
    depth: int,
    threads: int | None,
) -> tuple[Integers, Integers, Integers, Integers]:
    """Part, level, count and number: so many sources of the part have `count` nodes at `level`.

    Parameters are those of `vitrail.portrait.search.shell_histogram`; entries may repeat, and
    the order depends on the number of threads.
    """
    batches = -(-sources.size // BITS)
    workers = max(1, min(threads or available_threads(), batches))
    histograms = threaded(
        lambda first: shell_histogram(*network[:3], counted, sources, parts, first, workers, depth),
        range(workers),
        workers,
    )
    found = []
    for offset, histogram in histograms:
        stored = np.flatnonzero(histogram)
        place = stored // parts
        level = np.searchsorted(offset, place, side="right") - 1
        found.append(
            (stored % parts, level, place - offset[level], histogram[stored].astype(np.int64))
        )
    part, level, count, number = (np.concatenate(column) for column in zip(*found, strict=True))
    return part, level, count, number


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
