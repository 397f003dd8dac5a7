"""Clusters of sinks: where many pixels end up, there is a cell."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from vitrail.parallel import spans, threaded

Pixels = npt.NDArray[np.int32]

LEAST_SEED = 10  # a seed is where more pixels than these end ...
PEAK = 2  # ... and at least as many as in each pixel up to this far away, along both axes
LEAST_MEMBER = 2  # a cluster grows over pixels where more than these end ...
GROWTH = 5  # ... by one pixel in each of so many rounds
ROWS = 64  # rows that a thread takes at once


def group(sink: Pixels, threads: int | None = None) -> int:
    """Replace the sinks of an image by the numbers of their clusters.

    A seed is a peak of the number of pixels that end in a pixel; its cluster grows from it over
    8-connected pixels in which some end. Where clusters meet, the pixel is that of the higher peak
    (of the first one in a tie). Numbers and rules are those of the cellpose package, version 3.

    Parameters
    ----------
    sink
        int32 (y, x) from `vitrail.segmentation.flow.follow.sinks`; afterwards labels from 1, in the
        order of their peaks, and 0 for no cluster.
    threads
        Number of threads.

    Returns
    -------
    Number of clusters.

    Notes
    -----
    Memory: 8 bytes a pixel beside `sink`.
    """
    ends = _count(sink)
    peak = _peaks(ends)
    height = ends.ravel()[peak]
    peak = peak[np.lexsort((-peak, height))]  # the last one painted stays: the highest, the first
    owner = np.zeros(sink.shape, np.int32)
    _grow(ends, peak, owner)
    pieces = spans(len(sink), -(-len(sink) // ROWS))
    threaded(lambda s: _look_up(owner, *s, sink), pieces, threads)
    return len(peak)


@njit(cache=True, nogil=True)
def _count(sink):  # type: ignore[no-untyped-def]
    """Number of pixels that end in each pixel: int32 (y, x)."""
    ends = np.zeros(sink.shape, np.int32)
    flat = ends.ravel()
    for y in range(sink.shape[0]):
        for x in range(sink.shape[1]):
            if sink[y, x] >= 0:
                flat[sink[y, x]] += 1
    return ends


@njit(cache=True, nogil=True)
def _peaks(ends):  # type: ignore[no-untyped-def]
    """Flat pixels that are seeds, in ascending order: int64."""
    height, width = ends.shape
    found = np.empty(64, np.int64)
    count = 0
    for y in range(height):
        for x in range(width):
            if ends[y, x] <= LEAST_SEED or not _is_peak(ends, y, x):
                continue
            if count == found.size:
                grown = np.empty(2 * count, np.int64)
                grown[:count] = found
                found = grown
            found[count] = y * width + x
            count += 1
    return found[:count].copy()


@njit(cache=True, nogil=True)
def _is_peak(ends, y, x):  # type: ignore[no-untyped-def]
    for row in range(max(y - PEAK, 0), min(y + PEAK + 1, ends.shape[0])):
        for column in range(max(x - PEAK, 0), min(x + PEAK + 1, ends.shape[1])):
            if ends[row, column] > ends[y, x]:
                return False
    return True


@njit(cache=True, nogil=True)
def _grow(ends, peak, owner):  # type: ignore[no-untyped-def]
    """Paint the cluster of each seed in turn over `owner`, as its place in `peak` + 1."""
    side = 2 * GROWTH + 1
    seen = np.zeros((side, side), np.int64)  # the seed that saw the pixel last
    queue = np.empty((side * side, 2), np.int64)
    for i in range(peak.size):
        top, left = peak[i] // ends.shape[1] - GROWTH, peak[i] % ends.shape[1] - GROWTH
        queue[0, 0], queue[0, 1] = GROWTH, GROWTH
        seen[GROWTH, GROWTH] = i + 1
        first, last = 0, 1
        for _ in range(GROWTH):
            end = last
            for q in range(first, end):
                last = _spread(ends, top, left, queue, q, last, seen, i + 1)
            first = end
        for q in range(last):
            owner[top + queue[q, 0], left + queue[q, 1]] = i + 1


@njit(cache=True, nogil=True)
def _spread(ends, top, left, queue, q, last, seen, number):  # type: ignore[no-untyped-def]
    """Append the members of the cluster around queue[q]; returns the new end of the queue."""
    for y in range(queue[q, 0] - 1, queue[q, 0] + 2):
        for x in range(queue[q, 1] - 1, queue[q, 1] + 2):
            row, column = top + y, left + x
            if not (0 <= row < ends.shape[0] and 0 <= column < ends.shape[1]):
                continue
            if seen[y, x] != number and ends[row, column] > LEAST_MEMBER:
                seen[y, x] = number
                queue[last, 0], queue[last, 1] = y, x
                last += 1
    return last


@njit(cache=True, nogil=True)
def _look_up(owner, start, stop, sink):  # type: ignore[no-untyped-def]
    flat = owner.ravel()
    for y in range(start, stop):
        for x in range(sink.shape[1]):
            sink[y, x] = flat[sink[y, x]] if sink[y, x] >= 0 else 0
