"""Holes in masks, filled."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from vitrail.parallel import spans, threaded
from vitrail.segmentation.flow.heat import Extents

PIECE = 64  # cells a thread takes at once

INSIDE, OUTSIDE = np.uint8(1), np.uint8(2)


def fill_holes(labels: npt.NDArray[np.int32], where: Extents, threads: int | None = None) -> None:
    """Fill the holes of each label in place.

    A hole is a 4-connected region of other pixels that one label encloses; what lies in it, another
    label too, becomes the label's. Labels with larger boxes come later, so that the outermost one
    keeps what several enclose.

    Parameters
    ----------
    labels
        int32 (y, x).
    where
        Extents of its labels 1 to n.
    threads
        Number of threads; the result does not depend on it.

    Notes
    -----
    Memory: 17 bytes a pixel of one label's box, a thread.
    """
    holed = np.zeros(len(where), np.bool_)
    pieces = spans(len(where), -(-len(where) // PIECE))
    threaded(lambda s: _find(labels, where.box, *s, holed), pieces, threads)
    size = (where.box[:, 2] - where.box[:, 0]) * (where.box[:, 3] - where.box[:, 1])
    chosen = np.flatnonzero(holed)
    _fill(labels, where.box, chosen[np.argsort(size[chosen], kind="stable")])


@njit(cache=True, nogil=True)
def _find(labels, box, start, stop, holed):  # type: ignore[no-untyped-def]
    """Note which of the labels `start` + 1 to `stop` have holes; labels are only read."""
    for i in range(start, stop):
        if box[i, 2] - box[i, 0] > 2 and box[i, 3] - box[i, 1] > 2:
            holed[i] = (_regions(labels, i + 1, box[i]) == 0).any()


@njit(cache=True, nogil=True)
def _fill(labels, box, chosen):  # type: ignore[no-untyped-def]
    for i in chosen:
        region = _regions(labels, i + 1, box[i])
        for y in range(box[i, 0], box[i, 2]):
            for x in range(box[i, 1], box[i, 3]):
                if region[y - box[i, 0] + 1, x - box[i, 1] + 1] == 0:
                    labels[y, x] = i + 1


@njit(cache=True, nogil=True)
def _regions(labels, number, box):  # type: ignore[no-untyped-def]
    """`INSIDE` on the label, `OUTSIDE` around it, 0 in its holes; padded by one pixel."""
    height, width = box[2] - box[0] + 2, box[3] - box[1] + 2
    region = np.zeros((height, width), np.uint8)
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            if labels[box[0] + y - 1, box[1] + x - 1] == number:
                region[y, x] = INSIDE
    stack = np.empty((height * width, 2), np.int64)
    stack[0, 0], stack[0, 1] = 0, 0
    region[0, 0] = OUTSIDE
    depth = 1
    while depth > 0:
        depth -= 1
        y, x = stack[depth, 0], stack[depth, 1]
        for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            row, column = y + dy, x + dx
            if 0 <= row < height and 0 <= column < width and region[row, column] == 0:
                region[row, column] = OUTSIDE
                stack[depth, 0], stack[depth, 1] = row, column
                depth += 1
    return region
