"""An exact k-d tree, searched leaf by leaf, whose ties are decided: the lower index is nearer.

Libraries leave the choice among equally near points to the order of their search. Here the order
of neighbours is (squared distance, index), which makes the nearest neighbours of a point one
definite set, also on lattices and among coincident points.

A balanced tree (Friedman, Bentley & Finkel 1977, doi:10.1145/355744.355745) adapts to any density.
Its points lie in the order of its leaves, so that near points are near in memory, and all points
of a leaf are searched for together: they share the walk through the tree. The walk begins at the
leaf itself and climbs, so that the nearest candidates come first. Each node keeps the lowest index
below it: branches which can only tie with a higher index are skipped, and many coincident points
cost no more than others.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from vitrail.parallel import threaded

# Most points of a leaf.
LEAF = 16
# Below so many points a tree is grown by one thread; larger ones in this many branches.
BRANCHED = 50_000
BRANCH_LEVELS = 4


class Tree(NamedTuple):
    """Balanced tree in heap order: the children of node i are 2 i + 1 and 2 i + 2.

    The leaves are the last level; half of all nodes, from left to right.
    """

    points: npt.NDArray[np.float64]  # (d, n), in the order of the leaves
    row: npt.NDArray[np.int32]  # (n,) rows of the caller's array, in the order of the leaves
    start: npt.NDArray[np.int64]  # (nodes,) first point of a node; it ends at `end`
    end: npt.NDArray[np.int64]
    low: npt.NDArray[np.float64]  # (nodes, d) tight boxes
    high: npt.NDArray[np.float64]
    lowest: npt.NDArray[np.int64]  # (nodes,) lowest row below a node


def grow(xy: npt.NDArray[np.float64], threads: int | None = None) -> Tree:
    """Tree over the rows of `xy` (n, d) float64, n at least 1; the same for any `threads`."""
    n, d = xy.shape
    levels = max(0, int(np.ceil(np.log2(max(1.0, n / LEAF)))))
    nodes = 2 ** (levels + 1) - 1
    tree = Tree(
        np.ascontiguousarray(xy.T),
        np.arange(n, dtype=np.int32),
        np.zeros(nodes, np.int64),
        np.zeros(nodes, np.int64),
        np.empty((nodes, d)),
        np.empty((nodes, d)),
        np.empty(nodes, np.int64),
    )
    tree.end[0] = n
    if n > BRANCHED:
        for level in range(BRANCH_LEVELS):
            branches = list(range(2**level - 1, 2 ** (level + 1) - 1))
            depth = 1 if level < BRANCH_LEVELS - 1 else levels + 1
            threaded(partial(_branch, tree, depth), branches, threads)
    else:
        _grow(*tree, 0, levels + 1)
    return tree


def _branch(tree: Tree, depth: int, node: int) -> None:
    _grow(*tree, node, depth)


def leaves(tree: Tree) -> tuple[int, int]:
    """First leaf, and the node behind the last."""
    return len(tree.start) // 2, len(tree.start)


@njit(cache=True, nogil=True)
def _grow(
    points: Any, row: Any, start: Any, end: Any, low: Any, high: Any, lowest: Any,
    node: int, depth: int,
) -> None:  # fmt: skip
    """Boxes and lowest rows of so many levels below `node`, and the order of their points."""
    nodes = start.size
    first, last = node, node + 1
    for _ in range(depth):
        if first >= nodes:
            return
        for i in range(first, last):
            a, b = start[i], end[i]
            least = row.size
            for p in range(a, b):
                least = min(least, row[p])
            lowest[i] = least
            widest, width = 0, -1.0
            for j in range(points.shape[0]):
                below, above = np.inf, -np.inf
                for p in range(a, b):
                    value = points[j, p]
                    below = value if value < below else below
                    above = value if value > above else above
                low[i, j], high[i, j] = below, above
                if above - below > width:
                    widest, width = j, above - below
            child = 2 * i + 1
            if child < nodes:
                middle = (a + b) // 2
                if b > a:
                    _select(points, row, a, b - 1, middle, widest)
                start[child], end[child] = a, middle
                start[child + 1], end[child + 1] = middle, b
        first, last = 2 * first + 1, 2 * last + 1


@njit(cache=True, nogil=True)
def _swap(points: Any, row: Any, i: int, j: int) -> None:
    row[i], row[j] = row[j], row[i]
    for axis in range(points.shape[0]):
        points[axis, i], points[axis, j] = points[axis, j], points[axis, i]


@njit(cache=True, nogil=True)
def _before(points: Any, row: Any, i: int, j: int, axis: int) -> bool:
    """Strict total order, so that coincident points split like any others."""
    p, q = points[axis, i], points[axis, j]
    return p < q or (p == q and row[i] < row[j])


@njit(cache=True, nogil=True)
def _select(points: Any, row: Any, left: int, right: int, k: int, axis: int) -> None:
    """Order ``left, ..., right`` so far that position k holds what sorting would put there."""
    x, y = points[0], points[1]
    along = points[axis]
    while right > left:
        # Median of three to the end.
        middle = (left + right) // 2
        if _before(points, row, middle, left, axis):
            _swap(points, row, left, middle)
        if _before(points, row, right, left, axis):
            _swap(points, row, left, right)
        if _before(points, row, middle, right, axis):
            _swap(points, row, middle, right)
        value, number = along[right], row[right]
        edge = left
        for i in range(left, right):
            # Swapped whatever the comparison says: no branch that the processor could mispredict.
            before = (along[i] < value) | ((along[i] == value) & (row[i] < number))
            x[edge], x[i] = x[i], x[edge]
            y[edge], y[i] = y[i], y[edge]
            for j in range(2, points.shape[0]):
                points[j, edge], points[j, i] = points[j, i], points[j, edge]
            row[edge], row[i] = row[i], row[edge]
            edge += before
        _swap(points, row, edge, right)
        if k < edge:
            right = edge - 1
        elif k > edge:
            left = edge + 1
        else:
            return


@njit(cache=True, nogil=True)
def box_gap(low: Any, high: Any, node: int, below: Any, above: Any) -> float:
    """Squared distance of a node's box to another, summed in the order of the axes.

    Rounding is monotone, so the gap never exceeds the computed distance of two points in the boxes.
    """
    total = 0.0
    for j in range(below.size):
        step = max(low[node, j] - above[j], below[j] - high[node, j], 0.0)
        total += step * step
    return total


@njit(cache=True, nogil=True)
def nearest(
    points: Any, row: Any, start: Any, end: Any, low: Any, high: Any, lowest: Any,
    first: int, last: int, out: Any,
) -> None:  # fmt: skip
    """Nearest other points of the points at ``first, ..., last - 1`` in the order of the leaves.

    Writes their places in that order, nearest first, to ``out[place - first]``, int32.
    """
    d, n = points.shape
    k = out.shape[1]
    nodes = start.size
    leaf = nodes // 2 + np.searchsorted(end[nodes // 2 :], first, side="right")
    # Boxes of the points that are searched for together.
    below, above = np.empty(d), np.empty(d)
    best = np.empty((LEAF + 1, k))
    stack, gaps = np.empty(64, np.int64), np.empty(64)
    while leaf < nodes and start[leaf] < last:
        a, b = max(start[leaf], first), min(end[leaf], last)
        own = leaf
        leaf += 1
        if a == b:
            continue
        for j in range(d):
            below[j], above[j] = points[j, a:b].min(), points[j, a:b].max()
        best[:] = np.inf
        out[a - first : b - first] = n
        # The farthest of all kept neighbours, and the highest row at that distance.
        worst, worst_row = np.inf, np.int64(n)
        node = own
        stack[0], gaps[0] = own, 0.0
        while True:
            height = 1
            while height:
                height -= 1
                at, gap = stack[height], gaps[height]
                if gap > worst or (gap == worst and lowest[at] > worst_row):
                    continue
                child = 2 * at + 1
                if child < nodes:
                    one = box_gap(low, high, child, below, above)
                    other = box_gap(low, high, child + 1, below, above)
                    swap = other < one or (other == one and lowest[child + 1] < lowest[child])
                    stack[height], gaps[height] = child + 1 - swap, max(one, other)
                    stack[height + 1], gaps[height + 1] = child + swap, min(one, other)
                    height += 2
                    continue
                _compare(points, row, start[at], end[at], low[at], high[at], a, b,
                         best, out[a - first : b - first])  # fmt: skip
                worst, worst_row = -1.0, np.int64(0)
                for i in range(b - a):
                    if best[i, k - 1] >= worst:
                        place = out[a - first + i, k - 1]
                        number = np.int64(n) if place == n else np.int64(row[place])
                        worst_row = number if best[i, k - 1] > worst else max(worst_row, number)
                        worst = best[i, k - 1]
            if node == 0:
                break
            stack[0] = node + 1 if node % 2 else node - 1
            gaps[0] = box_gap(low, high, stack[0], below, above)
            node = (node - 1) // 2


@njit(cache=True, nogil=True)
def _compare(
    points: Any, row: Any, s: int, e: int, low: Any, high: Any, a: int, b: int,
    best: Any, kept: Any,
) -> None:  # fmt: skip
    """Enter the points at ``s, ..., e - 1`` among the neighbours of those at ``a, ..., b - 1``."""
    d, n = points.shape
    k = kept.shape[1]
    x, y = points[0], points[1]
    for i in range(a, b):
        px, py = x[i], y[i]
        near, at = best[i - a], kept[i - a]
        reach = near[k - 1]
        step = max(low[0] - px, px - high[0], 0.0)
        gap = step * step
        step = max(low[1] - py, py - high[1], 0.0)
        gap += step * step
        if gap > reach:
            continue
        for other in range(s, e):
            dx, dy = x[other] - px, y[other] - py
            distance = dx * dx + dy * dy
            for j in range(2, d):
                step = points[j, other] - points[j, i]
                distance += step * step
            if distance > reach or other == i:
                continue
            number = row[other]
            slot = k - 1
            if distance == reach and at[slot] < n and number > row[at[slot]]:
                continue
            while slot > 0 and (
                near[slot - 1] > distance
                or (near[slot - 1] == distance and row[at[slot - 1]] > number)
            ):
                near[slot], at[slot] = near[slot - 1], at[slot - 1]
                slot -= 1
            near[slot], at[slot] = distance, other
            reach = near[k - 1]


@njit(cache=True, nogil=True)
def within(
    points: Any, row: Any, start: Any, end: Any, low: Any, high: Any, lowest: Any,
    reach: float, first: int, last: int, offset: Any, out: Any,
) -> None:  # fmt: skip
    """Points within a squared distance `reach` of each point of the leaves ``first:last``.

    With an empty `out` their number is added to ``offset[row + 1]``; else their rows are written
    to ``out[offset[row]:]``, sorted.
    """
    d = points.shape[0]
    nodes = start.size
    counting = out.size == 0
    x, y = points[0], points[1]
    stack = np.empty(64, np.int64)
    found = np.empty(LEAF + 1, np.int64)
    for leaf in range(first, last):
        a, b = start[leaf], end[leaf]
        if a == b:
            continue
        below, above = low[leaf], high[leaf]
        found[:] = 0
        stack[0] = 0
        height = 1
        while height:
            height -= 1
            node = stack[height]
            if box_gap(low, high, node, below, above) > reach:
                continue
            s, e = start[node], end[node]
            span = 0.0
            for j in range(d):
                step = max(high[node, j] - below[j], above[j] - low[node, j])
                span += step * step
            if span <= reach:
                # All of them are near: nothing to compare. A point is not its own neighbour.
                for i in range(a, b):
                    if counting:
                        found[i - a] += e - s - (s <= i < e)
                        continue
                    at = offset[row[i]] + found[i - a]
                    for other in range(s, e):
                        if other != i:
                            out[at] = row[other]
                            at += 1
                    found[i - a] = at - offset[row[i]]
                continue
            child = 2 * node + 1
            if child < nodes:
                stack[height] = child
                stack[height + 1] = child + 1
                height += 2
                continue
            for i in range(a, b):
                px, py = x[i], y[i]
                at = np.int64(0) if counting else offset[row[i]] + found[i - a]
                begin = at
                for other in range(s, e):
                    dx, dy = x[other] - px, y[other] - py
                    distance = dx * dx + dy * dy
                    for j in range(2, d):
                        step = points[j, other] - points[j, i]
                        distance += step * step
                    if distance <= reach and other != i:
                        if not counting:
                            out[at] = row[other]
                        at += 1
                found[i - a] += at - begin
        for i in range(a, b):
            if counting:
                offset[row[i] + 1] = found[i - a]
            else:
                out[offset[row[i]] : offset[row[i]] + found[i - a]].sort()
