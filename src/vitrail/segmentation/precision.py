"""Average precision as COCO defines it (Lin et al. 2014), for instances that are label images.

Predictions are taken from the surest to the least sure. Each takes, of the true instances that are
still free and overlap it by at least the threshold, the one with the largest IoU. True instances of
another size than the asked one, and predictions that match those or, matching none, have another
size themselves, do not count. Precision is made non-increasing in recall and averaged at recalls of
0, 0.01, ... 1. COCO's limit of 100 instances an image is not applied: a field of cells has more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vitrail.segmentation.metrics import THRESHOLDS, Labels, Overlaps, overlaps

Float64 = npt.NDArray[np.float64]

SIZES = {
    "all": (0.0, np.inf),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, np.inf),
}
RECALLS = np.linspace(0, 1, 101)


class Hits(NamedTuple):
    """Predictions of one image that count at one threshold and size.

    Attributes
    ----------
    score
        float64, how sure each is.
    right
        bool, whether each has found a true instance.
    total
        True instances of that size.
    """

    score: Float64
    right: npt.NDArray[np.bool_]
    total: int


def average_precision(
    truths: Sequence[Labels],
    predictions: Sequence[Labels],
    scores: Sequence[npt.NDArray[Any]] | None = None,
    size: str = "all",
    thresholds: Sequence[float] = THRESHOLDS,
) -> Float64:
    """Average precision at each IoU threshold, float64; its mean is COCO's AP.

    Parameters
    ----------
    truths, predictions
        Label images, pairwise of one shape.
    scores
        How sure each instance of an image is, in the order of its labels; None: all alike, so
        that the order of images and labels decides.
    size
        `all`, `small` (area below 32^2 pixels), `medium` (below 96^2) or `large`.
    thresholds
        IoU thresholds.

    Returns
    -------
    NaN where there is no true instance of that size.
    """
    pairs = [overlaps(t, p) for t, p in zip(truths, predictions, strict=True)]
    sure = [None] * len(pairs) if scores is None else scores
    return np.array(
        [
            combine([find_hits(p, s, size, level) for p, s in zip(pairs, sure, strict=True)])
            for level in thresholds
        ]
    )


def find_hits(
    pairs: Overlaps, scores: npt.NDArray[Any] | None, size: str, threshold: float
) -> Hits:
    """Match one image's predictions, surest first."""
    sure = np.ones(len(pairs.predicted_area)) if scores is None else np.asarray(scores, np.float64)
    if len(sure) != len(pairs.predicted_area):
        raise ValueError(f"{len(sure)} scores for {len(pairs.predicted_area)} instances")
    outside = ~_within(pairs.truth_area, SIZES[size])
    other_size = ~_within(pairs.predicted_area, SIZES[size])
    taken = np.zeros(len(outside), bool)
    right, counted = np.zeros(len(sure), bool), np.ones(len(sure), bool)
    # Pairs by prediction; a true instance of the asked size goes before any other, then the IoU.
    order = np.lexsort((-pairs.iou, outside[pairs.truth], pairs.predicted))
    order = order[pairs.iou[order] >= threshold]
    starts = np.searchsorted(pairs.predicted[order], np.arange(len(sure) + 1))
    for prediction in np.argsort(-sure, kind="stable"):
        candidates = pairs.truth[order[starts[prediction] : starts[prediction + 1]]]
        free = candidates[~taken[candidates]]
        if len(free) == 0:
            counted[prediction] = not other_size[prediction]
            continue
        taken[free[0]] = True
        right[prediction] = counted[prediction] = not outside[free[0]]
    return Hits(sure[counted], right[counted], int((~outside).sum()))


def combine(hits: Sequence[Hits]) -> float:
    """Average precision of the hits of a set of images; NaN where there is nothing to find."""
    total = sum(h.total for h in hits)
    if total == 0:
        return float("nan")
    score = np.concatenate([h.score for h in hits])
    right = np.concatenate([h.right for h in hits])[np.argsort(-score, kind="stable")]
    found = np.cumsum(right)
    recall, precision = found / total, found / np.arange(1, len(right) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.searchsorted(recall, RECALLS, side="left")
    return float(np.append(precision, 0.0)[place].mean())


def _within(area: npt.NDArray[np.int64], size: tuple[float, float]) -> npt.NDArray[np.bool_]:
    return (area >= size[0]) & (area < size[1])
