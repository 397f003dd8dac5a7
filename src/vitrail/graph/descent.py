"""Approximate nearest neighbours in many dimensions, with their recall."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from vitrail.errors import VitrailError
from vitrail.graph.union import neighbour_graph


class Approximate(NamedTuple):
    """An approximate graph and how good it is."""

    graph: sp.csr_matrix  # binary float64 adjacency (n, n)
    recall: float  # share of the true neighbours that were found, over the cells checked
    checked: int  # cells whose neighbours were also searched exactly


def nn_descent(
    points: npt.ArrayLike, k: int, symmetric: bool = True, seed: int = 0, check: int = 1000
) -> Approximate:
    """Graph of the k nearest neighbours by NN-Descent (Dong, Moses & Li 2011).

    For many dimensions, where exact search looks at all points. In two or three dimensions `knn`
    is exact and faster. Needs pynndescent (``pip install "vitrail[descent]"``).

    Parameters
    ----------
    points
        Array (n, d), Euclidean.
    k
        Neighbours of a point, at least 1.
    symmetric
        Join two points if either is among the other's neighbours (union).
    seed
        Seed of the search and of the cells that are checked. One thread, so that the result
        depends on the seed alone.
    check
        Points, drawn at random, whose exact neighbours give the recall.
    """
    try:
        from pynndescent import NNDescent
    except ImportError:
        raise VitrailError(
            'nn_descent: found no package pynndescent; install "vitrail[descent]".'
        ) from None
    array = np.ascontiguousarray(points, dtype=np.float32)
    if array.ndim != 2 or not np.isfinite(array).all():
        raise VitrailError("nn_descent: wanted finite numbers in an array (n, d).")
    n = len(array)
    if not 1 <= k < n:
        raise VitrailError(f"nn_descent: found k = {k} with {n} points, wanted 1 to {n - 1}.")
    index = NNDescent(array, n_neighbors=k + 1, random_state=seed, n_jobs=1)
    near = _without_self(index.neighbor_graph[0], k)
    rows = np.random.default_rng(seed).choice(n, min(check, n), replace=False)
    found = near[rows]
    true = exact_neighbours(array, rows, k)
    hits = sum(len(np.intersect1d(a, b)) for a, b in zip(found, true, strict=True))
    graph = neighbour_graph(near, np.arange(n, dtype=np.int32), symmetric, None)
    return Approximate(graph, hits / true.size, len(rows))


def _without_self(near: npt.NDArray[Any], k: int) -> npt.NDArray[np.int32]:
    """The first k of each row's neighbours that are not the row itself."""
    other = near != np.arange(len(near))[:, None]
    order = np.argsort(~other, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(near, order, axis=1).astype(np.int32)


def exact_neighbours(
    points: npt.NDArray[np.float32], rows: npt.NDArray[np.int64], k: int
) -> npt.NDArray[np.int64]:
    """Nearest others (len(rows), k) of some points in any dimension, by all distances."""
    out = np.empty((len(rows), k), np.int64)
    # Squared lengths and products in float64; a block of rows at a time bounds the memory.
    whole = points.astype(np.float64)
    length = (whole**2).sum(axis=1)
    for begin in range(0, len(rows), 100):
        own = rows[begin : begin + 100]
        squared = length - 2.0 * whole[own] @ whole.T
        squared[np.arange(len(own)), own] = np.inf
        out[begin : begin + len(own)] = np.argpartition(squared, k - 1, axis=1)[:, :k]
    return out
