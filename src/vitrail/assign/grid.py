"""The grid of `vitrail.assign.outlines`: which outlines reach into each of its squares."""

from __future__ import annotations

import numba
import numpy as np

# How far, in squares, an edge counts as touching a square: far above the rounding of coordinates.
SLACK = 1e-6

INSIDE, EDGE = 1, 2


@numba.njit(cache=True, nogil=True)
def build(xy, ring, part, polygon, height, width):  # type: ignore[no-untyped-def]
    """Squares, their entries and the edges to test, see `vitrail.assign.outlines.Grid`.

    Parameters
    ----------
    xy, ring, part, polygon
        Outlines as in `vitrail.rasterize.PixelPolygons`, in squares.
    height, width
        Size of the grid; holds all outlines.
    """
    square = np.zeros((height, width), np.int32)
    entry = np.empty(1024, np.int32)
    following = np.empty(1024, np.int32)
    row = np.empty(1024, np.int32)
    edge = np.empty(1024, np.int32)
    row_start = np.zeros(1024, np.int64)
    used = rows = edges = 0
    scratch = np.empty(256, np.uint8)
    crossings = np.empty(64)
    for i in range(polygon.size - 1):
        first, last = ring[part[polygon[i]]], ring[part[polygon[i + 1]]]
        if first == last:
            continue
        left = max(0, int(np.floor(xy[first:last, 0].min() - SLACK)))
        right = min(width, int(np.floor(xy[first:last, 0].max() + SLACK)) + 1)
        top = max(0, int(np.floor(xy[first:last, 1].min() - SLACK)))
        bottom = min(height, int(np.floor(xy[first:last, 1].max() + SLACK)) + 1)
        size = (bottom - top) * (right - left)
        if size > scratch.size:
            scratch = np.empty(2 * size, np.uint8)
        if last - first > crossings.size:
            crossings = np.empty(2 * (last - first))
        box = scratch[:size].reshape(bottom - top, right - left)
        box[:] = 0
        for p in range(polygon[i], polygon[i + 1]):
            for r in range(part[p], part[p + 1]):
                for v in range(ring[r], ring[r + 1] - 1):
                    _mark_edge(box, top, left, xy[v, 0], xy[v, 1], xy[v + 1, 0], xy[v + 1, 1])
        _fill(box, top, left, xy, ring, part[polygon[i]], part[polygon[i + 1]], crossings)
        if used + 2 * size > entry.size:
            entry = _grown(entry, used + 2 * size)
            following = _grown(following, used + 2 * size)
            row = _grown(row, used + 2 * size)
        used = _insert(square, box, top, left, i, entry, following, row, rows, used)
        if rows + box.shape[0] >= row_start.size:
            row_start = _grown(row_start, rows + box.shape[0] + 1)
        for r in range(box.shape[0]):
            if edges + last - first > edge.size:
                edge = _grown(edge, edges + last - first)
            edges = _edges_of_row(
                xy, ring, part[polygon[i]], part[polygon[i + 1]], r + top, edge, edges
            )
            rows += 1
            row_start[rows] = edges
    return (
        square,
        entry[:used].copy(),
        following[:used].copy(),
        row[:used].copy(),
        row_start[: rows + 1].copy(),
        edge[:edges].copy(),
    )


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
def _insert(  # type: ignore[no-untyped-def]
    square, box, top, left, i, entry, following, row, first_row, used
):
    """Add outline i to the squares that it reaches; returns the new number of entries."""
    for r in range(box.shape[0]):
        for c in range(box.shape[1]):
            kind = box[r, c]
            if kind == 0:
                continue
            before = square[r + top, c + left]
            if before == 0 and kind == INSIDE:
                square[r + top, c + left] = i + 1
                continue
            head = -1
            if before < 0:
                head = -1 - before
            elif before > 0:
                entry[used], following[used], row[used] = (before - 1) << 1 | 1, -1, -1
                head = used
                used += 1
            entry[used], following[used] = i << 1 | (kind == INSIDE), head
            row[used] = first_row + r
            square[r + top, c + left] = -1 - used
            used += 1
    return used


@numba.njit(cache=True, nogil=True)
def _grown(array, least):  # type: ignore[no-untyped-def]
    grown = np.empty(2 * least, array.dtype)
    grown[: array.size] = array
    return grown
