"""Shape and intensity of all cells of a slide, window by window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail.io.cell_table import check_nuclei
from vitrail.matrix.intensities import Intensities, measure_intensities
from vitrail.matrix.morphology import Morphology, measure_shapes
from vitrail.matrix.windows import BLOCK, cell_boxes, windows

Read = Callable[[int, int, int, int, int], npt.NDArray[Any]]


def measure(
    cells: Any,
    nuclei: Any | None,
    owner: npt.NDArray[np.int32],
    n_cells: int,
    read: Read | None = None,
    channels: int = 0,
    edge: int = BLOCK,
) -> tuple[Morphology, Intensities]:
    """Measure all cells.

    Labels are read twice (boxes, then pixels), the image once; memory is bounded by a block and
    the largest cell.

    Parameters
    ----------
    cells, nuclei
        Label images (y, x), zarr or numpy; `nuclei` may be None.
    owner
        Cell of each nucleus, indexed by nucleus label.
    n_cells
        Number of cells.
    read
        Gives the pixels (y, x) of one channel in a box: channel, y0, x0, y1, x1. None without an
        image. Channels are read one at a time, so that memory does not grow with their number.
    channels
        Number of channels.
    edge
        Edge of a block in pixels; results do not depend on it.

    Raises
    ------
    VitrailError
        If a label exceeds `n_cells`, or a nucleus has no row in its table.
    """
    boxes = cell_boxes(cells, n_cells, edge)
    shapes, intensities = Morphology.empty(n_cells), Intensities.empty(n_cells, channels)
    for (y0, x0, y1, x1), members in windows(boxes, edge):
        window = np.ascontiguousarray(cells[y0:y1, x0:x1], dtype=np.int32)
        if nuclei is None:
            inner = np.zeros_like(window)
        else:
            inner = np.ascontiguousarray(nuclei[y0:y1, x0:x1], dtype=np.int32)
            check_nuclei(inner, owner)
        inside = boxes[members - 1] - np.array([y0, x0, y0, x0])
        measure_shapes(window, inner, owner, members, inside, shapes)
        if read is None:
            continue
        for channel in range(channels):
            pixels = read(channel, y0, x0, y1, x1)
            measure_intensities(pixels, window, members, inside, channel, intensities)
    return shapes, intensities
