"""Outlines of instances: polygons that follow the pixel edges exactly, holes and parts included.

Edges are followed with the instance on the right-hand side ("crack following"). Parts are
4-connected: pixels that touch at a corner only are separate polygons, which makes every ring simple
and every polygon valid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import shapely
from numba import njit

from vitrail import masks

if TYPE_CHECKING:
    from vitrail.stitch.instances import Instances

BATCH = 1 << 16  # instances traced at once: bounds the memory of vertices


def outlines(
    instances: Instances, pixel_size: float, origin: tuple[float, float]
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

    Returns
    -------
    Array (n,) of valid shapely Polygons, or MultiPolygons where an instance has several
    4-connected parts. Rasterised by the pixel-centre rule they give the masks back.
    """
    parts = [
        _batch(instances, start, min(start + BATCH, len(instances)), pixel_size, origin)
        for start in range(0, len(instances), BATCH)
    ]
    return np.concatenate(parts) if parts else np.empty(0, object)


def outline(mask: npt.NDArray[np.bool_]) -> Any:
    """Outline of one bool image (y, x) in pixels: see `outlines`."""
    box = np.array([[0, 0, *mask.shape]], np.int64)
    offset = masks.offsets(box)
    vertices, ring_end, ring_part, part_count = _trace(box, np.packbits(mask), offset, 0, 1)
    return _geometries(vertices.astype(np.float64), ring_end, ring_part, part_count)[0]


def _batch(
    instances: Instances, start: int, stop: int, pixel_size: float, origin: tuple[float, float]
) -> npt.NDArray[np.object_]:
    vertices, ring_end, ring_part, part_count = _trace(
        instances.box, instances.mask, instances.offset, start, stop
    )
    return _geometries(vertices * pixel_size + np.array(origin), ring_end, ring_part, part_count)


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


