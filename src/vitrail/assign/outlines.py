"""Which outline each position lies in: exact, by a grid that leaves few positions to test.

A square of the grid that no edge touches lies in the same outlines all over; only positions in the
other squares are tested against the outlines whose edges pass there.

A position on an edge belongs to the side on which x (then y) grows, as in `vitrail.rasterize`:
outlines with a common edge neither share nor lose a position, and the centres of pixels belong to
the same outlines as their pixels.
"""

from __future__ import annotations

import math
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
SQUARES_ACROSS = 10
MOST_SQUARES = 1 << 27
# Squares along a tile, as a power of two: what is known of a tile fits into a core's cache.
TILE_BITS = 6

OVERLAP = ("nearest", "score", "drop")
NEAREST, SCORE, DROP = range(3)
# Result for a position in several outlines that the policy `drop` gives to none.
AMBIGUOUS = -1

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int32]


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
        int32 array (k, 4): twice the outline, plus one where the square lies wholly in it; the
        square's next entry, -1 after the last; begin and end in `edge` of the edges to test.
    edge
        int32 array: first vertices of the edges of an outline that reach into a row of squares.
    """

    x0: float
    y0: float
    pitch: float
    square: Int
    entry: Int
    edge: Int


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
        self.overlap = OVERLAP.index(overlap)
        self.centres = _centres(shapes, centres) if overlap == "nearest" else np.empty((0, 2))
        self.scores = np.asarray(scores if overlap == "score" else [], dtype=np.float64)
        _check_length("centres", self.centres, shapes, overlap == "nearest")
        _check_length("scores", self.scores, shapes, overlap == "score")
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
        order = _by_tile(x, y, grid.x0, grid.y0, grid.pitch, *grid.square.shape)
        _locate(
            x, y, order, *grid, self.polygons.xy, self.overlap, self.centres, self.scores, out
        )  # fmt: skip
        return out

    def members(
        self, x: npt.NDArray[np.floating], y: npt.NDArray[np.floating]
    ) -> tuple[npt.NDArray[np.int64], Int]:
        """All outlines that hold each position, whatever the policy.

        Returns
        -------
        position int64 (k,), in order, and outline int32 (k,), from 1, of each pair.
        """
        return _members(x, y, *self.grid, self.polygons.xy)


def _centres(shapes: npt.NDArray[np.object_], centres: npt.ArrayLike | None) -> Float:
    if centres is not None:
        return np.asarray(centres, dtype=np.float64)
    import shapely

    found = np.full((len(shapes), 2), math.nan)
    full = ~(shapely.is_missing(shapes) | shapely.is_empty(shapes))
    found[full] = shapely.get_coordinates(shapely.centroid(shapes[full]))
    return found


def _check_length(name: str, values: Float, shapes: npt.NDArray[np.object_], used: bool) -> None:
    if used and len(values) != len(shapes):
        raise VitrailError(f"{name}: {len(values)} of them, wanted {len(shapes)}, one an outline.")


def _grid(polygons: PixelPolygons) -> Grid:
    xy = polygons.xy
    if len(xy) == 0:
        entry, edge = np.empty((0, 4), np.int32), np.empty(0, np.int32)
        return Grid(0.0, 0.0, 1.0, np.zeros((1, 1), np.int32), entry, edge)
    if not np.isfinite(xy).all():
        raise VitrailError("outlines: a corner is not a finite number, wanted numbers.")
    low, high = xy.min(axis=0), xy.max(axis=0)
    pitch = _pitch(
        polygons, float((high[0] - low[0]) * (high[1] - low[1])), float((high - low).max())
    )
    # Half a square more on each side, so that rounding leads no edge out of the grid.
    x0, y0 = (low - pitch / 2).tolist()
    width, height = (np.floor((high - low) / pitch).astype(int) + 2).tolist()
    scaled = replace(polygons, xy=(xy - [x0, y0]) / pitch)
    return Grid(x0, y0, pitch, *build(scaled, height, width))


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


@numba.njit(cache=True, nogil=True, inline="always")
def _first_entry(x, y, x0, y0, pitch, square):  # type: ignore[no-untyped-def]
    """Value of the square at a position; 0 outside of the grid and where it is not finite."""
    column = np.floor((x - x0) / pitch)
    row = np.floor((y - y0) / pitch)
    if 0 <= column < square.shape[1] and 0 <= row < square.shape[0]:
        return square[np.int64(row), np.int64(column)]
    return np.int32(0)


@numba.njit(cache=True, nogil=True, inline="always")
def _holds(x, y, xy, edge, begin, end):  # type: ignore[no-untyped-def]
    """Whether an odd number of the outline's edges in a row lie left of a position."""
    inside = False
    for k in range(begin, end):
        v = edge[k]
        ay, by = xy[v, 1], xy[v + 1, 1]
        if (ay <= y) != (by <= y):
            ax, bx = xy[v, 0], xy[v + 1, 0]
            # Ends in the order of y, so that an edge gives the same bits in both directions.
            if ay > by:
                ax, ay, bx, by = bx, by, ax, ay
            inside ^= ax + (y - ay) / (by - ay) * (bx - ax) <= x
    return inside


