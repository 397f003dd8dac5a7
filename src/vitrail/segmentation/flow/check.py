"""Whether found masks agree with the flows that they were found from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from vitrail.parallel import spans, threaded
from vitrail.segmentation.flow.heat import Extents, centre, direction, heat

PIECE = 32  # cells a thread takes at once


def flow_errors(
    labels: npt.NDArray[np.int32],
    where: Extents,
    flow_y: npt.NDArray[np.float32],
    flow_x: npt.NDArray[np.float32],
    scale: float,
    threads: int | None = None,
) -> npt.NDArray[np.float64]:
    """Mean squared distance between the flows and those of the masks themselves.

    Parameters
    ----------
    labels
        int32 (y, x).
    where
        Extents of labels 1 to n.
    flow_y, flow_x
        float32 (y, x), `scale` times unit vectors.
    scale, threads
        As in `vitrail.segmentation.flow.masks.masks_and_scores`.

    Returns
    -------
    float64 (n,): mean over the mask of (Δ flow_y)² + (Δ flow_x)², see `flow_targets` for the flows
    of masks; 0 for labels that do not occur.
    """
    error = np.zeros(len(where))
    place = (where.box, where.area, where.sum_y, where.sum_x)
    images = (labels, *place, flow_y, flow_x, 1 / scale)
    pieces = spans(len(where), -(-len(where) // PIECE))
    threaded(lambda s: _errors(*images, *s, error), pieces, threads)
    return error


@njit(cache=True, nogil=True)
def _errors(labels, box, area, sum_y, sum_x, flow_y, flow_x, rate, start, stop, error):  # type: ignore[no-untyped-def]
    for i in range(start, stop):
        if area[i] == 0:
            continue
        y, x = centre(labels, i + 1, box[i], area[i], sum_y[i], sum_x[i])
        warm = heat(labels, i + 1, box[i], y, x)
        step = box[i, 3] - box[i, 1] + 2
        total = 0.0
        for y in range(box[i, 0], box[i, 2]):
            for x in range(box[i, 1], box[i, 3]):
                if labels[y, x] == i + 1:
                    p = (y - box[i, 0] + 1) * step + x - box[i, 1] + 1
                    dy, dx = direction(warm, p, step)
                    total += (dy - flow_y[y, x] * rate) ** 2 + (dx - flow_x[y, x] * rate) ** 2
        error[i] = total / area[i]
