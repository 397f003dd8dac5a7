"""Which outline each position lies in: exact, by a grid that leaves few positions to test.

A square of the grid that no edge touches lies in the same outlines all over; only positions in the
other squares are tested, against the edges that pass there (see `vitrail.assign.grid`).

A position on an edge belongs to the side on which x (then y) grows, as in `vitrail.rasterize`:
outlines with a common edge neither share nor lose a position, and the centres of pixels belong to
the same outlines as their pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from vitrail.assign.grid import BEGIN, END, FOLLOWING, OUTLINE, SLACK, build
from vitrail.errors import VitrailError
from vitrail.rasterize import PixelPolygons, to_pixels

# Squares along the typical outline, and most squares in all: memory and time to build against
# positions that have to be tested.
SQUARES_ACROSS = 8
MOST_SQUARES = 1 << 27
# Squares along a tile, as a power of two: what is known of a tile fits into a core's cache.
TILE_BITS = 6
# Positions whose squares are looked up before those that need it are tested.
AT_ONCE = 4096

OVERLAP = ("nearest", "score", "drop")
# Result for a position in several outlines that the policy `drop` gives to none.
AMBIGUOUS = -1

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int32]
Ints = npt.NDArray[np.integer]
# Of outlines at positions: number of the outline, x, y.
Floats = npt.NDArray[np.floating]
Rank = Callable[[Ints, Floats, Floats], Float]


class Grid(NamedTuple):
    """Squares and the outlines that reach into them.

    Attributes
    ----------
    x0, y0, pitch
        Corner of the first square, edge of a square.
    square
        int32 array (height, width): 0 no outline; i + 1 wholly in outline i and in no other;
        -1 - k else, where k is the square's first entry.
    entry
        int32 array (k, 4): twice the outline, plus the parity of its edges left of the square; the
        square's next entry, -1 after the last; begin and end of its terms.
    term
        int32 array: v for the edge from vertex v to the next, -1 - v for the end v of an edge left
        of the square. A position lies in the outline where the parity and the number of terms that
        hold are odd together.
    """

    x0: float
    y0: float
    pitch: float
    square: Int
    entry: Int
    term: Int


class Outlines:
    """Outlines that positions are looked up in; threads may share them.

    Parameters
    ----------
    geometry
        n valid shapely Polygons and MultiPolygons, holes and overlaps of different ones allowed.
        Anything without an area holds no position.
    overlap
        Who gets a position in several outlines: ``nearest``, the one with the nearest centre (its
        nucleus, where `centres` are those of nuclei); ``score``, the one with the highest score;
        ``drop``, none. The first of equals.
    centres
        float64 array of shape (n, 2), for ``nearest``; None for the outlines' centroids.
    scores
        float array of shape (n,), for ``score``.
    """

    def __init__(
        self,
        geometry: npt.ArrayLike,
        overlap: str = "nearest",
        *,
        centres: npt.ArrayLike | None = None,
        scores: npt.ArrayLike | None = None,
    ) -> None:
        shapes = np.asarray(geometry, dtype=object).reshape(-1)
        if overlap not in OVERLAP:
            raise VitrailError(f"overlap: {overlap!r}, wanted one of {', '.join(OVERLAP)}.")
        if overlap == "score" and scores is None:
            raise VitrailError("overlap: 'score' without scores, wanted a score of each outline.")
        self._rank = _rank(overlap, shapes, centres, scores)
        self.polygons = to_pixels(shapes, 1.0, (0.0, 0.0))
        self.grid = _grid(self.polygons)

    def __len__(self) -> int:
        return len(self.polygons)

    def __call__(self, x: npt.NDArray[np.floating], y: npt.NDArray[np.floating]) -> Int:
        """Outline at each position, from 1; 0 in none, `AMBIGUOUS` in several that are dropped.

        Parameters
        ----------
        x, y
            Arrays of shape (n,) in the unit of the outlines; nowhere where not finite.
        """
        out = np.zeros(len(x), np.int32)
        grid = self.grid
        position, px, py = _by_tile(x, y, grid.x0, grid.y0, grid.pitch, *grid.square.shape)
        several = _locate(position, px, py, *grid, self.polygons.xy, out)
        if len(several):
            out[several] = self._among(x[several], y[several])
        return out

    def _among(self, x: npt.NDArray[np.floating], y: npt.NDArray[np.floating]) -> Int:
        """The outline that gets each of some positions, all of which lie in several."""
        position, outline = self.members(x, y)
        if self._rank is None:
            return np.full(len(x), AMBIGUOUS, np.int32)
        rank = self._rank(outline - 1, x[position], y[position])
        order = np.lexsort((outline, rank, position))
        _, first = np.unique(position[order], return_index=True)
        return outline[order][first]

    def members(
        self, x: npt.NDArray[np.floating], y: npt.NDArray[np.floating]
    ) -> tuple[npt.NDArray[np.int64], Int]:
        """All outlines that hold each position, whatever the policy.

        Returns
        -------
        position int64 (k,), in order, and outline int32 (k,), from 1, of each pair.
        """
        return _members(x, y, *self.grid, self.polygons.xy)


def _rank(
    overlap: str,
    shapes: npt.NDArray[np.object_],
    centres: npt.ArrayLike | None,
    scores: npt.ArrayLike | None,
) -> Rank | None:
    """Rank of outlines at positions, lowest first; None for a policy that gives none of them any.

    Centroids are computed where they are asked for: few outlines overlap.
    """
    if overlap == "score":
        given = np.asarray(scores, dtype=np.float64)
        _check_length("scores", given, shapes)
        return lambda outline, x, y: -given[outline]
    if overlap != "nearest":
        return None
    if centres is not None:
        known = np.asarray(centres, dtype=np.float64)
        _check_length("centres", known, shapes)
    else:
        known = None

    def square_distance(outline: Ints, x: Floats, y: Floats) -> Float:
        centre = _centroids(shapes, outline) if known is None else known[outline]
        return np.asarray((centre[:, 0] - x) ** 2 + (centre[:, 1] - y) ** 2)

    return square_distance


def _centroids(shapes: npt.NDArray[np.object_], chosen: Ints) -> Float:
    import shapely

    unique, place = np.unique(chosen, return_inverse=True)
    return shapely.get_coordinates(shapely.centroid(shapes[unique]))[place]


def _check_length(name: str, values: Float, shapes: npt.NDArray[np.object_]) -> None:
    if len(values) != len(shapes):
        raise VitrailError(f"{name}: {len(values)} of them, wanted {len(shapes)}, one an outline.")


def _grid(polygons: PixelPolygons) -> Grid:
    xy = polygons.xy
    if len(xy) == 0:
        entry, term = np.empty((0, 4), np.int32), np.empty(0, np.int32)
        return Grid(0.0, 0.0, 1.0, np.zeros((1, 1), np.int32), entry, term)
    if not np.isfinite(xy).all():
        raise VitrailError("outlines: a corner is not a finite number, wanted numbers.")
    # Axis by axis, which numpy does twenty times faster than both at once.
    low, high = (np.array([reduce(axis) for axis in xy.T]) for reduce in (np.min, np.max))
    pitch = _pitch(
        polygons, float((high[0] - low[0]) * (high[1] - low[1])), float((high - low).max())
    )
    # Half a square more on each side, so that rounding leads no edge out of the grid.
    x0, y0 = (low - pitch / 2).tolist()
    width, height = (np.floor((high - low) / pitch).astype(int) + 2).tolist()
    scaled = replace(polygons, xy=(xy - [x0, y0]) / pitch)
    return Grid(x0, y0, pitch, *build(scaled, xy[:, 1].copy(), height, width))


def _pitch(polygons: PixelPolygons, area: float, side: float) -> float:
    """Edge of a square: a share of the typical outline, more where squares would be too many."""
    first = polygons.ring[polygons.part[polygons.polygon]]
    full = np.flatnonzero(np.diff(first) > 0)
    extent = [
        np.maximum.reduceat(axis, first[full]) - np.minimum.reduceat(axis, first[full])
        for axis in polygons.xy.T
    ]
    typical = float(np.median(np.maximum(*extent))) / SQUARES_ACROSS
    least = max(math.sqrt(area / MOST_SQUARES), 4 * side / MOST_SQUARES)
    # Squares must be far larger than the rounding of coordinates.
    magnitude = float(np.abs(polygons.xy).max())
    return max(typical, least, magnitude * 2.0**-52 / (SLACK / 16), 1e-300)


# Indices below are unsigned: numba would ask of signed ones whether they count from the end.


@numba.njit(cache=True, nogil=True, inline="always")
def _first_entry(x, y, x0, y0, share, square):  # type: ignore[no-untyped-def]
    """Value of the square at a position; 0 outside of the grid and where it is not finite."""
    column, row = (x - x0) * share, (y - y0) * share
    inside = (column >= 0) & (column < square.shape[1]) & (row >= 0) & (row < square.shape[0])
    return square[np.uint64(row), np.uint64(column)] if inside else np.int32(0)


@numba.njit(cache=True, nogil=True, inline="always")
def _holds(x, y, xy, entry, e, term):  # type: ignore[no-untyped-def]
    """Whether the outline of an entry holds a position in its square."""
    inside = (entry[e, OUTLINE] & 1) == 1
    for k in range(entry[e, BEGIN], entry[e, END]):
        v = term[np.uint64(k)]
        if v < 0:
            inside ^= xy[np.uint64(-1 - v), 1] <= y
            continue
        a, b = np.uint64(v), np.uint64(v + 1)
        ay, by = xy[a, 1], xy[b, 1]
        if (ay <= y) != (by <= y):
            ax, bx = xy[a, 0], xy[b, 0]
            # Ends in the order of y, so that an edge gives the same bits in both directions.
            if ay > by:
                ax, ay, bx, by = bx, by, ax, ay
            inside ^= ax + (y - ay) / (by - ay) * (bx - ax) <= x
    return inside


@numba.njit(cache=True, nogil=True)
def _by_tile(x, y, x0, y0, pitch, height, width):  # type: ignore[no-untyped-def]
    """Places and positions within the grid, by its tiles, so that memory is read in one go."""
    share = 1.0 / pitch
    columns = (width >> TILE_BITS) + 1
    tiles = ((height >> TILE_BITS) + 1) * columns
    tile = np.empty(x.size, np.int32)
    # Positions outside of the grid come last.
    start = np.zeros(tiles + 2, np.int64)
    for k in range(x.size):
        column, row = (x[k] - x0) * share, (y[k] - y0) * share
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        t = tiles
        if inside:
            t = (np.int64(row) >> TILE_BITS) * columns + (np.int64(column) >> TILE_BITS)
        tile[k] = t
        start[np.uint64(t + 1)] += 1
    for t in range(tiles):
        start[t + 1] += start[t]
    within = start[tiles]
    place = np.empty(x.size, np.int64)
    px, py = np.empty(x.size), np.empty(x.size)
    for k in range(x.size):
        t = np.uint64(tile[k])
        at = np.uint64(start[t])
        start[t] += 1
        place[at], px[at], py[at] = k, x[k], y[k]
    return place[:within], px[:within], py[:within]


@numba.njit(cache=True, nogil=True)
def _locate(place, x, y, x0, y0, pitch, square, entry, term, xy, out):  # type: ignore[no-untyped-def]
    """Write the outline at positions to their places; returns the places of those in several."""
    share = 1.0 / pitch
    several = np.empty(16, np.int64)
    n = 0
    to_test = np.empty(AT_ONCE, np.uint64)
    for begin in range(0, place.size, AT_ONCE):
        # Squares of all first: which of them need a test is nothing that a processor could guess.
        tests = 0
        for k in range(begin, min(begin + AT_ONCE, place.size)):
            value = _first_entry(x[k], y[k], x0, y0, share, square)
            out[np.uint64(place[k])] = value
            to_test[np.uint64(tests)] = k
            tests += value < 0
        for k in to_test[:tests]:
            at = np.uint64(place[k])
            out[at], found = _test(x[k], y[k], -1 - out[at], xy, entry, term)
            if found > 1:
                if n == several.size:
                    several = np.concatenate((several, np.empty(n, np.int64)))
                several[n] = place[k]
                n += 1
    return several[:n]


@numba.njit(cache=True, nogil=True, inline="always")
def _test(x, y, first, xy, entry, term):  # type: ignore[no-untyped-def]
    """Outline that holds a position (from 1, 0 = none) by a square's entries, and how many do."""
    value = found = 0
    e = first
    while e >= 0:
        here = np.uint64(e)
        if _holds(x, y, xy, entry, here, term):
            found += 1
            value = (entry[here, OUTLINE] >> 1) + 1
        e = entry[here, FOLLOWING]
    return value, found


@numba.njit(cache=True, nogil=True)
def _members(  # type: ignore[no-untyped-def]
    x, y, x0, y0, pitch, square, entry, term, xy
):
    position = np.empty(x.size + 16, np.int64)
    outline = np.empty(x.size + 16, np.int32)
    n = 0
    for k in range(x.size):
        px, py = np.float64(x[k]), np.float64(y[k])
        value = _first_entry(px, py, x0, y0, 1.0 / pitch, square)
        start = n
        e = -1 - value
        if value > 0:
            position, outline, n = _append(position, outline, n, k, value)
        while value < 0 and e >= 0:
            if _holds(px, py, xy, entry, e, term):
                i = entry[e, OUTLINE] >> 1
                position, outline, n = _append(position, outline, n, k, i + 1)
            e = entry[e, FOLLOWING]
        outline[start:n].sort()
    return position[:n].copy(), outline[:n].copy()


@numba.njit(cache=True, nogil=True)
def _append(position, outline, n, k, value):  # type: ignore[no-untyped-def]
    if n == position.size:
        position = np.concatenate((position, np.empty(n, np.int64)))
        outline = np.concatenate((outline, np.empty(n, np.int32)))
    position[n], outline[n] = k, value
    return position, outline, n + 1
