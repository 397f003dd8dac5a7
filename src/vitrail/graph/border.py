"""Cells whose neighbourhood is cut by the edge of the tissue or of the slide.

Outside of the observed tissue is what a disc of radius t can reach without covering a cell. Cells
that such an empty disc touches are edge cells; two that one empty disc touches at once span a
piece of the tissue's edge. This is the alpha shape (Edelsbrunner, Kirkpatrick & Seidel 1983,
doi:10.1109/TIT.1983.1056714), found here without a triangulation: around a cell, each other cell
at distance d < 2 t in direction w keeps the disc from the directions within arccos(d / 2t) of w,
and the few nearest cells close the circle of an inner cell.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from numba import njit

from vitrail.errors import VitrailError
from vitrail.graph.kdtree import box_gap, grow
from vitrail.parallel import spans, threaded

PIECES = 16
# Arcs of fewer radians are rounding, not openings.
LEAST_ARC = 1e-9


def border_cells(
    xy: npt.NDArray[np.float64],
    graph: sp.csr_matrix,
    reach: npt.NDArray[np.float64],
    edge: float,
    threads: int | None = None,
) -> npt.NDArray[np.bool_]:
    """Flag the cells that are at the edge of the tissue or reach it.

    Parameters
    ----------
    xy
        Positions (n, 2).
    graph
        Any graph of near cells (n, n); it shortens the search and does not change the result.
    reach
        Radius of each cell's neighbourhood (n,), in the unit of `xy`.
    edge
        Radius of the empty disc that counts as outside, above 0.
    threads
        Number of threads; the result does not depend on it.

    Returns
    -------
    numpy.ndarray
        bool (n,): True for edge cells and where the distance to the edge is at most `reach`.
    """
    if not edge > 0:
        raise VitrailError(f"graph, edge_um: found {edge}, wanted a number above 0.")
    n = len(xy)
    flagged = np.zeros(n, np.bool_)
    if n:
        tree = grow(xy, threads)
        pieces = np.concatenate(edge_pieces(tree, graph, float(edge), threads))
        far = _farthest(reach, tree.row, tree.start, tree.end)
        threaded(
            lambda s: _flag(*tree, pieces[s[0] : s[1]], reach, far, flagged),
            spans(len(pieces), PIECES),
            threads,
        )
    return flagged


def edge_pieces(
    tree: Any, graph: sp.csr_matrix, edge: float, threads: int | None
) -> list[npt.NDArray[np.int32]]:
    """Pieces of the tissue's edge: pairs (m, 2) of places; an edge cell is paired with itself."""
    indptr, indices = graph.indptr.astype(np.int64), graph.indices.astype(np.int32)
    place = np.empty(len(tree.row), np.int32)
    place[tree.row] = np.arange(len(tree.row))

    def piece(span: tuple[int, int]) -> npt.NDArray[np.int32]:
        given = (*tree, place, indptr, indices, edge, *span)
        return _edge_pieces(*given)

    return threaded(piece, spans(len(tree.row), PIECES), threads)


@njit(cache=True, nogil=True)
def shortest(indptr: Any, lengths: Any, rank: Any) -> Any:
    """The rank-th shortest length of each row, counted from 1; 0 with rank 0."""
    found = np.zeros(rank.size)
    for i in range(rank.size):
        if rank[i] > 0:
            found[i] = np.sort(lengths[indptr[i] : indptr[i + 1]])[rank[i] - 1]
    return found


@njit(cache=True, nogil=True)
def _cover(
    x: Any, y: Any, i: int, other: int, edge: float, gaps: Any, owner: Any, count: int
) -> int:
    """Take the directions that a cell closes from the open ones; their new number."""
    dx, dy = x[other] - x[i], y[other] - y[i]
    distance = math.sqrt(dx * dx + dy * dy)
    if distance == 0.0 or distance >= 2.0 * edge:
        return count
    half = math.acos(distance / (2.0 * edge))
    begin = math.atan2(dy, dx) - half
    if begin < 0.0:
        begin += 2.0 * math.pi
    for turn in range(2):
        # An arc over the direction 0 closes the begin of the circle as well.
        low = begin - turn * 2.0 * math.pi
        high = low + 2.0 * half
        at = 0
        for gap in range(count, 0, -1):
            at = gap - 1
            g0, g1 = gaps[at, 0], gaps[at, 1]
            if high <= g0 or low >= g1:
                continue
            left, right = low - g0 > LEAST_ARC, g1 - high > LEAST_ARC
            if left and right:
                gaps[count, 0], gaps[count, 1] = high, g1
                owner[count, 0], owner[count, 1] = other, owner[at, 1]
                count += 1
            if left:
                gaps[at, 1], owner[at, 1] = low, other
            elif right:
                gaps[at, 0], owner[at, 0] = high, other
            else:
                count -= 1
                gaps[at], owner[at] = gaps[count], owner[count]
    return count


