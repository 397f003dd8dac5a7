"""Windows of a slide that hold whole cells, so that each cell is measured in one piece.

A cell's numbers then depend on nothing but its own pixels, in row-major order: not on how the
slide is divided, not even in the last bit of a mean of floats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from vitrail.errors import VitrailError

Int = npt.NDArray[np.int64]

# A block's labels, nuclei and one channel are held at once.
BLOCK = 4096

# Is shown a block of labels and its place (y0, x0).
Watch = Callable[[npt.NDArray[Any], int, int], None]


class Window(NamedTuple):
    """A box of the slide and the cells that lie in it as a whole.

    Attributes
    ----------
    box
        (y0, x0, y1, x1), half-open, in slide pixels.
    cells
        int64 array: labels of the cells to be measured here, ascending.
    """

    box: tuple[int, int, int, int]
    cells: Int


def blocks(shape: tuple[int, ...], edge: int) -> Iterator[tuple[int, int, int, int]]:
    """Half-open boxes of a grid over an image, in row-major order."""
    for y in range(0, shape[0], edge):
        for x in range(0, shape[1], edge):
            yield y, x, min(y + edge, shape[0]), min(x + edge, shape[1])


def cell_boxes(labels: Any, n_cells: int, edge: int = BLOCK, watch: Watch | None = None) -> Int:
    """Bounding boxes of all cells.

    Parameters
    ----------
    labels
        Label image (y, x), zarr or numpy; read block by block.
    n_cells
        Number of cells.
    edge
        Edge of a block in pixels. The result does not depend on it.
    watch
        Is shown every block, so that what else is asked of all labels needs no pass of its own.

    Returns
    -------
    int64 array of shape (n_cells, 4): y0, x0, y1, x1, half-open. A cell without a pixel has an
    empty box, (0, 0, 0, 0).

    Raises
    ------
    VitrailError
        If a label exceeds `n_cells`.
    """
    boxes = np.zeros((n_cells, 4), dtype=np.int64)
    boxes[:, :2] = np.iinfo(np.int64).max
    for y0, x0, y1, x1 in blocks(labels.shape, edge):
        block = np.asarray(labels[y0:y1, x0:x1])
        largest = _grow(block, y0, x0, boxes)
        if largest > n_cells:
            raise VitrailError(
                f"labels: found cell {largest}, but the table of cells has {n_cells} rows; "
                "wanted the labels and the table of one segmentation."
            )
        if watch is not None:
            watch(block, y0, x0)
    boxes[boxes[:, 2] == 0] = 0
    return boxes


@numba.njit(cache=True, nogil=True)
def _grow(labels, top, left, boxes):  # type: ignore[no-untyped-def]
    largest = 0
    for i in range(labels.shape[0]):
        for j in range(labels.shape[1]):
            label = labels[i, j]
            if label > largest:
                largest = label
            if label > 0 and label <= boxes.shape[0]:
                box = boxes[label - 1]
                box[0] = min(box[0], top + i)
                box[1] = min(box[1], left + j)
                box[2] = max(box[2], top + i + 1)
                box[3] = max(box[3], left + j + 1)
    return largest


def windows(boxes: Int, edge: int = BLOCK) -> Iterator[Window]:
    """Divide the cells into windows by the block that holds a cell's upper left corner.

    Parameters
    ----------
    boxes
        As `cell_boxes` gives them; cells with an empty box are left out.
    edge
        Edge of a block in pixels. A window is at most a block and its largest cell wide.
    """
    there = np.flatnonzero(boxes[:, 2] > 0)
    if not len(there):
        return
    block = boxes[there, :2] // edge
    order = np.lexsort((block[:, 1], block[:, 0]))
    there, block = there[order], block[order]
    starts = np.flatnonzero(np.any(np.diff(block, axis=0, prepend=-1) != 0, axis=1))
    for members in np.split(there, starts[1:]):
        low, high = boxes[members, :2].min(axis=0), boxes[members, 2:].max(axis=0)
        yield Window((int(low[0]), int(low[1]), int(high[0]), int(high[1])), members + 1)
