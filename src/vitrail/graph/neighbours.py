"""Graphs of near cells: k nearest neighbours and all neighbours within a radius."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from vitrail.errors import VitrailError
from vitrail.graph.adjacency import canonical
from vitrail.graph.kdtree import Tree, grow, leaves, nearest, within
from vitrail.graph.positions import positions
from vitrail.graph.union import neighbour_graph
from vitrail.parallel import available_threads, spans, threaded

# Threads take pieces of this many points in turn, so that dense regions do not hold one up.
PIECE = 20_000


def knn(xy: Any, k: int, symmetric: bool = True, threads: int | None = None) -> sp.csr_matrix:
    """Graph of the k nearest neighbours of each cell.

    Of two equally near cells the one with the lower index is nearer.

    Parameters
    ----------
    xy
        Positions (n, 2) or (n, 3) in any unit, or an AnnData with ``obsm["spatial"]``.
    k
        Neighbours of a cell, at least 1. With n cells each has at most n - 1.
    symmetric
        Join two cells if either is among the other's nearest (union). If False, row i holds
        the k nearest neighbours of i.
    threads
        Number of threads; the result does not depend on it.

    Returns
    -------
    scipy.sparse.csr_matrix
        Binary float64 adjacency (n, n), no loops, sorted column indices.
    """
    if k < 1:
        raise VitrailError(f"knn: found k = {k}, wanted at least 1.")
    points = positions(xy)
    n = len(points)
    k = min(k, n - 1)
    if k < 1:
        return canonical(np.zeros(0, np.int32), np.zeros(n + 1, np.int64))
    tree = grow(points, threads)
    return neighbour_graph(_search(tree, k, threads), tree.row, symmetric, threads)


def nearest_neighbours(
    points: npt.NDArray[np.float64], k: int, threads: int | None = None
) -> npt.NDArray[np.int64]:
    """Indices (n, min(k, n - 1)) of each point's nearest others, nearest first."""
    n = len(points)
    out = np.empty((n, max(0, min(k, n - 1))), np.int64)
    if out.size:
        tree = grow(points, threads)
        out[tree.row] = tree.row[_search(tree, out.shape[1], threads)]
    return out


def nearest_to(
    points: npt.NDArray[np.float64], rows: npt.NDArray[np.int64], k: int
) -> npt.NDArray[np.int64]:
    """Indices (len(rows), k) of the nearest others of some points, nearest first; k < n."""
    near = np.empty((len(rows), k), np.int32)
    if near.size == 0:
        return near.astype(np.int64)
    tree = grow(points)
    place = np.empty(len(points), np.int64)
    place[tree.row] = np.arange(len(points))
    for at, one in zip(place[rows], near, strict=True):
        nearest(*tree, at, at + 1, one[None])
    return tree.row[near].astype(np.int64)


def _search(tree: Tree, k: int, threads: int | None) -> npt.NDArray[np.int32]:
    """Places of the nearest others of the point at each place (n, k)."""
    n = len(tree.row)
    near = np.empty((n, k), np.int32)
    threaded(lambda s: nearest(*tree, *s, near[s[0] : s[1]]), _pieces(n), threads)
    return near


def radius(xy: Any, r: float, threads: int | None = None) -> sp.csr_matrix:
    """Graph of all pairs of cells at a distance of at most r.

    Parameters
    ----------
    xy
        Positions (n, 2) or (n, 3), or an AnnData with ``obsm["spatial"]``.
    r
        Radius in the unit of `xy`, above 0; a distance equal to r is inside.
    threads
        Number of threads; the result does not depend on it.

    Returns
    -------
    scipy.sparse.csr_matrix
        Binary, symmetric float64 adjacency (n, n), no loops, sorted column indices.
    """
    if not (np.isfinite(r) and r > 0):
        raise VitrailError(f"radius: found r = {r}, wanted a finite number above 0.")
    points = positions(xy)
    n = len(points)
    counts = np.zeros(n + 1, np.int64)
    indices = np.zeros(0, np.int32)
    if n:
        tree = grow(points, threads)
        first, last = leaves(tree)
        pieces = [(first + a, first + b) for a, b in _pieces(last - first, PIECE // 10)]
        reach = float(r) * float(r)
        threaded(lambda s: within(*tree, reach, *s, counts, indices), pieces, threads)
        np.cumsum(counts, out=counts)
        if counts[-1]:
            columns = np.empty(counts[-1], np.int32)
            threaded(lambda s: within(*tree, reach, *s, counts, columns), pieces, threads)
            indices = columns
    return canonical(indices, counts)


def _pieces(n: int, most: int = PIECE) -> list[tuple[int, int]]:
    return spans(n, max(available_threads(), -(-n // most)))
