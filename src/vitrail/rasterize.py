"""Polygons to pixels by the pixel-centre rule.

A pixel belongs to a polygon when its centre lies inside; a centre on an edge belongs to the side on
which x (then y) grows. Edges are intersected in the same arithmetic whichever way they run, so two
polygons with a common edge neither share nor lose a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from numba import njit

from vitrail import masks

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PixelPolygons:
    """Polygons in pixels, flat.

    Attributes
    ----------
    xy
        float64 (v, 2), vertices in pixels of the slide (corner of pixel (0, 0) at 0, 0).
    ring
        int64 (rings + 1,), start of each ring in `xy`; rings are closed.
    part
        int64 (parts + 1,), start of each part in `ring`: its outer ring and its holes.
    polygon
        int64 (n + 1,), start of each polygon in `part`.
    """

    xy: npt.NDArray[np.float64]
    ring: Ints
    part: Ints
    polygon: Ints

    def __len__(self) -> int:
        return len(self.polygon) - 1

    def boxes(self) -> Ints:
        """Pixels whose centres can lie inside each polygon: int64 (n, 4), (y0, x0, y1, x1)."""
        first = self.ring[self.part[self.polygon]]
        boxes = np.zeros((len(self), 4), np.int64)
        full = np.flatnonzero(np.diff(first) > 0)
        if len(full):
            x, y = self.xy.T
            start = first[full]
            for side, values in ((0, y), (1, x)):
                low = np.minimum.reduceat(values, start)
                high = np.maximum.reduceat(values, start)
                boxes[full, side] = np.ceil(low - 0.5).astype(np.int64)
                boxes[full, side + 2] = np.ceil(high - 0.5).astype(np.int64)
        return boxes


def to_pixels(
    geometry: npt.NDArray[np.object_], pixel_size: float, origin: tuple[float, float]
) -> PixelPolygons:
    """Polygons and MultiPolygons in micrometres, flattened and turned into pixels.

    Parameters
    ----------
    geometry
        (n,) shapely geometries. Anything without an area has no pixel.
    pixel_size
        Micrometres a pixel.
    origin
        (x, y) in micrometres of the outer corner of pixel (0, 0).
    """
    if _are_single_rings(geometry):
        # Taking them apart would copy each twice.
        xy, owner = shapely.get_coordinates(geometry, return_index=True)
        one_each = np.arange(len(geometry) + 1, dtype=np.int64)
        start = _starts(owner, len(geometry))
        return PixelPolygons((xy - np.array(origin)) / pixel_size, start, one_each, one_each)
    parts, of_polygon = shapely.get_parts(geometry, return_index=True)
    areal = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    parts, of_polygon = parts[areal], of_polygon[areal]
    rings, of_part = shapely.get_rings(parts, return_index=True)
    xy, of_ring = shapely.get_coordinates(rings, return_index=True)
    return PixelPolygons(
        (xy - np.array(origin)) / pixel_size,
        _starts(of_ring, len(rings)),
        _starts(of_part, len(parts)),
        _starts(of_polygon, len(geometry)),
    )


def _are_single_rings(geometry: npt.NDArray[np.object_]) -> bool:
    """Whether all are Polygons without holes; none is missing or empty."""
    polygons = shapely.get_type_id(geometry) == shapely.GeometryType.POLYGON
    return bool(
        polygons.all()
        and not shapely.get_num_interior_rings(geometry).any()
        and not shapely.is_empty(geometry).any()
    )


def _starts(owner: npt.NDArray[np.integer], count: int) -> Ints:
    return np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=count))]).astype(np.int64)


def rasterize(
    polygons: PixelPolygons, chosen: Ints, window: tuple[int, int, int, int]
) -> tuple[Ints, npt.NDArray[np.uint8], Ints]:
    """Masks of some polygons inside a window.

    Parameters
    ----------
    polygons
        Polygons in pixels.
    chosen
        Indices of polygons.
    window
        Half-open box (y0, x0, y1, x1) in pixels of the slide.

    Returns
    -------
    box int64 (k, 4), clipped to the window, mask and offset: see `vitrail.masks`. Boxes may be
    empty or larger than the mask needs.
    """
    box = polygons.boxes()[chosen]
    box[:, :2] = np.maximum(box[:, :2], window[:2])
    box[:, 2:] = np.maximum(np.minimum(box[:, 2:], window[2:]), box[:, :2])
    offset = masks.offsets(box)
    mask = np.zeros(offset[-1], np.uint8)
    _fill(polygons.xy, polygons.ring, polygons.part, polygons.polygon, chosen, box, offset, mask)
    return box, mask, offset


@njit(cache=True)
def _fill(xy, ring, part, polygon, chosen, box, offset, mask):  # type: ignore[no-untyped-def]
    """Scan each part row by row: crossings with the row's centre line, sorted, filled in pairs."""
    crossings = np.empty(64)
    for k in range(chosen.size):
        width = box[k, 3] - box[k, 1]
        if width == 0:
            continue
        for p in range(polygon[chosen[k]], polygon[chosen[k] + 1]):
            vertices = ring[part[p + 1]] - ring[part[p]]
            if vertices > crossings.size:
                crossings = np.empty(2 * vertices)
            for y in range(box[k, 0], box[k, 2]):
                count = _crossings(xy, ring, part[p], part[p + 1], y + 0.5, crossings)
                row = np.sort(crossings[:count])
                for c in range(0, count - 1, 2):
                    x0 = max(np.int64(np.ceil(row[c] - 0.5)), box[k, 1])
                    x1 = min(np.int64(np.ceil(row[c + 1] - 0.5)), box[k, 3])
                    for x in range(x0, x1):
                        masks.put(mask, offset[k], (y - box[k, 0]) * width + x - box[k, 1])


@njit(cache=True)
def _crossings(xy, ring, first, last, y, crossings):  # type: ignore[no-untyped-def]
    """Write where rings `first` to `last` cross the line at `y`; returns how often."""
    count = 0
    for r in range(first, last):
        for v in range(ring[r], ring[r + 1] - 1):
            # Ends in the order of y, so that an edge gives the same bits in both directions.
            a, b = (v, v + 1) if xy[v, 1] <= xy[v + 1, 1] else (v + 1, v)
            if xy[a, 1] <= y < xy[b, 1]:
                share = (y - xy[a, 1]) / (xy[b, 1] - xy[a, 1])
                crossings[count] = xy[a, 0] + share * (xy[b, 0] - xy[a, 0])
                count += 1
    return count
