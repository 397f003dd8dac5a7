"""The grid of `vitrail.assign.outlines`: which outlines reach into each of its squares.

Whether a position lies in an outline is told by the edges left of it in its row: an odd number of
them means inside. In a square, the edges that lie wholly right of it never count, and those wholly
left of it always do where their ends lie on both sides of the position's row. An end that two of
them share cancels, and an end beyond the square's row counts the same all over it. What is left of
them is one parity for the whole square and the few ends where an outline passes from squares left
of it into it. Only these ends and the edges in the square itself are tested.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from vitrail.errors import VitrailError
from vitrail.parallel import threaded
from vitrail.rasterize import PixelPolygons

# How far, in squares, an edge counts as touching a square: far above the rounding of coordinates.
SLACK = 1e-6

# Rows of squares that a thread fills at once.
BAND = 128
# Columns of an entry: twice the outline plus the parity left of the square; the square's next
# entry, -1 after the last; where the terms to test begin and end.
OUTLINE, FOLLOWING, BEGIN, END = range(4)

Ints = npt.NDArray[np.int64]
Int = npt.NDArray[np.int32]


def build(
    polygons: PixelPolygons, exact: npt.NDArray[np.float64], height: int, width: int
) -> tuple[Int, Int, Int]:
    """Squares, their entries and the terms to test, see `vitrail.assign.outlines.Grid`.

    Bands of squares are filled in threads; results do not depend on their number.

    Parameters
    ----------
    polygons
        Outlines, in squares.
    exact
        float64 array: y of each vertex in the outlines' unit. In squares, different values can be
        rounded to one.
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
        shapes = (polygons.xy, exact, polygons.ring, polygons.part, polygons.polygon)
        return _fill_band(square[top : top + BAND], top, members, *shapes)

    tops = range(0, height, BAND)
    bands = threaded(fill, tops)
    entries = terms = 0
    for top, (entry, term) in zip(tops, bands, strict=True):
        rows = square[top : top + BAND]
        rows[rows < 0] -= entries
        entry[:, FOLLOWING][entry[:, FOLLOWING] >= 0] += entries
        entry[:, BEGIN:] += terms
        entries, terms = entries + len(entry), terms + len(term)
    if max(entries, terms) >= 1 << 31:
        raise VitrailError(f"outlines: {max(entries, terms)} edges, wanted fewer than 2^31.")
    return (
        square,
        np.concatenate([entry for entry, _ in bands]),
        np.concatenate([term for _, term in bands]),
    )


@numba.njit(cache=True, nogil=True)
def _fill_band(square, above, members, xy, exact, ring, part, polygon):  # type: ignore[no-untyped-def]
    """Fill the rows of squares from `above` on; returns their entries and the terms to test."""
    height, width = square.shape
    entry, used = np.empty((1024, 4), np.int32), 0
    term, terms = np.empty(4096, np.int32), 0
    start = np.zeros(height + 2, np.int64)
    # Edges of an outline, row by row: first vertex, first and last column.
    edges, ends = np.empty((256, 3), np.int64), np.empty(512, np.int64)
    for i in members:
        rings = part[polygon[i]], part[polygon[i + 1]]
        top, bottom = _count_rows(xy, exact, ring, rings[0], rings[1], above, height, start)
        if bottom <= top:
            continue
        total = start[bottom]
        if total > edges.shape[0]:
            edges, ends = np.empty((2 * total, 3), np.int64), np.empty(4 * total, np.int64)
        _collect_rows(xy, exact, ring, rings[0], rings[1], above, height, width, start, edges)
        for r in range(top, bottom):
            here = edges[start[r] : start[r + 1]]
            if here.shape[0] == 0:
                continue
            _sort_by_end(here)
            right = here[-1, 2] + 1
            left = here[:, 1].min()
            entry = _with_room(entry, used + 2 * (right - left))
            # Each square tests at most the row's edges and their ends.
            term = _with_room(term, terms + 3 * here.shape[0] * (right - left))
            used, terms = _fill_row(
                square[r], r + above, left, right, i, here, ends,
                xy, exact, entry, used, term, terms,
            )  # fmt: skip
    return entry[:used].copy(), term[:terms].copy()


@numba.njit(cache=True, nogil=True, inline="always")
def _rows_of(low, high, above, height):  # type: ignore[no-untyped-def]
    """Rows of a band that an edge from `low` to `high` reaches into, from 0; half-open."""
    first = max(0, np.int64(np.floor(low - SLACK)) - above)
    last = min(height - 1, np.int64(np.floor(high + SLACK)) - above)
    return first, last + 1


