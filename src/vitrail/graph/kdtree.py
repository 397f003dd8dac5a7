"""An exact k-d tree whose ties are decided: of two equally near points the lower index is nearer.

Libraries leave the choice among equally near points to the order of their search. Here the order
of neighbours is (squared distance, index), which makes the nearest neighbours of a point one
definite set, also on lattices and among coincident points. Each node keeps the lowest index below
it, so that branches which can only tie with a higher index are skipped: many coincident points
cost no more than others. Friedman, Bentley & Finkel 1977, doi:10.1145/355744.355745.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

LEAF = 10


class Tree(NamedTuple):
    """Balanced tree in heap order: the children of node i are 2 i + 1 and 2 i + 2."""

    points: npt.NDArray[np.float64]  # (n, d), in the order of the leaves
    row: npt.NDArray[np.int64]  # (n,) rows of the caller's array, in the order of the leaves
    start: npt.NDArray[np.int64]  # (nodes + 1,) first point of a node; a node ends at `end`
    end: npt.NDArray[np.int64]
    low: npt.NDArray[np.float64]  # (nodes, d) tight boxes
    high: npt.NDArray[np.float64]
    lowest: npt.NDArray[np.int64]  # (nodes,) lowest row below a node


def grow(xy: npt.NDArray[np.float64]) -> Tree:
    """Tree over the rows of `xy` (n, d) float64, n at least 1."""
    levels = max(0, int(np.ceil(np.log2(max(1.0, len(xy) / LEAF)))))
    row = np.arange(len(xy))
    parts = _grow(xy, row, 2 ** (levels + 1) - 1)
    return Tree(xy[row], row, *parts)


@njit(cache=True, nogil=True)
def _grow(xy: Any, index: Any, nodes: int) -> Any:
    """Order `index` by the leaves; boxes and lowest rows of the nodes."""
    n, d = xy.shape
    start = np.zeros(nodes, np.int64)
    end = np.zeros(nodes, np.int64)
    low = np.empty((nodes, d))
    high = np.empty((nodes, d))
    lowest = np.empty(nodes, np.int64)
    end[0] = n
    for node in range(nodes):
        a, b = start[node], end[node]
        lowest[node] = n
        for j in range(d):
            low[node, j] = np.inf
            high[node, j] = -np.inf
        for i in range(a, b):
            row = index[i]
            lowest[node] = min(lowest[node], row)
            for j in range(d):
                low[node, j] = min(low[node, j], xy[row, j])
                high[node, j] = max(high[node, j], xy[row, j])
        child = 2 * node + 1
        if child < nodes:
            widest = 0
            for j in range(1, d):
                if high[node, j] - low[node, j] > high[node, widest] - low[node, widest]:
                    widest = j
            middle = (a + b) // 2
            if b > a:
                _select(xy, index, a, b - 1, middle, widest)
            start[child], end[child] = a, middle
            start[child + 1], end[child + 1] = middle, b
    return start, end, low, high, lowest


@njit(cache=True, nogil=True)
def _before(xy: Any, p: int, q: int, axis: int) -> bool:
    """Strict total order, so that coincident points split like any others."""
    return xy[p, axis] < xy[q, axis] or (xy[p, axis] == xy[q, axis] and p < q)


@njit(cache=True, nogil=True)
def _select(xy: Any, index: Any, left: int, right: int, k: int, axis: int) -> None:
    """Order ``index[left:right + 1]`` so far that position k holds what sorting would put there."""
    while right > left:
        pivot = index[(left + right) // 2]
        i, j = left, right
        while i <= j:
            while _before(xy, index[i], pivot, axis):
                i += 1
            while _before(xy, pivot, index[j], axis):
                j -= 1
            if i <= j:
                index[i], index[j] = index[j], index[i]
                i += 1
                j -= 1
        if k <= j:
            right = j
        elif k >= i:
            left = i
        else:
            return


@njit(cache=True, nogil=True)
def _gap(low: Any, high: Any, node: int, point: Any) -> float:
    """Squared distance of a point to a node's box, summed in the order of the axes.

    Rounding is monotone, so the gap never exceeds the computed distance to a point in the box.
    """
    total = 0.0
    for j in range(point.size):
        step = max(low[node, j] - point[j], point[j] - high[node, j], 0.0)
        total += step * step
    return total


@njit(cache=True, nogil=True)
def nearest(
    points: Any, index: Any, start: Any, end: Any, low: Any, high: Any, lowest: Any,
    first: int, last: int, out: Any,
) -> None:  # fmt: skip
    """Write the nearest other points of ``points[first:last]`` to the rows of `out` (n, k)."""
    k = out.shape[1]
    nodes = start.size
    best = np.empty(k)
    best_index = np.empty(k, np.int64)
    stack = np.empty(64, np.int64)
    for i in range(first, last):
        point = points[i]
        best[:] = np.inf
        best_index[:] = index.size
        stack[0] = 0
        height = 1
        while height:
            height -= 1
            node = stack[height]
            gap = _gap(low, high, node, point)
            if gap > best[k - 1] or (gap == best[k - 1] and lowest[node] > best_index[k - 1]):
                continue
            child = 2 * node + 1
            if child < nodes:
                near = child
                if _gap(low, high, child + 1, point) < _gap(low, high, child, point):
                    near = child + 1
                stack[height] = 2 * child + 1 - near
                stack[height + 1] = near
                height += 2
                continue
            for other in range(start[node], end[node]):
                if other == i:
                    continue
                distance = 0.0
                for j in range(point.size):
                    step = points[other, j] - point[j]
                    distance += step * step
                row = index[other]
                slot = k - 1
                if distance > best[slot] or (distance == best[slot] and row > best_index[slot]):
                    continue
                while slot > 0 and (
                    best[slot - 1] > distance
                    or (best[slot - 1] == distance and best_index[slot - 1] > row)
                ):
                    best[slot] = best[slot - 1]
                    best_index[slot] = best_index[slot - 1]
                    slot -= 1
                best[slot] = distance
                best_index[slot] = row
        for slot in range(k):
            out[index[i], slot] = best_index[slot]


@njit(cache=True, nogil=True)
def within(
    points: Any, index: Any, start: Any, end: Any, low: Any, high: Any,
    reach: float, first: int, last: int, offset: Any, out: Any,
) -> None:  # fmt: skip
    """Points within a squared distance `reach`, of each of ``points[first:last]``.

    With an empty `out` their number is added to ``offset[row + 1]``; else their rows are written
    to ``out[offset[row]:]``.
    """
    nodes = start.size
    counting = out.size == 0
    stack = np.empty(64, np.int64)
    for i in range(first, last):
        point = points[i]
        found = 0
        begin = offset[index[i]]
        stack[0] = 0
        height = 1
        while height:
            height -= 1
            node = stack[height]
            if _gap(low, high, node, point) > reach:
                continue
            child = 2 * node + 1
            if child < nodes:
                stack[height] = child
                stack[height + 1] = child + 1
                height += 2
                continue
            for other in range(start[node], end[node]):
                distance = 0.0
                for j in range(point.size):
                    step = points[other, j] - point[j]
                    distance += step * step
                if distance <= reach and other != i:
                    if not counting:
                        out[begin + found] = index[other]
                    found += 1
        if counting:
            offset[index[i] + 1] = found
        else:
            out[begin : begin + found].sort()
