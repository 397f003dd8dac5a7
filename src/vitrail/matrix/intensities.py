"""Intensity of cells in each channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float32]
Int = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Intensities:
    """Intensities of n cells in c channels; not a number where a cell has no pixel.

    Attributes
    ----------
    mean, max, min, std
        float32 arrays of shape (n, c). The standard deviation is that of the cell's pixels, with
        n in the denominator.
    """

    mean: Float
    max: Float
    min: Float
    std: Float

    @classmethod
    def empty(cls, n: int, channels: int) -> Intensities:
        """Intensities to be filled in window by window."""
        return cls(*(np.full((n, channels), np.nan, dtype=np.float32) for _ in range(4)))


def measure_intensities(
    image: npt.NDArray[Any],
    cells: npt.NDArray[np.int32],
    members: Int,
    boxes: Int,
    channel: int,
    into: Intensities,
) -> None:
    """Measure the cells of a window in one channel.

    Sums run in float64 over a cell's pixels in row-major order: the same bits whatever the window,
    and exact for integers. The spread is taken about the mean in a second pass, which does not
    cancel.

    Parameters
    ----------
    image
        Pixels of the window (y, x).
    cells
        Labels of the window (y, x).
    members
        Labels to be measured.
    boxes
        int64 array of shape (len(members), 4): their boxes, relative to the window.
    channel
        Column of the results.
    into
        Where the numbers go.
    """
    columns = (part[:, channel] for part in (into.mean, into.max, into.min, into.std))
    _measure(np.ascontiguousarray(image), cells, members, boxes, *columns)


@numba.njit(cache=True, nogil=True)
def _measure(image, cells, members, boxes, mean, largest, smallest, spread):  # type: ignore[no-untyped-def]
    for k in range(members.size):
        label = members[k]
        y0, x0, y1, x1 = boxes[k]
        n = 0
        total = 0.0
        low, high = np.inf, -np.inf
        for i in range(y0, y1):
            for j in range(x0, x1):
                if cells[i, j] == label:
                    value = float(image[i, j])
                    n += 1
                    total += value
                    low = min(low, value)
                    high = max(high, value)
        centre = total / n
        squares = 0.0
        for i in range(y0, y1):
            for j in range(x0, x1):
                if cells[i, j] == label:
                    squares += (float(image[i, j]) - centre) ** 2
        mean[label - 1] = centre
        largest[label - 1] = high
        smallest[label - 1] = low
        spread[label - 1] = np.sqrt(squares / n)
