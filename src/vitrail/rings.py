"""Rings along the pixel edges of packed masks, in compiled code.

Edges are followed with the instance on the right-hand side ("crack following"). Most instances are
one part without a hole: a single ring, found without numbering parts, whose area tells that it is
all. The others are divided into 4-connected parts first.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from vitrail import masks


@njit(cache=True, nogil=True)
def trace(box, mask, offset, start, stop):  # type: ignore[no-untyped-def]
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
        top, left = box[i, 0] - 1, box[i, 1] - 1
        inside, area, y, x = _unpack(mask, offset[i], height, width)
        if area == 0:
            continue
        # Each corner of the box's pixels at most once, and the closing vertex.
        vertices = _with_room(vertices, used, (height + 1) * (width + 1) + 1)
        end = _single_ring(inside, area, y, x, top, left, vertices, used)
        if end > 0:
            ring_end = _with_room_1d(ring_end, rings, 1)
            ring_part = _with_room_1d(ring_part, rings, 1)
            ring_end[rings], ring_part[rings] = end, parts
            used, rings, count = end, rings + 1, 1
        else:
            part, bounds = _parts(inside)
            edges = _count_edges(part)
            # An edge ends in one vertex at most; a ring has four edges or more and closes.
            vertices = _with_room(vertices, used, edges + edges // 4)
            ring_end = _with_room_1d(ring_end, rings, edges // 4)
            ring_part = _with_room_1d(ring_part, rings, edges // 4)
            into = (vertices, ring_end, ring_part, used, rings, parts)
            used, rings = _rings_of_parts(part, bounds, top, left, into)
            count = bounds.shape[0]
        part_count[i - start] = count
        parts += count
    return vertices[:used].copy(), ring_end[:rings].copy(), ring_part[:rings].copy(), part_count


@njit(cache=True, nogil=True)
def _unpack(mask, start, height, width):  # type: ignore[no-untyped-def]
    """Mask as an int8 image with a border of one pixel, its area and its first pixel there."""
    inside = np.zeros((height + 2, width + 2), np.int8)
    area = pixel = 0
    first_y = first_x = -1
    for y in range(1, height + 1):
        for x in range(1, width + 1):
            if masks.get(mask, start, pixel):
                inside[y, x] = 1
                if area == 0:
                    first_y, first_x = y, x
                area += 1
            pixel += 1
    return inside, area, first_y, first_x


@njit(cache=True, nogil=True)
def _single_ring(inside, area, y, x, top, left, vertices, used):  # type: ignore[no-untyped-def]
    """Write the ring from the first pixel (y, x) where it is all there is; returns its end.

    Returns -1 where pixels meet at a corner only, or where the ring encloses another area than the
    instance's: it has several parts or holes. What was written is void then.
    """
    first, enclosed = used, 0
    cy, cx, heading = y, x, 0  # a corner is named by the pixel below and to the right of it
    while True:
        if heading == 0:
            enclosed -= cy
        elif heading == 2:
            enclosed += cy
        cy, cx, ahead_left, ahead_right = _advance(inside, 1, cy, cx, heading)
        if ahead_left and not ahead_right:
            return -1
        if ahead_left or not ahead_right:
            vertices[used, 0], vertices[used, 1] = cx + left, cy + top
            used += 1
            heading = (heading + 3) % 4 if ahead_left else (heading + 1) % 4
        if cy == y and cx == x and heading == 0:
            break
    vertices[used] = vertices[first]
    return used + 1 if enclosed == area else -1


@njit(cache=True, nogil=True, inline="always")
def _advance(image, value, cy, cx, heading):  # type: ignore[no-untyped-def]
    """Next corner, and whether the pixels ahead on the left and on the right have the value.

    Headings are 0 east, 1 south, 2 west, 3 north.
    """
    if heading == 0:
        cx += 1
        ahead_left, ahead_right = image[cy - 1, cx] == value, image[cy, cx] == value
    elif heading == 1:
        cy += 1
        ahead_left, ahead_right = image[cy, cx] == value, image[cy, cx - 1] == value
    elif heading == 2:
        cx -= 1
        ahead_left, ahead_right = image[cy, cx - 1] == value, image[cy - 1, cx - 1] == value
    else:
        cy -= 1
        ahead_left, ahead_right = image[cy - 1, cx - 1] == value, image[cy - 1, cx] == value
    return cy, cx, ahead_left, ahead_right


@njit(cache=True, nogil=True)
def _rings_of_parts(part, bounds, top, left, into):  # type: ignore[no-untyped-def]
    """Write all rings of an instance's parts; returns the new numbers of vertices and rings."""
    vertices, ring_end, ring_part, used, rings, parts = into
    seen = np.zeros(part.shape, np.bool_)
    for p in range(bounds.shape[0]):
        for y in range(bounds[p, 0], bounds[p, 2]):
            for x in range(bounds[p, 1], bounds[p, 3]):
                if part[y, x] == p + 1 and part[y - 1, x] != p + 1 and not seen[y, x]:
                    used = _follow(part, y, x, seen, top, left, vertices, used)
                    ring_end[rings], ring_part[rings] = used, parts + p
                    rings += 1
    return used, rings


@njit(cache=True, nogil=True)
def _follow(part, y, x, seen, top, left, vertices, used):  # type: ignore[no-untyped-def]
    """Write the ring that runs east along the upper edge of pixel (y, x); returns its end.

    Where two pixels of the part meet at a corner the ring passes to the other pixel, so that it
    encloses one 4-connected region of background (or of the part) and meets no corner twice.
    """
    p = part[y, x]
    first = used
    cy, cx, heading = y, x, 0
    while True:
        if heading == 0:
            seen[cy, cx] = True
        cy, cx, ahead_left, ahead_right = _advance(part, p, cy, cx, heading)
        if ahead_left or not ahead_right:
            vertices[used, 0], vertices[used, 1] = cx + left, cy + top
            used += 1
            heading = (heading + 3) % 4 if ahead_left else (heading + 1) % 4
        if cy == y and cx == x and heading == 0:
            break
    vertices[used] = vertices[first]
    return used + 1


@njit(cache=True, nogil=True)
def _parts(inside):  # type: ignore[no-untyped-def]
    """4-connected parts of a padded image: int32 image of their numbers, and their boxes.

    Parts are numbered from 1 by their first pixel in row-major order.
    """
    part = -inside.astype(np.int32)
    bounds = np.empty((4, 4), np.int64)
    stack = np.empty((inside.size, 2), np.int64)
    count = 0
    for y in range(1, part.shape[0] - 1):
        for x in range(1, part.shape[1] - 1):
            if part[y, x] != -1:
                continue
            if count == bounds.shape[0]:
                grown = np.empty((2 * count, 4), np.int64)
                grown[:count] = bounds
                bounds = grown
            count += 1
            bounds[count - 1] = _fill(part, y, x, count, stack)
    return part, bounds[:count]


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def _with_room(array, used, more):  # type: ignore[no-untyped-def]
    if used + more <= array.shape[0]:
        return array
    grown = np.empty((2 * (used + more), array.shape[1]), array.dtype)
    grown[:used] = array[:used]
    return grown


@njit(cache=True, nogil=True)
def _with_room_1d(array, used, more):  # type: ignore[no-untyped-def]
    if used + more <= array.size:
        return array
    grown = np.empty(2 * (used + more), array.dtype)
    grown[:used] = array[:used]
    return grown
