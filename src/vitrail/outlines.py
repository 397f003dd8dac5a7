"""Outlines of instances: polygons that follow the pixel edges exactly, holes and parts included.

Parts are 4-connected: pixels that touch at a corner only are separate polygons, which makes every
ring simple and every polygon valid. The rings come from `vitrail.rings`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import shapely

from vitrail import masks
from vitrail.parallel import spans, threaded
from vitrail.rings import trace

if TYPE_CHECKING:
    from vitrail.stitch.instances import Instances

BATCH = 1 << 13  # instances that a thread traces at once: bounds the memory of vertices


def outlines(
    instances: Instances,
    pixel_size: float,
    origin: tuple[float, float],
    threads: int | None = None,
) -> npt.NDArray[np.object_]:
    """Outline of each instance in micrometres.

    Parameters
    ----------
    instances
        Instances with packed masks; empty masks become empty polygons.
    pixel_size
        Micrometres a pixel.
    origin
        (x, y) in micrometres of the outer corner of pixel (0, 0).
    threads
        Number of threads; the result does not depend on it.

    Returns
    -------
    Array (n,) of valid shapely Polygons, or MultiPolygons where an instance has several
    4-connected parts. Rasterised by the pixel-centre rule they give the masks back.
    """
    pieces = spans(len(instances), -(-len(instances) // BATCH))
    parts = threaded(lambda s: _batch(instances, *s, pixel_size, origin), pieces, threads)
    return np.concatenate(parts) if parts else np.empty(0, object)


def outline(mask: npt.NDArray[np.bool_]) -> Any:
    """Outline of one bool image (y, x) in pixels: see `outlines`."""
    box = np.array([[0, 0, *mask.shape]], np.int64)
    offset = masks.offsets(box)
    vertices, ring_end, ring_part, part_count = trace(box, np.packbits(mask), offset, 0, 1)
    return _geometries(vertices.astype(np.float64), ring_end, ring_part, part_count)[0]


def _batch(
    instances: Instances, start: int, stop: int, pixel_size: float, origin: tuple[float, float]
) -> npt.NDArray[np.object_]:
    vertices, ring_end, ring_part, part_count = trace(
        instances.box, instances.mask, instances.offset, start, stop
    )
    xy = vertices.astype(np.float64)
    xy *= pixel_size
    xy += np.array(origin)
    return _geometries(xy, ring_end, ring_part, part_count)


def _geometries(
    xy: npt.NDArray[np.float64],
    ring_end: npt.NDArray[np.int64],
    ring_part: npt.NDArray[np.int64],
    part_count: npt.NDArray[np.int64],
) -> npt.NDArray[np.object_]:
    """Polygons from rings in the order of their parts, and parts grouped by instance."""
    rings = np.concatenate([[0], ring_end])
    parts = np.concatenate([[0], np.cumsum(np.bincount(ring_part, minlength=part_count.sum()))])
    polygons = shapely.from_ragged_array(shapely.GeometryType.POLYGON, xy, (rings, parts))
    first = np.concatenate([[0], np.cumsum(part_count)])
    geometry = np.full(len(part_count), shapely.Polygon(), object)
    single = part_count == 1
    geometry[single] = polygons[first[:-1][single]]
    for i in np.flatnonzero(part_count > 1):
        geometry[i] = shapely.multipolygons(polygons[first[i] : first[i + 1]])
    return geometry
