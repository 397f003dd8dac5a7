"""How well instances agree with the truth: one-to-one matching by intersection over union.

Pairs come from a sparse contingency table; a pair counts at a threshold t where its intersection
over union (IoU) is at least t. The matching has as many pairs as possible and, among those, the
largest total IoU. Above 0.5 no instance has two partners, so nothing has to be chosen; below, each
small set of instances that compete is solved exactly as an assignment problem.

    precision = TP / (TP + FP)      recall = TP / (TP + FN)      F1 = 2 TP / (2 TP + FP + FN)
    SQ = mean IoU of the matched pairs at 0.5 (segmentation quality, Kirillov et al. 2019)

Counts are summed over images before they are divided. Where there is neither truth nor prediction,
everything is as it should be: precision, recall and F1 are 1. SQ without a match is 0.
"""

from __future__ import annotations

from collections.abc import Iterable
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
class Score:
    """Agreement over a set of images.

    Attributes
    ----------
    thresholds
        IoU thresholds.
    true_positives, false_positives, false_negatives
        int64, one a threshold, summed over the images.
    precision, recall, f1
        float64, one a threshold.
    mean_f1
        Mean of F1 over the thresholds from 0.5 to 0.9.
    sq
        Mean IoU of the pairs matched at 0.5.
    """

    thresholds: npt.NDArray[np.float64]
    true_positives: npt.NDArray[np.int64]
    false_positives: npt.NDArray[np.int64]
    false_negatives: npt.NDArray[np.int64]
    precision: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]
    f1: npt.NDArray[np.float64]
    mean_f1: float
    sq: float


@dataclass(frozen=True)
class _Overlaps:
    """Pairs of instances with a common pixel, and their IoU."""

    truth: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    iou: npt.NDArray[np.float64]
    truth_count: int
    predicted_count: int


def match(truth: Labels, predicted: Labels, iou: float = 0.5) -> Match:
    """Match the instances of two label images one to one.

    Parameters
    ----------
    truth, predicted
        Integer label images of one shape, 0 = background.
    iou
        Least intersection over union of a pair.
    """
    return _match(_overlaps(truth, predicted), iou)


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
    levels = np.array(list(thresholds), np.float64)
    counts = np.zeros((3, len(levels)), np.int64)
    matched: list[npt.NDArray[np.float64]] = []
    for truth, predicted in zip(truths, predictions, strict=True):
        overlaps = _overlaps(truth, predicted)
        matched.append(_match(overlaps, 0.5).iou)
        for column, level in enumerate(levels):
            found = _match(overlaps, float(level))
            counts[:, column] += (
                found.true_positives,
                found.false_positives,
                found.false_negatives,
            )
    tp, fp, fn = counts
    f1 = _ratio(2 * tp, 2 * tp + fp + fn)
    ious = np.concatenate(matched) if matched else np.empty(0)
    averaged = (levels >= 0.5 - 1e-9) & (levels <= MEAN_UP_TO + 1e-9)
    return Score(
        levels,
        tp,
        fp,
        fn,
        precision=_ratio(tp, tp + fp, fn),
        recall=_ratio(tp, tp + fn, fp),
        f1=f1,
        mean_f1=float(f1[averaged].mean()) if averaged.any() else float("nan"),
        sq=float(ious.mean()) if len(ious) else 0.0,
    )


def _ratio(
    part: npt.NDArray[np.int64],
    whole: npt.NDArray[np.int64],
    missed: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.float64]:
    """`part` / `whole`; where `whole` is 0: 1 if nothing was `missed` either, else 0."""
    empty = np.ones(len(part)) if missed is None else (missed == 0).astype(np.float64)
    return np.where(whole > 0, part / np.maximum(whole, 1), empty)


def _overlaps(truth: Labels, predicted: Labels) -> _Overlaps:
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
    return _Overlaps(truth_labels[i - 1], predicted_labels[j - 1], iou, n, m)


def _number(labels: Labels) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Labels that occur, without 0, and the image, flat, with their numbers from 1."""
    found, number = np.unique(labels, return_inverse=True)
    number = number.ravel().astype(np.int64)
    if len(found) and found[0] == 0:
        return found[1:].astype(np.int64), number
    return found.astype(np.int64), number + 1


def _match(overlaps: _Overlaps, level: float) -> Match:
    eligible = overlaps.iou >= level
    truth, predicted = overlaps.truth[eligible], overlaps.predicted[eligible]
    iou = overlaps.iou[eligible]
    chosen = _assign(truth, predicted, iou)
    return Match(
        truth[chosen],
        predicted[chosen],
        iou[chosen],
        overlaps.truth_count,
        overlaps.predicted_count,
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
