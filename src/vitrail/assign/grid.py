"""The grid of `vitrail.assign.outlines`: which outlines reach into each of its squares."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from vitrail.errors import VitrailError
from vitrail.parallel import threaded
from vitrail.rasterize import PixelPolygons

# How far, in squares, an edge counts as touching a square: far above the rounding of coordinates.
SLACK = 1e-6

INSIDE, EDGE = 1, 2


# Rows of squares that a thread fills at once.
BAND = 128
# Columns of an entry: twice the outline plus one where the square lies wholly in it; the square's
# next entry, -1 after the last; where the edges to test begin and end.
OUTLINE, FOLLOWING, BEGIN, END = range(4)

Ints = npt.NDArray[np.int64]
Int = npt.NDArray[np.int32]


def build(polygons: PixelPolygons, height: int, width: int) -> tuple[Int, Int, Int]:
    """Squares, their entries and the edges to test, see `vitrail.assign.outlines.Grid`.

    Bands of squares are filled in threads; results do not depend on their number.

    Parameters
    ----------
    polygons
        Outlines, in squares.
    height, width
        Size of the grid; holds all outlines.
    """
    square = np.zeros((height, width), np.int32)
    first = polygons.ring[polygons.part[polygons.polygon]]
    full = np.flatnonzero(np.diff(first) > 0)
    y = polygons.xy[:, 1]
    low = np.minimum.reduceat(y, first[full]) - SLACK
    high = np.maximum.reduceat(y, first[full]) + SLACK

    def fill(top: int) -> tuple[Int, Int]:
        members = full[(low < min(top + BAND, height)) & (high >= top)]
        shapes = (polygons.xy, polygons.ring, polygons.part, polygons.polygon)
        return _fill_band(square[top : top + BAND], top, members, *shapes)

    tops = range(0, height, BAND)
    bands = threaded(fill, tops)
    entries = edges = 0
    for top, (entry, edge) in zip(tops, bands, strict=True):
        rows = square[top : top + BAND]
        rows[rows < 0] -= entries
        entry[:, FOLLOWING][entry[:, FOLLOWING] >= 0] += entries
        entry[:, BEGIN:] += edges
        entries, edges = entries + len(entry), edges + len(edge)
    if max(entries, edges) >= 1 << 31:
        raise VitrailError(f"outlines: {max(entries, edges)} edges, wanted fewer than 2^31.")
    return (
        square,
        np.concatenate([entry for entry, _ in bands]),
        np.concatenate([edge for _, edge in bands]),
    )


@numba.njit(cache=True, nogil=True)
def _fill_band(square, above, members, xy, ring, part, polygon):  # type: ignore[no-untyped-def]
    """Fill the rows of squares from `above` on; returns their entries and the edges to test."""
    height, width = square.shape
    entry = np.empty((1024, 4), np.int32)
    edge = np.empty(1024, np.int32)
    used = edges = 0
    scratch = np.empty(256, np.uint8)
    crossings = np.empty(64)
    for i in members:
        rings = part[polygon[i]], part[polygon[i + 1]]
        first, last = ring[rings[0]], ring[rings[1]]
        left = max(0, int(np.floor(xy[first:last, 0].min() - SLACK)))
        right = min(width, int(np.floor(xy[first:last, 0].max() + SLACK)) + 1)
        top = max(above, int(np.floor(xy[first:last, 1].min() - SLACK)))
        bottom = min(above + height, int(np.floor(xy[first:last, 1].max() + SLACK)) + 1)
        if bottom <= top:
            continue
        size = (bottom - top) * (right - left)
        if size > scratch.size:
            scratch = np.empty(2 * size, np.uint8)
        if last - first > crossings.size:
            crossings = np.empty(2 * (last - first))
        if used + 2 * size > entry.shape[0]:
            grown = np.empty((2 * (used + 2 * size), 4), np.int32)
            grown[:used] = entry[:used]
            entry = grown
        box = scratch[:size].reshape(bottom - top, right - left)
        box[:] = 0
        for k in range(rings[0], rings[1]):
            for v in range(ring[k], ring[k + 1] - 1):
                _mark_edge(box, top, left, xy[v, 0], xy[v, 1], xy[v + 1, 0], xy[v + 1, 1])
        _fill(box, top, left, xy, ring, rings[0], rings[1], crossings)
        for r in range(box.shape[0]):
            if edges + last - first > edge.size:
                edge = _grown(edge, edges + last - first)
            begin = edges
            edges = _edges_of_row(xy, ring, rings[0], rings[1], r + top, edge, edges)
            squares = square[r + top - above, left:right]
            used = _insert(squares, box[r], i, entry, begin, edges, used)
    return entry[:used].copy(), edge[:edges].copy()


@numba.njit(cache=True, nogil=True)
def _edges_of_row(xy, ring, first, last, row, edge, edges):  # type: ignore[no-untyped-def]
    """Write the edges (first vertex) that reach into a row of squares; returns their new number."""
    for k in range(first, last):
        for v in range(ring[k], ring[k + 1] - 1):
            low, high = xy[v, 1], xy[v + 1, 1]
            if low > high:
                low, high = high, low
            if low < high and low - SLACK < row + 1 and high + SLACK >= row:
                edge[edges] = v
                edges += 1
    return edges


@numba.njit(cache=True, nogil=True)
def _mark_edge(box, top, left, ax, ay, bx, by):  # type: ignore[no-untyped-def]
    """Mark the squares that an edge touches, row by row."""
    if ay > by:
        ax, ay, bx, by = bx, by, ax, ay
    first = max(0, int(np.floor(ay - SLACK)) - top)
    last = min(box.shape[0] - 1, int(np.floor(by + SLACK)) - top)
    for r in range(first, last + 1):
        x0, x1 = ax, bx
        if by > ay:
            low = min(max((r + top - SLACK - ay) / (by - ay), 0.0), 1.0)
            high = min(max((r + top + 1 + SLACK - ay) / (by - ay), 0.0), 1.0)
            x0, x1 = ax + low * (bx - ax), ax + high * (bx - ax)
        begin = max(0, int(np.floor(min(x0, x1) - SLACK)) - left)
        end = min(box.shape[1] - 1, int(np.floor(max(x0, x1) + SLACK)) - left)
        box[r, begin : end + 1] = EDGE


@numba.njit(cache=True, nogil=True)
def _fill(box, top, left, xy, ring, first, last, crossings):  # type: ignore[no-untyped-def]
    """Mark the squares whose centre lies within the rings `first` to `last`, but for edges."""
    for r in range(box.shape[0]):
        y = r + top + 0.5
        n = 0
        for k in range(first, last):
            for v in range(ring[k], ring[k + 1] - 1):
                a, b = (v, v + 1) if xy[v, 1] <= xy[v + 1, 1] else (v + 1, v)
                if xy[a, 1] <= y < xy[b, 1]:
                    share = (y - xy[a, 1]) / (xy[b, 1] - xy[a, 1])
                    crossings[n] = xy[a, 0] + share * (xy[b, 0] - xy[a, 0])
                    n += 1
        row = np.sort(crossings[:n])
        for c in range(0, n - 1, 2):
            begin = max(0, int(np.ceil(row[c] - 0.5)) - left)
            end = min(box.shape[1], int(np.ceil(row[c + 1] - 0.5)) - left)
            for column in range(begin, end):
                if box[r, column] == 0:
                    box[r, column] = INSIDE


@numba.njit(cache=True, nogil=True)
def _insert(squares, kinds, i, entry, begin, end, used):  # type: ignore[no-untyped-def]
    """Add outline i to a row of squares; returns the new number of entries."""
    for c in range(kinds.size):
        kind, before = kinds[c], squares[c]
        if kind == 0:
            continue
        if before == 0 and kind == INSIDE:
            squares[c] = i + 1
            continue
        head = -1
        if before < 0:
            head = -1 - before
        elif before > 0:
            entry[used, OUTLINE], entry[used, FOLLOWING] = (before - 1) << 1 | 1, -1
            entry[used, BEGIN], entry[used, END] = 0, 0
            head = used
            used += 1
        entry[used, OUTLINE], entry[used, FOLLOWING] = i << 1 | (kind == INSIDE), head
        entry[used, BEGIN], entry[used, END] = begin, end
        squares[c] = -1 - used
        used += 1
    return used


@numba.njit(cache=True, nogil=True)
def _grown(array, least):  # type: ignore[no-untyped-def]
    grown = np.empty(2 * least, array.dtype)
    grown[: array.size] = array
    return grown
