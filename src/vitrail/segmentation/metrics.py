"""How well instances agree with the truth: one-to-one matching by intersection over union.

Pairs come from a sparse contingency table; a pair counts at a threshold t where its intersection
over union (IoU) is at least t. The matching has as many pairs as possible and, among those, the
largest total IoU. Above 0.5 no instance has two partners, so nothing has to be chosen; below, each
small set of instances that compete is solved exactly as an assignment problem.

    precision = TP / (TP + FP)      recall = TP / (TP + FN)      F1 = 2 TP / (2 TP + FP + FN)
    accuracy = TP / (TP + FP + FN), of objects
    SQ = mean IoU of the matched pairs at 0.5 (segmentation quality, Kirillov et al. 2019)
    pixel IoU = pixels in both an instance and a true one / pixels in either

Counts are summed over images before they are divided. Where there is neither truth nor prediction,
everything is as it should be: precision, recall, F1, accuracy and pixel IoU are 1. SQ without a
match is 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail.errors import VitrailError

Labels = npt.NDArray[np.integer[Any]]
THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
MEAN_UP_TO = 0.9  # F1 is averaged over the thresholds from 0.5 to this


@dataclass(frozen=True)
class Match:
    """One-to-one matching of the instances of one image.

    Attributes
    ----------
    truth, predicted
        Labels of the matched pairs, in the order of `truth`.
    iou
        float64, intersection over union of each pair.
    truth_count, predicted_count
        Number of instances in the image.
    """

    truth: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    iou: npt.NDArray[np.float64]
    truth_count: int
    predicted_count: int

    @property
    def true_positives(self) -> int:
        """Matched pairs."""
        return len(self.iou)

    @property
    def false_positives(self) -> int:
        """Predicted instances without a partner."""
        return self.predicted_count - len(self.iou)

    @property
    def false_negatives(self) -> int:
        """True instances without a partner."""
        return self.truth_count - len(self.iou)


@dataclass(frozen=True)
class Counts:
    """What the scores of one image are made of.

    Attributes
    ----------
    thresholds
        IoU thresholds.
    objects
        int64 (3, thresholds): true positives, false positives, false negatives.
    matched, iou_sum
        Pairs matched at an IoU of 0.5, and the sum of their IoU.
    pixels_both, pixels_either
        Pixels in true and found instances, and in either.
    """

    thresholds: npt.NDArray[np.float64]
    objects: npt.NDArray[np.int64]
    matched: int
    iou_sum: float
    pixels_both: int
    pixels_either: int


@dataclass(frozen=True)
class Score:
    """Agreement over a set of images.

    Attributes
    ----------
    thresholds
        IoU thresholds.
    true_positives, false_positives, false_negatives
        int64, one a threshold, summed over the images.
    precision, recall, f1, accuracy
        float64, one a threshold.
    mean_f1
        Mean of F1 over the thresholds from 0.5 to 0.9.
    sq
        Mean IoU of the pairs matched at 0.5.
    pixel_iou
        IoU of all instances taken as one.
    """

    thresholds: npt.NDArray[np.float64]
    true_positives: npt.NDArray[np.int64]
    false_positives: npt.NDArray[np.int64]
    false_negatives: npt.NDArray[np.int64]
    precision: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]
    f1: npt.NDArray[np.float64]
    accuracy: npt.NDArray[np.float64]
    mean_f1: float
    sq: float
    pixel_iou: float


@dataclass(frozen=True)
class Overlaps:
    """Pairs of instances with a common pixel.

    Attributes
    ----------
    truth, predicted
        int64, places of the instances of each pair among the labels, in rising order.
    iou
        float64, intersection over union of each pair.
    truth_labels, predicted_labels
        int64, labels that occur, rising.
    truth_area, predicted_area
        int64, pixels of each instance.
    """

    truth: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    iou: npt.NDArray[np.float64]
    truth_labels: npt.NDArray[np.int64]
    predicted_labels: npt.NDArray[np.int64]
    truth_area: npt.NDArray[np.int64]
    predicted_area: npt.NDArray[np.int64]


def match(truth: Labels, predicted: Labels, iou: float = 0.5) -> Match:
    """Match the instances of two label images one to one.

    Parameters
    ----------
    truth, predicted
        Integer label images of one shape, 0 = background.
    iou
        Least intersection over union of a pair.
    """
    return _match(overlaps(truth, predicted), iou)


def score(
    truths: Iterable[Labels],
    predictions: Iterable[Labels],
    thresholds: Iterable[float] = THRESHOLDS,
) -> Score:
    """Precision, recall and F1 by IoU threshold over a set of images.

    Parameters
    ----------
    truths, predictions
        Label images, pairwise of one shape.
    thresholds
        IoU thresholds.
    """
    levels = tuple(thresholds)
    return summarise(
        [count(t, p, levels) for t, p in zip(truths, predictions, strict=True)], levels
    )


def count(truth: Labels, predicted: Labels, thresholds: Iterable[float] = THRESHOLDS) -> Counts:
    """Count the matches of one image at each IoU threshold; see `match`."""
    levels = np.array(list(thresholds), np.float64)
    pairs = overlaps(truth, predicted)
    found = [_match(pairs, float(level)) for level in levels]
    objects = np.array(
        [[m.true_positives, m.false_positives, m.false_negatives] for m in found], np.int64
    ).reshape(-1, 3)
    half = _match(pairs, 0.5)
    a, b = np.asarray(truth) != 0, np.asarray(predicted) != 0
    return Counts(
        levels,
        objects.T,
        half.true_positives,
        float(half.iou.sum()),
        int((a & b).sum()),
        int((a | b).sum()),
    )


def summarise(counts: Sequence[Counts], thresholds: Iterable[float] = THRESHOLDS) -> Score:
    """Scores of the summed counts of images, all counted at the same thresholds."""
    levels = np.array(list(thresholds), np.float64)
    objects = sum((c.objects for c in counts), np.zeros((3, len(levels)), np.int64))
    tp, fp, fn = objects
    f1 = _ratio(2 * tp, 2 * tp + fp + fn)
    averaged = (levels >= 0.5 - 1e-9) & (levels <= MEAN_UP_TO + 1e-9)
    matched, either = sum(c.matched for c in counts), sum(c.pixels_either for c in counts)
    return Score(
        levels,
        tp,
        fp,
        fn,
        precision=_ratio(tp, tp + fp, fn),
        recall=_ratio(tp, tp + fn, fp),
        f1=f1,
        accuracy=_ratio(tp, tp + fp + fn),
        mean_f1=float(f1[averaged].mean()) if averaged.any() else float("nan"),
        sq=sum(c.iou_sum for c in counts) / matched if matched else 0.0,
        pixel_iou=sum(c.pixels_both for c in counts) / either if either else 1.0,
    )


def median_diameter(labels: Labels) -> float:
    """Median over instances of the diameter in pixels of a circle of equal area; 0 without any."""
    area = np.unique(labels[labels > 0], return_counts=True)[1]
    return float(2 * np.sqrt(np.median(area) / np.pi)) if len(area) else 0.0


def _ratio(
    part: npt.NDArray[np.int64],
    whole: npt.NDArray[np.int64],
    missed: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.float64]:
    """`part` / `whole`; where `whole` is 0: 1 if nothing was `missed` either, else 0."""
    empty = np.ones(len(part)) if missed is None else (missed == 0).astype(np.float64)
    return np.where(whole > 0, part / np.maximum(whole, 1), empty)


def overlaps(truth: Labels, predicted: Labels) -> Overlaps:
    """Pairs of instances of two label images with a common pixel."""
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if truth.shape != predicted.shape:
        raise VitrailError(
            f"truth has shape {truth.shape}, prediction {predicted.shape}; wanted: the same"
        )
    truth_labels, a = _number(truth)
    predicted_labels, b = _number(predicted)
    n, m = len(truth_labels), len(predicted_labels)
    area_a, area_b = np.bincount(a, minlength=n + 1), np.bincount(b, minlength=m + 1)
    both = (a > 0) & (b > 0)
    key, shared = np.unique(a[both] * np.int64(m + 1) + b[both], return_counts=True)
    i, j = key // (m + 1), key % (m + 1)
    iou = shared / (area_a[i] + area_b[j] - shared)
    return Overlaps(i - 1, j - 1, iou, truth_labels, predicted_labels, area_a[1:], area_b[1:])


def _number(labels: Labels) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Labels that occur, without 0, and the image, flat, with their numbers from 1."""
    found, number = np.unique(labels, return_inverse=True)
    number = number.ravel().astype(np.int64)
    if len(found) and found[0] == 0:
        return found[1:].astype(np.int64), number
    return found.astype(np.int64), number + 1


