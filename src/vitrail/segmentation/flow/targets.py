"""Flows of given labels: what a network learns to predict."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from vitrail.errors import VitrailError
from vitrail.parallel import spans, threaded
from vitrail.segmentation.flow.heat import centre, direction, extents, heat, numbered

PIECE = 32  # cells a thread takes at once


def flow_targets(
    labels: npt.NDArray[np.integer[Any]], threads: int | None = None
) -> npt.NDArray[np.float32]:
    """Direction from each pixel to its cell's centre along the flow of heat.

    Heat starts at the pixel of the cell nearest to the mean position of its pixels and spreads over
    the cell alone; the flow is the gradient of the heat, at unit length (Stringer et al. 2021,
    doi:10.1038/s41592-020-01018-x, as computed by the cellpose package, version 3).

    Parameters
    ----------
    labels
        (y, x); 0 is background, each cell has a label above 0, in any order and with gaps.
    threads
        Number of threads; the result does not depend on it.

    Returns
    -------
    float32 (2, y, x): flow_y and flow_x, each pixel's a unit vector; 0 outside cells, at a centre
    that lies in the middle, and in parts of a cell that do not touch (at an edge or a corner) the
    one with its centre.

    Raises
    ------
    VitrailError
        Where `labels` is not a two-dimensional image of integers of 0 and above.

    Notes
    -----
    2 (height + width + 4) rounds over the cell's own box, in float64: time grows with the cube of a
    cell's diameter. Beside the result the memory is that of one cell's box, 24 bytes a pixel, a
    thread.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or labels.dtype.kind not in "iu" or labels.min(initial=0) < 0:
        raise VitrailError(
            f"labels have {labels.ndim} axes, type {labels.dtype} and smallest value "
            f"{labels.min(initial=0)}; wanted: an image (y, x) of integers, 0 for background"
        )
    image, count = numbered(labels)
    flow = np.zeros((2, *image.shape), np.float32)
    found = extents(image, count)
    place = (found.box, found.area, found.sum_y, found.sum_x)
    threaded(lambda s: _write(image, *place, *s, flow), spans(count, -(-count // PIECE)), threads)
    return flow


@njit(cache=True, nogil=True)
def _write(labels, box, area, sum_y, sum_x, start, stop, flow):  # type: ignore[no-untyped-def]
    """Flows of the labels `start` + 1 to `stop`."""
    for i in range(start, stop):
        if area[i] == 0:
            continue
        y, x = centre(labels, i + 1, box[i], area[i], sum_y[i], sum_x[i])
        warm = heat(labels, i + 1, box[i], y, x)
        step = box[i, 3] - box[i, 1] + 2
        for y in range(box[i, 0], box[i, 2]):
            for x in range(box[i, 1], box[i, 3]):
                if labels[y, x] == i + 1:
                    p = (y - box[i, 0] + 1) * step + x - box[i, 1] + 1
                    flow[0, y, x], flow[1, y, x] = direction(warm, p, step)