@njit(cache=True, nogil=True)
def _edge_pieces(
    points: Any, row: Any, start: Any, end: Any, low: Any, high: Any, lowest: Any,
    place: Any, indptr: Any, indices: Any, edge: float, first: int, last: int,
) -> Any:  # fmt: skip
    x, y = points[0], points[1]
    nodes = start.size
    leaves = nodes // 2
    limit = 4.0 * edge * edge
    gaps, owner = np.empty((64, 2)), np.empty((64, 2), np.int32)
    pieces, size = np.empty((256, 2), np.int32), 0
    stack = np.empty(64, np.int64)
    at = np.empty(2)
    for i in range(first, last):
        gaps[0, 0], gaps[0, 1] = 0.0, 2.0 * math.pi
        owner[0, 0], owner[0, 1] = -1, -1
        count = 1
        for e in range(indptr[row[i]], indptr[row[i] + 1]):
            if count == 0:
                break
            if count + 4 > len(gaps):
                gaps = np.concatenate((gaps, gaps))
                owner = np.concatenate((owner, owner))
            count = _cover(x, y, i, place[indices[e]], edge, gaps, owner, count)
        if count == 0:
            continue
        # Its neighbours leave an opening: all cells within 2 t, near ones first.
        at[0], at[1] = x[i], y[i]
        node = leaves + np.searchsorted(end[leaves:], i, side="right")
        stack[0] = node
        while count:
            height = 1
            while height and count:
                height -= 1
                top = stack[height]
                if box_gap(low, high, top, at, at) >= limit:
                    continue
                child = 2 * top + 1
                if child < nodes:
                    stack[height], stack[height + 1] = child, child + 1
                    height += 2
                    continue
                for other in range(start[top], end[top]):
                    if count + 4 > len(gaps):
                        gaps = np.concatenate((gaps, gaps))
                        owner = np.concatenate((owner, owner))
                    if count and other != i:
                        count = _cover(x, y, i, other, edge, gaps, owner, count)
            if node == 0:
                break
            stack[0] = node + 1 if node % 2 else node - 1
            node = (node - 1) // 2
        if count == 0:
            continue
        if size + 2 * count + 1 > len(pieces):
            pieces = np.concatenate((pieces, np.empty((len(pieces) + 2 * count, 2), np.int32)))
        pieces[size] = i
        size += 1
        for gap in range(count):
            for side in range(2):
                # Each piece is found from both of its ends.
                if owner[gap, side] > i:
                    pieces[size, 0], pieces[size, 1] = i, owner[gap, side]
                    size += 1
    return pieces[:size].copy()


@njit(cache=True, nogil=True)
def _farthest(reach: Any, row: Any, start: Any, end: Any) -> Any:
    """Longest reach below each node."""
    nodes = start.size
    far = np.zeros(nodes)
    for node in range(nodes - 1, -1, -1):
        child = 2 * node + 1
        if child < nodes:
            far[node] = max(far[child], far[child + 1])
            continue
        for i in range(start[node], end[node]):
            far[node] = max(far[node], reach[row[i]])
    return far


@njit(cache=True, nogil=True)
def _flag(
    points: Any, row: Any, start: Any, end: Any, low: Any, high: Any, lowest: Any,
    pieces: Any, reach: Any, far: Any, flagged: Any,
) -> None:  # fmt: skip
    """Flag the points that reach a piece of the edge."""
    x, y = points[0], points[1]
    nodes = start.size
    stack = np.empty(64, np.int64)
    below, above = np.empty(2), np.empty(2)
    for piece in range(len(pieces)):
        p, q = pieces[piece]
        flagged[row[p]] = flagged[row[q]] = True
        below[0], above[0] = min(x[p], x[q]), max(x[p], x[q])
        below[1], above[1] = min(y[p], y[q]), max(y[p], y[q])
        stack[0] = 0
        height = 1
        while height:
            height -= 1
            node = stack[height]
            if math.sqrt(box_gap(low, high, node, below, above)) > far[node]:
                continue
            child = 2 * node + 1
            if child < nodes:
                stack[height], stack[height + 1] = child, child + 1
                height += 2
                continue
            for i in range(start[node], end[node]):
                if not flagged[row[i]] and _distance(x, y, i, p, q) <= reach[row[i]]:
                    flagged[row[i]] = True


@njit(cache=True, nogil=True)
def _distance(x: Any, y: Any, i: int, p: int, q: int) -> float:
    """Distance of point i to the segment from p to q."""
    ux, uy = x[q] - x[p], y[q] - y[p]
    length = ux * ux + uy * uy
    share = ((x[i] - x[p]) * ux + (y[i] - y[p]) * uy) / length if length > 0.0 else 0.0
    if share <= 0.0:
        dx, dy = x[i] - x[p], y[i] - y[p]
    elif share >= 1.0:
        dx, dy = x[i] - x[q], y[i] - y[q]
    else:
        dx, dy = x[i] - (x[p] + share * ux), y[i] - (y[p] + share * uy)
    return math.sqrt(dx * dx + dy * dy)