def _match(pairs: Overlaps, level: float) -> Match:
    eligible = pairs.iou >= level
    truth, predicted = pairs.truth[eligible], pairs.predicted[eligible]
    iou = pairs.iou[eligible]
    chosen = _assign(truth, predicted, iou)
    return Match(
        pairs.truth_labels[truth[chosen]],
        pairs.predicted_labels[predicted[chosen]],
        iou[chosen],
        len(pairs.truth_labels),
        len(pairs.predicted_labels),
    )


def _assign(
    truth: npt.NDArray[np.int64],
    predicted: npt.NDArray[np.int64],
    iou: npt.NDArray[np.float64],
) -> npt.NDArray[np.int64]:
    """Indices of the pairs of the best one-to-one matching, in the order of the truth."""
    _, a, count_a = np.unique(truth, return_inverse=True, return_counts=True)
    _, b, count_b = np.unique(predicted, return_inverse=True, return_counts=True)
    sole = (count_a[a] == 1) & (count_b[b] == 1)
    chosen = [np.flatnonzero(sole)]
    rivals = np.flatnonzero(~sole)
    if len(rivals):
        chosen.append(_solve(a, b, iou, rivals))
    found = np.concatenate(chosen)
    return found[np.argsort(truth[found], kind="stable")]


def _solve(
    a: npt.NDArray[np.int64],
    b: npt.NDArray[np.int64],
    iou: npt.NDArray[np.float64],
    rivals: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Best pairs among `rivals`, one connected set of instances at a time."""
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = int(a.max()) + 1
    size = n + int(b.max()) + 1
    links = coo_array((np.ones(len(rivals)), (a[rivals], n + b[rivals])), shape=(size, size))
    component = connected_components(links, directed=False)[1][a[rivals]]
    order = np.argsort(component, kind="stable")
    chosen = []
    for group in np.split(order, np.flatnonzero(np.diff(component[order])) + 1):
        pairs = rivals[group]
        rows, row = np.unique(a[pairs], return_inverse=True)
        columns, column = np.unique(b[pairs], return_inverse=True)
        value = np.zeros((len(rows), len(columns)))
        # One more pair always weighs more than any gain in IoU.
        value[row, column] = len(pairs) + 1.0 + iou[pairs]
        best = set(zip(*linear_sum_assignment(value, maximize=True), strict=True))
        chosen += [p for p, r, c in zip(pairs, row, column, strict=True) if (r, c) in best]
    return np.array(chosen, np.int64)
