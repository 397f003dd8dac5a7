"""The network portrait of a graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from vitrail.annotated import connectivities_of
from vitrail.errors import VitrailError
from vitrail.parallel import available_threads, threaded
from vitrail.portrait.bits import BITS
from vitrail.portrait.divergence import SHIFT
from vitrail.portrait.entries import Entries, joined, merged
from vitrail.portrait.network import Network, lay_out
from vitrail.portrait.search import shell_histogram, shell_list

Integers = npt.NDArray[np.int64]

# Sources of a slice: after each, what was found is merged, and `progress` told.
SLICE = 64 * BITS
LISTED_SLICE = 16 * BITS
# Pairs of a source and a node below which threads take longer to start than to search.
WORTH_THREADS = 2**23
NO_LIMIT = int(np.iinfo(np.int64).max)


def portrait(
    graph: Any,
    max_depth: int | None = None,
    xy: npt.ArrayLike | None = None,
    threads: int | None = None,
    members: npt.ArrayLike | None = None,
    progress: Callable[[int, int], object] | None = None,
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
    progress
        Called from time to time with the number of nodes searched from and of all to search from.

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
    network = lay_out(matrix, BITS)
    counted = counted[network.order]
    sources = np.flatnonzero(counted)
    found: list[Entries] = []
    for begin in range(0, sources.size, SLICE):
        own = sources[begin : begin + SLICE]
        fresh = shell_entries(network, counted, own, depth, threads)
        found = [merged([*found, fresh]) if found else fresh]
        if progress is not None:
            progress(begin + own.size, sources.size)
    return found[0].portrait(0)


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
        return NO_LIMIT
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
    depth: int,
    threads: int | None,
) -> Entries:
    """Portrait of the sources (group 0).

    Parameters are those of `vitrail.portrait.search.shell_histogram`.
    """
    found = []
    for offset, histogram in _searched(
        shell_histogram, network, counted, sources, depth, threads=threads
    ):
        stored = np.flatnonzero(histogram)
        level = np.searchsorted(offset, stored, side="right") - 1
        key = level * SHIFT + stored - offset[level]
        found.append(Entries(np.zeros_like(key), key, histogram[stored].astype(np.int64)))
    return merged(found)


def part_entries(network: Network, sources: Integers, parts: int, threads: int | None) -> Entries:
    """Portraits of the parts that the sources are dealt to in turn (group = part).

    Each part is a small sample of a large graph: its shells are listed, as a histogram of each
    part would be large and all but empty.
    """
    every = np.ones(network.order.size, np.uint8)
    found: list[Entries] = []
    for begin in range(0, sources.size, LISTED_SLICE):
        own = sources[begin : begin + LISTED_SLICE]
        for source, key in _searched(shell_list, network, every, own, NO_LIMIT, threads=threads):
            part = (begin + source.astype(np.int64)) % parts
            found.append(joined(part, key, np.ones_like(key)))
        found = [merged(found)]
    return found[0]


def _searched(
    search: Callable[..., Any], network: Network, *arguments: Any, threads: int | None
) -> list[Any]:
    """Results of a search of `vitrail.portrait.search`, one for each thread."""
    batches = -(-arguments[1].size // BITS)
    workers = max(1, min(threads or available_threads(), batches))
    if arguments[1].size * network.order.size < WORTH_THREADS:
        workers = 1
    return threaded(
        lambda first: search(*network[:3], *arguments, first, workers), range(workers), workers
    )
