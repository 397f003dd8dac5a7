"""The graph of a sample as the stages share it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from vitrail.annotated import positions_of
from vitrail.errors import VitrailError
from vitrail.graph.border import border_cells, shortest
from vitrail.graph.neighbours import knn, radius
from vitrail.graph.positions import distances, positions
from vitrail.graph.triangulation import delaunay

KINDS = ("knn", "radius", "delaunay")


@dataclass(frozen=True)
class Graph:
    """A spatial graph over the rows of a sample's cell table.

    Attributes
    ----------
    connectivities
        Binary float64 CSR (n, n), as squidpy keeps it in ``obsp["spatial_connectivities"]``.
    distances
        float64 CSR (n, n) with the same stored entries, in micrometres (0 between coincident
        cells is stored), as in ``obsp["spatial_distances"]``.
    meta
        ``kind``, its parameters, ``cells`` (rows that may have edges) and ``edges`` (stored
        entries; a symmetric edge counts twice).
    border
        bool (n,): cells whose neighbourhood is cut by the edge of the tissue or of the slide; None
        where it was not asked for.
    """

    connectivities: sp.csr_matrix
    distances: sp.csr_matrix
    meta: dict[str, Any] = field(default_factory=dict)
    border: npt.NDArray[np.bool_] | None = None


def interior(graph: Graph) -> npt.NDArray[np.bool_]:
    """Cells whose neighbourhood is not cut by an edge: what statistics keep of a graph.

    Parameters
    ----------
    graph
        Graph of `build` with ``edge_um``, or of the stage graph.

    Returns
    -------
    numpy.ndarray
        bool (n,). Cells that fail quality control are in no neighbourhood and not flagged:
        combine with ``qc_pass``.
    """
    if graph.border is None:
        raise VitrailError("graph: found no flags of border cells in it, wanted one with edge_um.")
    return ~graph.border


def build(
    xy: Any,
    qc_pass: npt.ArrayLike | None = None,
    kind: str = "knn",
    k: int = 6,
    radius_um: float = 30.0,
    max_edge_um: float | None = None,
    symmetric: bool = True,
    edge_um: float | None = None,
    threads: int | None = None,
) -> Graph:
    """Spatial graph of a sample.

    Parameters
    ----------
    xy
        Positions (n, 2) in micrometres, or an AnnData with ``obsm["spatial"]``.
    qc_pass
        Boolean (n,): cells that may have edges; None for all. Positions of others are not read.
    kind
        "knn", "radius" or "delaunay".
    k
        Neighbours of a cell ("knn").
    radius_um
        Radius in micrometres, included ("radius").
    max_edge_um
        Longest edge in micrometres, or None ("delaunay").
    symmetric
        Whether nearest neighbours are joined by union ("knn"); the others are symmetric.
    edge_um
        Radius in micrometres of an empty disc that counts as outside of the tissue; cells whose
        neighbourhood reaches there are flagged as `border`. None does not flag. The neighbourhood
        is the disc to the k-th nearest neighbour ("knn"), of the radius ("radius") or to the end
        of the longest edge ("delaunay"). Only in two dimensions.
    threads
        Number of threads; the result does not depend on it.
    """
    xy = positions_of(xy)
    every = np.asarray(xy, dtype=np.float64).reshape(-1, np.shape(xy)[-1] if np.size(xy) else 2)
    n = len(every)
    used = np.arange(n) if qc_pass is None else np.flatnonzero(np.asarray(qc_pass, dtype=bool))
    points = positions(every[used])
    meta: dict[str, Any] = {"kind": kind}
    if kind == "knn":
        inner = knn(points, k, symmetric, threads)
        meta |= {"k": k, "symmetric": symmetric}
    elif kind == "radius":
        inner = radius(points, radius_um, threads)
        meta |= {"radius_um": radius_um, "symmetric": True}
    elif kind == "delaunay":
        inner = delaunay(points, max_edge_um)
        meta |= {"max_edge_um": max_edge_um, "symmetric": True}
    else:
        raise VitrailError(f"graph, kind: found {kind!r}, wanted one of {', '.join(KINDS)}.")
    meta |= {"cells": len(used), "edges": int(inner.nnz)}
    connectivities = _spread(inner, used, n)
    rows = np.repeat(np.arange(n), np.diff(connectivities.indptr))
    lengths = distances(every, rows, connectivities.indices)
    weighted = sp.csr_matrix(
        (lengths, connectivities.indices.copy(), connectivities.indptr.copy()), shape=(n, n)
    )
    border = None
    if edge_um is not None:
        if points.shape[1] != 2:
            raise VitrailError("graph, edge_um: found positions in space, wanted them in a plane.")
        reach = _reach(inner, weighted.data, kind, k, radius_um)
        border = np.zeros(n, np.bool_)
        border[used] = border_cells(points, inner, reach, edge_um, threads)
    return Graph(connectivities, weighted, meta, border)


def _reach(
    inner: sp.csr_matrix, lengths: npt.NDArray[np.float64], kind: str, k: int, radius_um: float
) -> npt.NDArray[np.float64]:
    """Radius of each cell's neighbourhood; 0 for a cell without neighbours."""
    degree = np.diff(inner.indptr)
    if kind == "radius":
        return np.full(len(degree), float(radius_um))
    # Those that have a cell among their nearest, but not the other way round, are farther than its
    # own: the k-th nearest is the k-th shortest edge.
    rank = np.minimum(degree, k) if kind == "knn" else degree
    return shortest(inner.indptr, lengths, rank)


def _spread(inner: sp.csr_matrix, used: npt.NDArray[np.int64], n: int) -> sp.csr_matrix:
    """Matrix over all n rows from one over the rows `used` (increasing)."""
    degree = np.zeros(n + 1, np.int64)
    degree[used + 1] = np.diff(inner.indptr)
    return sp.csr_matrix(
        (inner.data, used[inner.indices].astype(np.int32), np.cumsum(degree)), shape=(n, n)
    )
