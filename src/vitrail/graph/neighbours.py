"""Graphs of near cells: k nearest neighbours and all neighbours within a radius."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from vitrail.errors import VitrailError
from vitrail.graph.adjacency import adjacency
from vitrail.graph.kdtree import grow, nearest, within
from vitrail.graph.positions import positions
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
    indices = nearest_neighbours(points, k, threads)
    n, k = indices.shape
    return adjacency(np.repeat(np.arange(n), k), indices.ravel(), n, symmetric)


def nearest_neighbours(
    points: npt.NDArray[np.float64], k: int, threads: int | None = None
) -> npt.NDArray[np.int64]:
    """Indices (n, min(k, n - 1)) of each point's nearest others, nearest first."""
    n = len(points)
    out = np.empty((n, max(0, min(k, n - 1))), np.int64)
    if out.size:
        tree = grow(points)
        threaded(lambda span: nearest(*tree, *span, out), _pieces(n), threads)
    return out


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
    offset = np.zeros(n + 1, np.int64)
    indices = np.zeros(0, np.int32)
    if n:
        tree = grow(points)[:-1]
        reach = float(r) * float(r)
        empty = np.zeros(0, np.int32)
        counts = np.zeros(n + 1, np.int64)
        threaded(lambda s: within(*tree, reach, *s, counts, empty), _pieces(n), threads)
        offset = np.cumsum(counts)
        indices = np.empty(offset[-1], np.int32)
        if indices.size:
            threaded(lambda s: within(*tree, reach, *s, offset, indices), _pieces(n), threads)
    return sp.csr_matrix((np.ones(indices.size), indices, offset), shape=(n, n))


def _pieces(n: int) -> list[tuple[int, int]]:
    return spans(n, max(available_threads(), -(-n // PIECE)))
