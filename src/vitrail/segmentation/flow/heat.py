"""Heat that spreads from a cell's centre over its pixels, and the direction towards its source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from vitrail import masks

Ints = npt.NDArray[np.int64]

TINY = 1e-60  # added to the length of a gradient: no direction where there is no heat


@dataclass(frozen=True)
class Extents:
    """Where the labels 1 to n of an image lie.

    Attributes
    ----------
    box
        int64 (n, 4), half-open (y0, x0, y1, x1); empty where a label does not occur.
    area, sum_y, sum_x
        int64 (n,), number of pixels and sums of their indices.
    """

    box: Ints
    area: Ints
    sum_y: Ints
    sum_x: Ints

    def __len__(self) -> int:
        return len(self.area)


def extents(labels: npt.NDArray[np.int32], count: int) -> Extents:
    """Extents of labels 1 to `count` of an int32 (y, x) image."""
    return Extents(*masks.extents(labels[None], count))


@njit(cache=True, nogil=True)
def centre(labels, number, box, area, sum_y, sum_x):  # type: ignore[no-untyped-def]
    """Pixel (y, x) of label `number` nearest to its mean position, the first in a tie.

    `box` (4,) and the integer sums are those of the label; distances are compared in integers, so
    that the centre moves with the cell.
    """
    offset_y, offset_x = sum_y - area * box[0], sum_x - area * box[1]
    best, best_y, best_x = np.int64(-1), box[0], box[1]
    for y in range(box[0], box[2]):
        for x in range(box[1], box[3]):
            if labels[y, x] == number:
                dy = area * (y - box[0]) - offset_y
                dx = area * (x - box[1]) - offset_x
                distance = dy * dy + dx * dx
                if best < 0 or distance < best:
                    best, best_y, best_x = distance, y, x
    return best_y, best_x


@njit(cache=True, nogil=True)
def heat(labels, number, box, source_y, source_x):  # type: ignore[no-untyped-def]
    """Heat of label `number` after 2 (height + width + 4) rounds, in its box padded by one pixel.

    In a round the source gains 1, then each pixel of the label takes a ninth of the sum over the
    3 x 3 pixels around it; pixels outside stay at 0 (`masks_to_flows` of Cellpose 3).

    Returns
    -------
    float64, flat, of (height + 2) * (width + 2).

    Notes
    -----
    Sums are taken over rows, then columns, each with the outer two first: the same bits for a
    mirrored cell. The rows are one flat array, as the padding keeps them apart.
    """
    height, width = box[2] - box[0], box[3] - box[1]
    step = width + 2
    size = (height + 2) * step
    share = np.zeros(size)
    for y in range(height):
        for x in range(width):
            if labels[box[0] + y, box[1] + x] == number:
                share[(y + 1) * step + x + 1] = 1.0 / 9.0
    source = (source_y - box[0] + 1) * step + source_x - box[1] + 1
    warm, rows = np.zeros(size), np.zeros(size)
    left, middle, right = warm[:-2], warm[1:-1], warm[2:]
    along = rows[1:-1]
    above, here, below = rows[: -2 * step], rows[step:-step], rows[2 * step :]
    part, inner = share[step:-step], warm[step:-step]
    for _ in range(2 * (height + width + 4)):
        warm[source] += 1.0
        for p in range(along.size):
            along[p] = (left[p] + right[p]) + middle[p]
        for p in range(inner.size):
            inner[p] = ((above[p] + below[p]) + here[p]) * part[p]
    return warm


@njit(cache=True, nogil=True, inline="always")
def direction(warm, p, step):  # type: ignore[no-untyped-def]
    """Unit vector (y, x) of the gradient of heat at flat pixel `p`; (0, 0) where there is none."""
    dy = warm[p + step] - warm[p - step]
    dx = warm[p + 1] - warm[p - 1]
    length = TINY + np.sqrt(dy * dy + dx * dx)
    return dy / length, dx / length


def numbered(labels: npt.NDArray[np.integer[Any]]) -> tuple[npt.NDArray[np.int32], int]:
    """`labels` as int32 with a largest label that an array can be indexed by, and that label.

    Labels larger than the number of pixels are renumbered in their order.
    """
    largest = int(labels.max(initial=0))
    if largest <= labels.size:
        return np.ascontiguousarray(labels, np.int32), largest
    present, index = np.unique(labels, return_inverse=True)
    if present[0] != 0:
        index = index + 1
    dense = np.ascontiguousarray(index.reshape(labels.shape), np.int32)
    return dense, int(dense.max())
