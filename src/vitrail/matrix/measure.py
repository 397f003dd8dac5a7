"""Shape and intensity of all cells of a slide, window by window."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail.io.cell_table import check_nuclei
from vitrail.matrix.chunks import ChunkedReader
from vitrail.matrix.intensities import Intensities, measure_intensities
from vitrail.matrix.morphology import Morphology, measure_shapes
from vitrail.matrix.windows import BLOCK, Watch, cell_boxes, windows


def measure(
    cells: Any,
    nuclei: Any | None,
    owner: npt.NDArray[np.int32],
    n_cells: int,
    image: Any | None = None,
    edge: int = BLOCK,
    watch: Watch | None = None,
) -> tuple[Morphology, Intensities]:
    """Measure all cells.

    Every chunk of the image and of the nuclei is decoded once, those of the cells twice (where
    does each cell lie, then its pixels). Memory is bounded by a block and the largest cell, and
    by what `vitrail.matrix.chunks` holds for the next row of blocks.

    Parameters
    ----------
    cells, nuclei
        Label images (y, x), zarr or numpy; `nuclei` may be None.
    owner
        Cell of each nucleus, indexed by nucleus label.
    n_cells
        Number of cells.
    image
        Pixels (c, y, x), zarr or numpy; None without an image. Channels are read one at a time,
        so that memory does not grow with their number.
    edge
        Edge of a block in pixels; results do not depend on it.
    watch
        Is shown every block of the cells' labels on the way, with its place (y0, x0).

    Raises
    ------
    VitrailError
        If a label exceeds `n_cells`, or a nucleus has no row in its table.
    """
    boxes = cell_boxes(cells, n_cells, edge, watch)
    channels = 0 if image is None else int(image.shape[0])
    shapes, intensities = Morphology.empty(n_cells), Intensities.empty(n_cells, channels)
    places = [window.box for window in windows(boxes, edge)]
    cell_reader = ChunkedReader(cells, places)
    nucleus_reader = None if nuclei is None else ChunkedReader(nuclei, places)
    image_reader = None if image is None else ChunkedReader(image, places)
    for box, members in windows(boxes, edge):
        labels = cell_reader.read(box).astype(np.int32, copy=False)
        inner = _nuclei(nucleus_reader, box, owner)
        inside = boxes[members - 1] - np.array([box[0], box[1]] * 2)
        measure_shapes(labels, inner, owner, members, inside, shapes)
        if image_reader is None:
            continue
        for channel in range(channels):
            pixels = image_reader.read(box, channel)
            measure_intensities(pixels, labels, members, inside, channel, intensities)
    return shapes, intensities


def _nuclei(
    reader: ChunkedReader | None, box: tuple[int, int, int, int], owner: npt.NDArray[np.int32]
) -> npt.NDArray[np.int32]:
    if reader is None:
        return np.zeros((box[2] - box[0], box[3] - box[1]), np.int32)
    labels = reader.read(box).astype(np.int32, copy=False)
    check_nuclei(labels, owner)
    return labels
