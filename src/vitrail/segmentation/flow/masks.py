"""Labels from flows and probabilities: the last step of a segmenter of the Cellpose family."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from vitrail.errors import VitrailError
from vitrail.parallel import spans, threaded
from vitrail.segmentation.flow.check import flow_errors
from vitrail.segmentation.flow.clusters import group
from vitrail.segmentation.flow.follow import MOST_PIXELS, sinks
from vitrail.segmentation.flow.heat import extents
from vitrail.segmentation.flow.holes import fill_holes

Image = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]
Sides = tuple[bool, bool, bool, bool]

SLACK = 0.01  # what interpolation may add to a probability
ROWS = 64  # rows that a thread takes at once


def masks_from_flows(
    flow_y: npt.ArrayLike, flow_x: npt.ArrayLike, probability: npt.ArrayLike, **options: Any
) -> Labels:
    """Label image int32 (y, x) from flows and probabilities: see `masks_and_scores`."""
    return masks_and_scores(flow_y, flow_x, probability, **options)[0]


def masks_and_scores(
    flow_y: npt.ArrayLike,
    flow_x: npt.ArrayLike,
    probability: npt.ArrayLike,
    *,
    threshold: float = 0.5,
    steps: int = 200,
    flow_check: float | None = 0.4,
    cut_sides: Sides = (False, False, False, False),
    min_size_px: int = 15,
    max_size_px: int | None = None,
    scale: float = 1.0,
    logits: bool = False,
    threads: int | None = None,
) -> tuple[Labels, npt.NDArray[np.float32]]:
    """Cells and their scores from flows and probabilities.

    Each pixel of the foreground follows the flow; pixels that end in one place are a cell (Stringer
    et al. 2021, doi:10.1038/s41592-020-01018-x; rules and defaults of the cellpose package, version
    3, but for its largest size). Cells whose own flows differ from the given ones are left out,
    then holes are filled: what a cell encloses becomes part of it.

    Parameters
    ----------
    flow_y, flow_x
        (y, x), direction towards the centre: `scale` times unit vectors, as `flow_targets` gives.
    probability
        (y, x), that a pixel belongs to a cell: 0 to 1, or logits with `logits`.
    threshold
        The foreground is where the probability is above this, also with `logits`: 0.5 is logit 0.
    steps
        Number of steps, each as long as the flow, at most one pixel a step for unit vectors. 0 or
        more; cells that reach further than this from their centre break up.
    flow_check
        Largest mean squared difference between the given unit flows and those of the mask; None
        for no check.
    cut_sides
        Of top, left, bottom and right, where the image's border cuts through cells: the cells there
        are not checked. Their flow points to the centre of the whole cell, and that of the part
        that is seen lies elsewhere.
    min_size_px
        Smaller cells are left out, before and after holes are filled.
    max_size_px
        Larger cells are left out, before holes are filled; None for no limit.
    scale
        Length of the given flows: 5 for the outputs of Cellpose's networks.
    logits
        Whether `probability` holds logits.
    threads
        Number of threads; the result does not depend on it.

    Returns
    -------
    labels : int32 (y, x)
        0 is background; cells are numbered from 1 by their first pixel in row-major order.
    scores : float32 (n,)
        Mean probability of each cell's pixels, 0 to 1.

    Raises
    ------
    VitrailError
        Where shapes differ, values are not finite, probabilities lie outside 0 to 1, or the image
        has more than 2**30 pixels.

    Notes
    -----
    Memory: 12 bytes a pixel at the peak, the labels included, beside the given images (which are
    copied where they are not contiguous float32).
    """
    images = _checked(flow_y, flow_x, probability, logits)
    _check_settings(threshold, steps, scale)
    least = np.log(threshold / (1 - threshold)) if logits else threshold
    labels = sinks(*images, float(np.float32(least)), scale, steps, threads)
    count = group(labels, threads)
    where = extents(labels, count)
    keep = where.area >= max(min_size_px, 1)
    if max_size_px is not None:
        keep &= where.area <= max_size_px
    count = _select(labels, keep, threads)
    if flow_check is not None:
        where = extents(labels, count)
        keep = flow_errors(labels, where, *images[:2], scale, threads) <= flow_check
        keep |= _touching(where.box, labels.shape, cut_sides)
        count = _select(labels, keep, threads)
    where = extents(labels, count)
    fill_holes(labels, where, threads)
    where = extents(labels, count)
    _select(labels, where.area >= max(min_size_px, 1), threads)
    return _in_order(labels, images[2], logits, threads)


def _checked(
    flow_y: npt.ArrayLike, flow_x: npt.ArrayLike, probability: npt.ArrayLike, logits: bool
) -> tuple[Image, Image, Image]:
    images = [np.ascontiguousarray(image, np.float32) for image in (flow_y, flow_x, probability)]
    shapes = [image.shape for image in images]
    if len(set(shapes)) > 1 or images[2].ndim != 2 or images[2].size > MOST_PIXELS:
        raise VitrailError(
            f"flow_y, flow_x and probability have the shapes {shapes}; wanted: one shape (y, x) of "
            f"at most {MOST_PIXELS} pixels"
        )
    low, high = images[2].min(initial=0.5), images[2].max(initial=0.5)
    within = not (np.isnan(low) or np.isnan(high))
    if not within or (not logits and not -SLACK <= low <= high <= 1 + SLACK):
        raise VitrailError(
            f"probability runs from {low} to {high}; wanted: numbers from 0 to 1, or logits with "
            "logits=True"
        )
    return images[0], images[1], images[2]


def _check_settings(threshold: float, steps: int, scale: float) -> None:
    if not 0 < threshold < 1:
        raise VitrailError(f"threshold is {threshold}; wanted: a probability between 0 and 1")
    if steps < 0 or scale <= 0:
        raise VitrailError(
            f"steps is {steps} and scale is {scale}; wanted: steps of 0 or more and a scale above 0"
        )


def _touching(
    box: npt.NDArray[np.int64], shape: tuple[int, ...], sides: Sides
) -> npt.NDArray[np.bool_]:
    """Which extents (first row and column, and those after the last) touch one of the sides."""
    at = np.column_stack([box[:, :2] == 0, box[:, 2:] == shape])
    return np.asarray((at & np.array(sides)).any(axis=1))


def _select(labels: Labels, keep: npt.NDArray[np.bool_], threads: int | None) -> int:
    """Remove labels in place, number those that stay from 1 in their order; returns how many."""
    number = np.zeros(len(keep) + 1, np.int32)
    number[1:][keep] = np.arange(1, keep.sum() + 1)
    if not keep.all():
        _renumber(labels, number, threads)
    return int(keep.sum())


def _in_order(
    labels: Labels, probability: Image, logits: bool, threads: int | None
) -> tuple[Labels, npt.NDArray[np.float32]]:
    """Labels numbered by their first pixels, and their mean probabilities."""
    count = int(labels.max(initial=0))
    first, area, total = _measure(labels, probability, count, logits)
    order = np.argsort(first, kind="stable")
    number = np.zeros(count + 1, np.int32)
    number[1:][order] = np.arange(1, count + 1)
    _renumber(labels, number, threads)
    return labels, (total[order] / area[order]).astype(np.float32)


@njit(cache=True, nogil=True)
def _measure(labels, probability, count, logits):  # type: ignore[no-untyped-def]
    """First pixel, area and sum of probabilities of labels 1 to `count`."""
    first, area = np.zeros(count, np.int64), np.zeros(count, np.int64)
    total = np.zeros(count)
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            i = labels[y, x] - 1
            if i < 0:
                continue
            if area[i] == 0:
                first[i] = y * labels.shape[1] + x
            area[i] += 1
            p = np.float64(probability[y, x])
            total[i] += 1 / (1 + np.exp(-p)) if logits else min(max(p, 0.0), 1.0)
    return first, area, total


def _renumber(labels: Labels, number: npt.NDArray[np.int32], threads: int | None) -> None:
    pieces = spans(len(labels), -(-len(labels) // ROWS))
    threaded(lambda s: _apply(labels, number, *s), pieces, threads)


@njit(cache=True, nogil=True)
def _apply(labels, number, start, stop):  # type: ignore[no-untyped-def]
    for y in range(start, stop):
        for x in range(labels.shape[1]):
            labels[y, x] = number[labels[y, x]]