@numba.njit(cache=True, nogil=True)
def _count_rows(xy, exact, ring, first, last, above, height, start):  # type: ignore[no-untyped-def]
    """Write where each row's edges begin; returns the first row with edges and that after the last.

    Edges along x are left out: no row is on both sides of their ends.
    """
    start[:] = 0
    top, bottom = height, 0
    for k in range(first, last):
        for v in range(ring[k], ring[k + 1] - 1):
            if exact[v] == exact[v + 1]:
                continue
            ay, by = xy[v, 1], xy[v + 1, 1]
            begin, end = _rows_of(min(ay, by), max(ay, by), above, height)
            for r in range(begin, end):
                start[r + 1] += 1
            if begin < end:
                top, bottom = min(top, begin), max(bottom, end)
    for r in range(bottom):
        start[r + 1] += start[r]
    return top, bottom


@numba.njit(cache=True, nogil=True)
def _collect_rows(  # type: ignore[no-untyped-def]
    xy, exact, ring, first, last, above, height, width, start, edges
):
    """Write each row's edges with the columns that they touch there."""
    for k in range(first, last):
        for v in range(ring[k], ring[k + 1] - 1):
            if exact[v] == exact[v + 1]:
                continue
            ax, ay, bx, by = xy[v, 0], xy[v, 1], xy[v + 1, 0], xy[v + 1, 1]
            if ay > by:
                ax, ay, bx, by = bx, by, ax, ay
            begin, end = _rows_of(ay, by, above, height)
            rise = by - ay
            step = (bx - ax) / rise if rise > 0 else 0.0
            for r in range(begin, end):
                x0, x1 = ax, bx
                # Where it lies beyond the row.
                if r + above - SLACK > ay:
                    x0 = ax + min(r + above - SLACK - ay, rise) * step
                if r + above + 1 + SLACK < by:
                    x1 = ax + max(r + above + 1 + SLACK - ay, 0.0) * step
                edges[start[r], 0] = v
                edges[start[r], 1] = max(0, np.int64(np.floor(min(x0, x1) - SLACK)))
                edges[start[r], 2] = min(width - 1, np.int64(np.floor(max(x0, x1) + SLACK)))
                start[r] += 1
    # The starts of rows have moved by one row.
    for r in range(height, 0, -1):
        start[r] = start[r - 1]
    start[0] = 0


@numba.njit(cache=True, nogil=True)
def _sort_by_end(edges):  # type: ignore[no-untyped-def]
    for i in range(1, edges.shape[0]):
        j = i
        while j > 0 and edges[j - 1, 2] > edges[j, 2]:
            for c in range(3):
                edges[j - 1, c], edges[j, c] = edges[j, c], edges[j - 1, c]
            j -= 1


@numba.njit(cache=True, nogil=True)
def _fill_row(  # type: ignore[no-untyped-def]
    squares, row, left, right, i, edges, ends, xy, exact, entry, used, term, terms
):
    """Add outline i to a row of squares; returns the new numbers of entries and terms."""
    n = edges.shape[0]
    passed = parity = open_ends = 0
    for c in range(left, right):
        while passed < n and edges[passed, 2] < c:
            v = edges[passed, 0]
            for end in (v, v + 1):
                y = xy[end, 1]
                if y < row - SLACK:
                    parity ^= 1
                elif y <= row + 1 + SLACK:
                    open_ends = _toggle(exact, ends, open_ends, end)
            passed += 1
        begin = terms
        for k in range(open_ends):
            term[terms] = -1 - ends[k]
            terms += 1
        for k in range(passed, n):
            if edges[k, 1] <= c:
                term[terms] = edges[k, 0]
                terms += 1
        if terms > begin or parity:
            used = _insert(squares, c, i << 1 | parity, begin, terms, entry, used)
    return used, terms


@numba.njit(cache=True, nogil=True)
def _toggle(exact, ends, n, end):  # type: ignore[no-untyped-def]
    """Put an end among those that count, or take one of the same y out; returns their number."""
    for k in range(n):
        if exact[ends[k]] == exact[end]:
            ends[k] = ends[n - 1]
            return n - 1
    ends[n] = end
    return n + 1


@numba.njit(cache=True, nogil=True)
def _insert(squares, c, outline, begin, end, entry, used):  # type: ignore[no-untyped-def]
    """Add an outline to a square; returns the new number of entries."""
    before = squares[c]
    if before == 0 and begin == end:
        squares[c] = (outline >> 1) + 1
        return used
    head = -1
    if before < 0:
        head = -1 - before
    elif before > 0:
        entry[used, OUTLINE], entry[used, FOLLOWING] = (before - 1) << 1 | 1, -1
        entry[used, BEGIN], entry[used, END] = 0, 0
        head = used
        used += 1
    entry[used, OUTLINE], entry[used, FOLLOWING] = outline, head
    entry[used, BEGIN], entry[used, END] = begin, end
    squares[c] = -1 - used
    return used + 1


@numba.njit(cache=True, nogil=True)
def _with_room(array, least):  # type: ignore[no-untyped-def]
    """The array, or a longer one that begins with it."""
    if least <= array.shape[0]:
        return array
    grown = np.empty((2 * least, *array.shape[1:]), array.dtype)
    grown[: array.shape[0]] = array
    return grown
