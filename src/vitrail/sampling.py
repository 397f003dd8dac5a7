"""Windows that stand for a slide, chosen by its tissue and not by its tiles."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail.normalization import BLOCK, TissueMap

Boxes = npt.NDArray[np.int64]

COUNT = 8
SIDE_UM = 128.0
ENOUGH = 0.5  # of the largest share of tissue in a window: what a window must have


def sample_boxes(
    tissue: TissueMap, shape: tuple[int, int], side_px: int, count: int = COUNT
) -> Boxes:
    """Boxes of windows full of tissue, far from each other.

    Parameters
    ----------
    tissue
        The slide's.
    shape
        Height and width of the slide in pixels.
    side_px
        Edge of a window, rounded up to whole blocks of the tissue map; a smaller slide is one
        window.
    count
        Windows at most.

    Returns
    -------
    int64 (n, 4), half-open (y0, x0, y1, x1), in the order of choice: the window with most tissue
    first, then always the one that is farthest from all before.
    """
    side = -(-side_px // BLOCK) * BLOCK
    boxes = _grid(shape, side)
    share = tissue.share(boxes).astype(np.float64)
    boxes = boxes[share >= ENOUGH * share.max()]
    first = int(np.argmax(share[share >= ENOUGH * share.max()]))
    chosen = [first]
    nearest = _distance(boxes, first)
    while len(chosen) < min(count, len(boxes)):
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, _distance(boxes, chosen[-1]))
    return boxes[chosen]


def side_px(pixel_size: float) -> int:
    """Edge of a sampled window in pixels of `pixel_size` micrometres."""
    return int(np.clip(np.ceil(SIDE_UM / pixel_size), 64, 2048))


def _grid(shape: tuple[int, int], side: int) -> Boxes:
    """Boxes side by side; none that the slide's border cuts, unless its axis has no whole one."""
    starts = [np.arange(0, max(length - side + 1, 1), side) for length in shape]
    y, x = np.meshgrid(*starts, indexing="ij")
    start = np.column_stack([y.ravel(), x.ravel()]).astype(np.int64)
    return np.concatenate([start, np.minimum(start + side, shape)], axis=1)


def _distance(boxes: Boxes, to: int) -> npt.NDArray[Any]:
    return ((boxes[:, :2] - boxes[to, :2]) ** 2).sum(axis=1)