@numba.njit(cache=True, nogil=True)
def _by_tile(x, y, x0, y0, pitch, height, width):  # type: ignore[no-untyped-def]
    """Positions within the grid in the order of its tiles, so that memory is read in one go."""
    columns = (width >> TILE_BITS) + 1
    tiles = ((height >> TILE_BITS) + 1) * columns
    tile = np.empty(x.size, np.int32)
    start = np.zeros(tiles + 1, np.int64)
    for k in range(x.size):
        column = np.floor((np.float64(x[k]) - x0) / pitch)
        row = np.floor((np.float64(y[k]) - y0) / pitch)
        tile[k] = -1
        if 0 <= column < width and 0 <= row < height:
            t = (np.int64(row) >> TILE_BITS) * columns + (np.int64(column) >> TILE_BITS)
            tile[k] = t
            start[t + 1] += 1
    for t in range(tiles):
        start[t + 1] += start[t]
    order = np.empty(start[tiles], np.int64)
    for k in range(x.size):
        if tile[k] >= 0:
            order[start[tile[k]]] = k
            start[tile[k]] += 1
    return order


@numba.njit(cache=True, nogil=True)
def _locate(  # type: ignore[no-untyped-def]
    x, y, order, x0, y0, pitch, square, entry, edge, xy, overlap, centres, scores, out
):  # fmt: skip
    for k in order:
        px, py = np.float64(x[k]), np.float64(y[k])
        value = _first_entry(px, py, x0, y0, pitch, square)
        if value >= 0:
            out[k] = value
            continue
        found, best, best_rank = 0, -1, np.inf
        e = -1 - value
        while e >= 0:
            i, whole = entry[e, OUTLINE] >> 1, entry[e, OUTLINE] & 1
            if whole or _holds(px, py, xy, edge, entry[e, BEGIN], entry[e, END]):
                found += 1
                rank = 0.0
                if overlap == NEAREST:
                    rank = (centres[i, 0] - px) ** 2 + (centres[i, 1] - py) ** 2
                elif overlap == SCORE:
                    rank = -scores[i]
                if best < 0 or rank < best_rank or (rank == best_rank and i < best):
                    best, best_rank = i, rank
            e = entry[e, FOLLOWING]
        out[k] = AMBIGUOUS if overlap == DROP and found > 1 else best + 1


@numba.njit(cache=True, nogil=True)
def _members(  # type: ignore[no-untyped-def]
    x, y, x0, y0, pitch, square, entry, edge, xy
):
    position = np.empty(x.size + 16, np.int64)
    outline = np.empty(x.size + 16, np.int32)
    n = 0
    for k in range(x.size):
        px, py = np.float64(x[k]), np.float64(y[k])
        value = _first_entry(px, py, x0, y0, pitch, square)
        start = n
        e = -1 - value
        if value > 0:
            position, outline, n = _append(position, outline, n, k, value)
        while value < 0 and e >= 0:
            i, whole = entry[e, OUTLINE] >> 1, entry[e, OUTLINE] & 1
            if whole or _holds(px, py, xy, edge, entry[e, BEGIN], entry[e, END]):
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
