"""The Delaunay graph of cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from vitrail.errors import VitrailError
from vitrail.graph.adjacency import adjacency
from vitrail.graph.positions import distances, positions

Edges = npt.NDArray[np.int64]


def delaunay(xy: Any, max_edge: float | None = None) -> sp.csr_matrix:
    """Graph of the Delaunay triangulation.

    Cells at one position: the one with the lowest index takes part in the triangulation, the
    others are joined to it. Positions on one line: each is joined to the next along the line
    (what a triangulation tends to as the points approach the line, without its long edges).

    Parameters
    ----------
    xy
        Positions (n, 2), or an AnnData with ``obsm["spatial"]``.
    max_edge
        Longest edge that is kept, in the unit of `xy`; None keeps all.

    Returns
    -------
    scipy.sparse.csr_matrix
        Binary, symmetric float64 adjacency (n, n), no loops, sorted column indices.
    """
    if max_edge is not None and not max_edge > 0:
        raise VitrailError(f"delaunay: found max_edge = {max_edge}, wanted a number above 0.")
    points = positions(xy, (2,))
    n = len(points)
    kept, copies = _coincident(points)
    edges = np.concatenate([kept[_edges(points[kept])], copies])
    if max_edge is not None:
        edges = edges[distances(points, edges[:, 0], edges[:, 1]) <= max_edge]
    return adjacency(edges[:, 0], edges[:, 1], n, symmetric=True)


def _coincident(points: npt.NDArray[np.float64]) -> tuple[Edges, Edges]:
    """Lowest index of each position, and an edge from it to each other index there."""
    # +0.0 makes one position of 0.0 and -0.0.
    _, first, inverse = np.unique(points + 0.0, axis=0, return_index=True, return_inverse=True)
    lowest = first[inverse.ravel()]
    copies = np.flatnonzero(lowest != np.arange(len(points)))
    return np.sort(first).astype(np.int64), np.stack([lowest[copies], copies], axis=1)


def _edges(points: npt.NDArray[np.float64]) -> Edges:
    """Edges (m, 2) of distinct points."""
    if len(points) < 3:
        return np.array([[0, 1]] if len(points) == 2 else [], np.int64).reshape(-1, 2)
    # Importing it takes as long as the graph of a small sample.
    from scipy.spatial import Delaunay, QhullError

    # Qhull loses digits far from the origin.
    centred = points - points.mean(axis=0)
    try:
        triangulation = Delaunay(centred)
    except QhullError:
        return _chain(centred)
    triangles = triangulation.simplices
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    # Points that Qhull leaves out as too near to a facet come with the vertex next to them.
    left_out = triangulation.coplanar[:, [0, 2]]
    return np.concatenate([edges, left_out]).astype(np.int64)


def _chain(centred: npt.NDArray[np.float64]) -> Edges:
    """Neighbours along the line on which the points lie."""
    direction = np.linalg.svd(centred, full_matrices=False)[2][0]
    order = np.argsort(centred @ direction, kind="stable")
    return np.stack([order[:-1], order[1:]], axis=1)