@njit(cache=True)
def _trace(box, mask, offset, start, stop):  # type: ignore[no-untyped-def]
    """Rings of instances `start` to `stop`, closed, in corners (x, y) of pixels of the slide.

    Returns vertices int64 (v, 2); ring_end (rings,), where each ring ends in `vertices`; ring_part
    (rings,), the part that it bounds, outer ring first; part_count, parts of each instance.
    """
    vertices = np.empty((1024, 2), np.int64)
    ring_end, ring_part = np.empty(256, np.int64), np.empty(256, np.int64)
    part_count = np.zeros(stop - start, np.int64)
    used = rings = parts = 0
    for i in range(start, stop):
        height, width = box[i, 2] - box[i, 0], box[i, 3] - box[i, 1]
        part, bounds = _parts(mask, offset[i], height, width)
        edges = _count_edges(part)
        # An edge ends in at most one vertex; a ring has four edges or more and a closing vertex.
        vertices = _with_room(vertices, used, edges + edges // 4)
        ring_end = _with_room_1d(ring_end, rings, edges // 4)
        ring_part = _with_room_1d(ring_part, rings, edges // 4)
        seen = np.zeros(part.shape, np.bool_)
        for p in range(bounds.shape[0]):
            for y in range(bounds[p, 0], bounds[p, 2]):
                for x in range(bounds[p, 1], bounds[p, 3]):
                    if part[y, x] == p + 1 and part[y - 1, x] != p + 1 and not seen[y, x]:
                        top, left = box[i, 0] - 1, box[i, 1] - 1
                        used = _follow(part, y, x, seen, top, left, vertices, used)
                        ring_end[rings], ring_part[rings] = used, parts
                        rings += 1
            parts += 1
        part_count[i - start] = bounds.shape[0]
    return vertices[:used].copy(), ring_end[:rings].copy(), ring_part[:rings].copy(), part_count


@njit(cache=True)
def _parts(mask, start, height, width):  # type: ignore[no-untyped-def]
    """4-connected parts of a mask: int32 image with a border of one pixel, and their boxes.

    Parts are numbered from 1 by their first pixel in row-major order.
    """
    part = np.zeros((height + 2, width + 2), np.int32)
    area = 0
    for y in range(height):
        for x in range(width):
            if masks.get(mask, start, y * width + x):
                part[y + 1, x + 1] = -1
                area += 1
    bounds = np.empty((4, 4), np.int64)
    stack = np.empty((area + 1, 2), np.int64)
    count = 0
    for y in range(1, height + 1):
        for x in range(1, width + 1):
            if part[y, x] != -1:
                continue
            if count == bounds.shape[0]:
                grown = np.empty((2 * count, 4), np.int64)
                grown[:count] = bounds
                bounds = grown
            count += 1
            bounds[count - 1] = _fill(part, y, x, count, stack)
    return part, bounds[:count]


@njit(cache=True)
def _fill(part, y, x, number, stack):  # type: ignore[no-untyped-def]
    """Number the unnumbered pixels that are 4-connected to (y, x); returns their box."""
    bounds = np.array([y, x, y + 1, x + 1])
    part[y, x] = number
    stack[0, 0], stack[0, 1] = y, x
    depth = 1
    while depth > 0:
        depth -= 1
        y, x = stack[depth, 0], stack[depth, 1]
        bounds[0], bounds[1] = min(bounds[0], y), min(bounds[1], x)
        bounds[2], bounds[3] = max(bounds[2], y + 1), max(bounds[3], x + 1)
        for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            if part[y + dy, x + dx] == -1:
                part[y + dy, x + dx] = number
                stack[depth, 0], stack[depth, 1] = y + dy, x + dx
                depth += 1
    return bounds


@njit(cache=True)
def _count_edges(part):  # type: ignore[no-untyped-def]
    """Number of pixel edges between a part and anything else."""
    edges = 0
    for y in range(1, part.shape[0] - 1):
        for x in range(1, part.shape[1] - 1):
            p = part[y, x]
            if p > 0:
                edges += part[y - 1, x] != p
                edges += part[y + 1, x] != p
                edges += part[y, x - 1] != p
                edges += part[y, x + 1] != p
    return edges


@njit(cache=True)
def _follow(part, y, x, seen, top, left, vertices, used):  # type: ignore[no-untyped-def]
    """Write the ring that runs east along the upper edge of pixel (y, x); returns its end.

    Where two pixels of the part meet at a corner the ring passes to the other pixel, so that it
    encloses one 4-connected region of background (or of the part) and meets no corner twice.
    """
    p = part[y, x]
    first = used
    start_y, start_x, start_heading = y, x, 0
    cy, cx, heading = y, x, 0  # a corner is named by the pixel below and to the right of it
    while True:
        if heading == 0:
            seen[cy, cx] = True
            cx += 1
            ahead_left, ahead_right = part[cy - 1, cx] == p, part[cy, cx] == p
        elif heading == 1:
            cy += 1
            ahead_left, ahead_right = part[cy, cx] == p, part[cy, cx - 1] == p
        elif heading == 2:
            cx -= 1
            ahead_left, ahead_right = part[cy, cx - 1] == p, part[cy - 1, cx - 1] == p
        else:
            cy -= 1
            ahead_left, ahead_right = part[cy - 1, cx - 1] == p, part[cy - 1, cx] == p
        if ahead_left or not ahead_right:
            vertices[used, 0], vertices[used, 1] = cx + left, cy + top
            used += 1
            heading = (heading + 3) % 4 if ahead_left else (heading + 1) % 4
        if cy == start_y and cx == start_x and heading == start_heading:
            break
    vertices[used] = vertices[first]
    return used + 1


@njit(cache=True)
def _with_room(array, used, more):  # type: ignore[no-untyped-def]
    if used + more <= array.shape[0]:
        return array
    grown = np.empty((2 * (used + more), array.shape[1]), array.dtype)
    grown[:used] = array[:used]
    return grown


@njit(cache=True)
def _with_room_1d(array, used, more):  # type: ignore[no-untyped-def]
    if used + more <= array.size:
        return array
    grown = np.empty(2 * (used + more), array.dtype)
    grown[:used] = array[:used]
    return grown
