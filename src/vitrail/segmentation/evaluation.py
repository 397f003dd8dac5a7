"""Scores of a segmenter over a labelled set, with intervals from resampling its images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vitrail.segmentation.metrics import (
    THRESHOLDS,
    Counts,
    Labels,
    count,
    overlaps,
    summarise,
)
from vitrail.segmentation.precision import SIZES, Hits, combine, find_hits

BY_THRESHOLD = ("precision", "recall", "f1", "accuracy")
OVERALL = ("mean_f1", "sq", "pixel_iou")
LEVEL = 0.95  # of the intervals
COLUMNS = ("set", "metric", "threshold", "value", "low", "high", "images", "objects")
PRECISION_RESAMPLES = 200  # intervals of average precision take only so many: it is slow
Key = tuple[str, float | None]


class Measured(NamedTuple):
    """What one image says about a segmenter.

    Attributes
    ----------
    image
        Its name.
    set
        Name of the set that it is one of.
    counts
        Matches at the thresholds 0.50, 0.55, ... 0.95.
    hits
        For average precision: by size, one a threshold.
    """

    image: str
    set: str
    counts: Counts
    hits: Mapping[str, tuple[Hits, ...]]


def measure_image(
    image: str,
    name: str,
    truth: Labels,
    predicted: Labels,
    scores: npt.NDArray[Any] | None = None,
) -> Measured:
    """Compare one image's instances with the truth.

    Parameters
    ----------
    image, name
        Names of the image and of its set.
    truth, predicted
        Label images of one shape.
    scores
        How sure each predicted instance is, in the order of its labels.
    """
    pairs = overlaps(truth, predicted)
    hits = {
        size: tuple(find_hits(pairs, scores, size, level) for level in THRESHOLDS) for size in SIZES
    }
    return Measured(image, name, count(truth, predicted), hits)


def score_rows(
    measured: Sequence[Measured], resamples: int = 1000, seed: int = 1
) -> list[dict[str, Any]]:
    """Scores of each set, and of all images where there are several sets.

    Parameters
    ----------
    measured
        One entry an image.
    resamples
        Sets of as many images that are drawn with replacement for the intervals; 0: none.
    seed
        Of the draws.

    Returns
    -------
    One row a score: `set`, `metric`, `threshold`, `value`, `low` and `high` (95 % percentile
    interval of the resamples, Efron 1979), `images` and `objects` (true ones). What is not defined
    is None.
    Metrics: `precision`, `recall`, `f1` and `accuracy` by threshold; `mean_f1` (thresholds 0.5 to
    0.9), `sq`, `pixel_iou`; `ap` (COCO's, mean over the thresholds), `ap_50`, `ap_small`,
    `ap_medium` and `ap_large`, whose intervals are from the first 200 resamples. Objects are
    counted over all images of a set before anything is divided.
    """
    sets = list(dict.fromkeys(m.set for m in measured))
    groups = {name: [m for m in measured if m.set == name] for name in sets}
    if len(sets) > 1:
        groups["all"] = list(measured)
    rows = (row for name, group in groups.items() for row in _rows(name, group, resamples, seed))
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def _rows(
    name: str, group: Sequence[Measured], resamples: int, seed: int
) -> Iterator[tuple[Any, ...]]:
    drawn = np.random.default_rng(seed).integers(0, len(group), (resamples, len(group)))
    objects = sum(int(m.counts.objects[[0, 2], 0].sum()) for m in group)
    spread: dict[Key, list[float]] = {}
    for number, sample in enumerate(drawn):
        for key, value in _values([group[i] for i in sample], number < PRECISION_RESAMPLES):
            spread.setdefault(key, []).append(value)
    for key, value in _values(group):
        low, high = _interval(spread.get(key, []))
        metric, threshold = key
        yield name, metric, threshold, _known(value), low, high, len(group), objects


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def _interval(values: Sequence[float]) -> tuple[float | None, float | None]:
    known = [value for value in values if not np.isnan(value)]
    if not known:
        return None, None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _values(group: Sequence[Measured], precision: bool = True) -> Iterator[tuple[Key, float]]:
    """Every metric of a set of images, by name and threshold."""
    found = summarise([m.counts for m in group])
    for metric in BY_THRESHOLD:
        for threshold, value in zip(THRESHOLDS, getattr(found, metric), strict=True):
            yield (metric, threshold), float(value)
    for metric in OVERALL:
        yield (metric, None), float(getattr(found, metric))
    for size in SIZES if precision else ():
        levels = [combine([m.hits[size][i] for m in group]) for i in range(len(THRESHOLDS))]
        yield ("ap" if size == "all" else f"ap_{size}", None), float(np.mean(levels))
        if size == "all":
            yield ("ap_50", None), levels[0]
