"""Masks of instances, packed eight pixels a byte.

The masks of n instances are one uint8 array. Instance i owns the bytes offset[i] to offset[i + 1]:
the pixels of its box (y0, x0, y1, x1) in row-major order, the first pixel in the highest bit,
padded to a whole byte. One slide's instances fit in memory this way where label images do not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

BUCKET = 64  # pixels of a square of the search grid: a few cells wide


def offsets(box: Ints) -> Ints:
    """First byte of each box's mask, and the end: int64 (n + 1,)."""
    pixels = (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])
    return np.concatenate([[0], np.cumsum((pixels + 7) // 8)]).astype(np.int64)


def unpack(box: Ints, mask: Bytes, offset: Ints, i: int) -> npt.NDArray[np.bool_]:
    """Mask of instance `i` as a bool image of its box's shape."""
    y0, x0, y1, x1 = box[i]
    bits = np.unpackbits(mask[offset[i] : offset[i + 1]], count=int((y1 - y0) * (x1 - x0)))
    return bits.astype(bool).reshape(y1 - y0, x1 - x0)


@njit(cache=True, inline="always")
def get(mask, start, pixel):  # type: ignore[no-untyped-def]
    """Whether `pixel` of the mask that starts at byte `start` is set."""
    return (mask[start + (pixel >> 3)] >> np.uint8(7 - (pixel & 7))) & np.uint8(1) != 0


@njit(cache=True, inline="always")
def put(mask, start, pixel):  # type: ignore[no-untyped-def]
    """Set `pixel` of the mask that starts at byte `start`."""
    mask[start + (pixel >> 3)] |= np.uint8(1) << np.uint8(7 - (pixel & 7))


@njit(cache=True, inline="always")
def clear(mask, start, pixel):  # type: ignore[no-untyped-def]
    """Unset `pixel` of the mask that starts at byte `start`."""
    mask[start + (pixel >> 3)] &= ~(np.uint8(1) << np.uint8(7 - (pixel & 7)))


@njit(cache=True)
def copy(mask, offset, order, new_mask, new_offset):  # type: ignore[no-untyped-def]
    """Copy packed masks in the given order to where `new_offset` puts them."""
    for k in range(order.size):
        start = offset[order[k]]
        for byte in range(new_offset[k + 1] - new_offset[k]):
            new_mask[new_offset[k] + byte] = mask[start + byte]


@njit(cache=True)
def measure(box, mask, offset):  # type: ignore[no-untyped-def]
    """Area and integer sums of the pixel indices of each instance: three int64 (n,)."""
    n = box.shape[0]
    area, sum_y, sum_x = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
    for i in range(n):
        pixel = 0
        for y in range(box[i, 0], box[i, 2]):
            for x in range(box[i, 1], box[i, 3]):
                if get(mask, offset[i], pixel):
                    area[i] += 1
                    sum_y[i] += y
                    sum_x[i] += x
                pixel += 1
    return area, sum_y, sum_x


@njit(cache=True)
def area_within(box, mask, offset, i, window):  # type: ignore[no-untyped-def]
    """Number of pixels of instance `i` inside the box `window`."""
    width = box[i, 3] - box[i, 1]
    count = 0
    for y in range(max(box[i, 0], window[0]), min(box[i, 2], window[2])):
        for x in range(max(box[i, 1], window[1]), min(box[i, 3], window[3])):
            if get(mask, offset[i], (y - box[i, 0]) * width + x - box[i, 1]):
                count += 1
    return count


@njit(cache=True)
def shared(box, mask, offset, i, j):  # type: ignore[no-untyped-def]
    """Number of pixels that instances `i` and `j` have in common."""
    width_i, width_j = box[i, 3] - box[i, 1], box[j, 3] - box[j, 1]
    count = 0
    for y in range(max(box[i, 0], box[j, 0]), min(box[i, 2], box[j, 2])):
        for x in range(max(box[i, 1], box[j, 1]), min(box[i, 3], box[j, 3])):
            if get(mask, offset[i], (y - box[i, 0]) * width_i + x - box[i, 1]) and get(
                mask, offset[j], (y - box[j, 0]) * width_j + x - box[j, 1]
            ):
                count += 1
    return count


@njit(cache=True)
def shared_counts(box, mask, offset, first, second):  # type: ignore[no-untyped-def]
    """`shared` for each pair (first[k], second[k]): int64."""
    counts = np.empty(first.size, np.int64)
    for k in range(first.size):
        counts[k] = shared(box, mask, offset, first[k], second[k])
    return counts


@njit(cache=True)
def paint(labels, y0, x0, members, values, box, mask, offset):  # type: ignore[no-untyped-def]
    """Write `values[i]` where instance i lies in `labels`, whose first pixel is (y0, x0)."""
    for i in members:
        width = box[i, 3] - box[i, 1]
        for y in range(max(box[i, 0], y0), min(box[i, 2], y0 + labels.shape[0])):
            for x in range(max(box[i, 1], x0), min(box[i, 3], x0 + labels.shape[1])):
                if get(mask, offset[i], (y - box[i, 0]) * width + x - box[i, 1]):
                    labels[y - y0, x - x0] = values[i]


@njit(cache=True)
def extents(labels, count):  # type: ignore[no-untyped-def]
    """Box, area and sums of indices of labels 1 to `count` of a (layers, y, x) label image.

    Returns int64 arrays: box (count, 4), area, sum_y, sum_x (count,). Labels that do not occur have
    area 0 and an empty box.
    """
    box = np.zeros((count, 4), np.int64)
    area, sum_y = np.zeros(count, np.int64), np.zeros(count, np.int64)
    sum_x = np.zeros(count, np.int64)
    for layer in range(labels.shape[0]):
        for y in range(labels.shape[1]):
            for x in range(labels.shape[2]):
                i = labels[layer, y, x] - 1
                if i < 0:
                    continue
                if area[i] == 0:
                    box[i] = np.array([y, x, y + 1, x + 1])
                box[i, 0] = min(box[i, 0], y)
                box[i, 1] = min(box[i, 1], x)
                box[i, 2] = max(box[i, 2], y + 1)
                box[i, 3] = max(box[i, 3], x + 1)
                area[i] += 1
                sum_y[i] += y
                sum_x[i] += x
    return box, area, sum_y, sum_x


@njit(cache=True)
def pack(labels, index, box, offset, mask):  # type: ignore[no-untyped-def]
    """Write the masks of a (layers, y, x) label image: label l is instance index[l], or none."""
    for layer in range(labels.shape[0]):
        for y in range(labels.shape[1]):
            for x in range(labels.shape[2]):
                label = labels[layer, y, x]
                if label > 0 and index[label] >= 0:
                    i = index[label]
                    width = box[i, 3] - box[i, 1]
                    put(mask, offset[i], (y - box[i, 0]) * width + x - box[i, 1])


@njit(cache=True)
def unite(box, mask, offset, member, start, new_box, new_offset, new_mask):  # type: ignore[no-untyped-def]
    """Write the union of instances member[start[k]:start[k + 1]] as instance k of the new masks."""
    for k in range(start.size - 1):
        new_width = new_box[k, 3] - new_box[k, 1]
        for m in range(start[k], start[k + 1]):
            i = member[m]
            pixel = 0
            for y in range(box[i, 0], box[i, 2]):
                for x in range(box[i, 1], box[i, 3]):
                    if get(mask, offset[i], pixel):
                        at = (y - new_box[k, 0]) * new_width + x - new_box[k, 1]
                        put(new_mask, new_offset[k], at)
                    pixel += 1


def overlapping_boxes(box: Ints, kind: npt.NDArray[Any] | None = None) -> tuple[Ints, Ints]:
    """All pairs of instances whose boxes share a pixel, found on a grid: nothing quadratic.

    Parameters
    ----------
    box
        int64 (n, 4).
    kind
        (n,); where given, only pairs of different kinds are returned.

    Returns
    -------
    Two int64 arrays i < j, sorted by (i, j).
    """
    if len(box) == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    kinds = np.arange(len(box)) if kind is None else np.unique(kind, return_inverse=True)[1]
    corner = box[:, :2].min(axis=0)
    start, members, columns = bucket(box - np.tile(corner, 2), BUCKET)
    first = second = np.empty(0, np.int64)
    squares = (box, kinds.astype(np.int64), corner, BUCKET, start, members, columns)
    count = _pairs(*squares, first, second)
    first, second = np.empty(count, np.int64), np.empty(count, np.int64)
    _pairs(*squares, first, second)
    order = np.lexsort((second, first))
    return first[order], second[order]


@njit(cache=True)
def bucket(box, size):  # type: ignore[no-untyped-def]
    """Instances that each square of `size` pixels touches, in ascending order.

    Returns start (squares + 1,), members, and the number of columns of squares; square (r, c) holds
    members[start[r * columns + c]:start[r * columns + c + 1]].
    """
    rows = (box[:, 2].max() + size - 1) // size
    columns = (box[:, 3].max() + size - 1) // size
    start = np.zeros(rows * columns + 1, np.int64)
    for i in range(box.shape[0]):
        for r in range(box[i, 0] // size, (box[i, 2] - 1) // size + 1):
            for c in range(box[i, 1] // size, (box[i, 3] - 1) // size + 1):
                start[r * columns + c + 1] += 1
    start = np.cumsum(start)
    place = start[:-1].copy()
    members = np.empty(start[-1], np.int64)
    for i in range(box.shape[0]):
        for r in range(box[i, 0] // size, (box[i, 2] - 1) // size + 1):
            for c in range(box[i, 1] // size, (box[i, 3] - 1) // size + 1):
                members[place[r * columns + c]] = i
                place[r * columns + c] += 1
    return start, members, columns


@njit(cache=True)
def _pairs(box, kind, corner, size, start, members, columns, first, second):  # type: ignore[no-untyped-def]
    """Number of pairs; written to `first` and `second` where these have room.

    A pair in several squares counts in the one where the intersection of its boxes starts.
    """
    found = 0
    for square in range(start.size - 1):
        for a in range(start[square], start[square + 1]):
            i = members[a]
            for b in range(a + 1, start[square + 1]):
                j = members[b]
                y, x = max(box[i, 0], box[j, 0]), max(box[i, 1], box[j, 1])
                if (
                    kind[i] == kind[j]
                    or y >= min(box[i, 2], box[j, 2])
                    or x >= min(box[i, 3], box[j, 3])
                ):
                    continue
                if (y - corner[0]) // size * columns + (x - corner[1]) // size == square:
                    if found < first.size:
                        first[found], second[found] = i, j
                    found += 1
    return found
