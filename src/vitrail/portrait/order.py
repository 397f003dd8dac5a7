"""Orders of nodes in which nodes near each other in the plane or the graph stay together."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

BITS = 16
# Nodes whose distances to all others serve as coordinates of a graph that has none.
PIVOTS = 6
# Smallest piece that is still cut.
LEAF = 32


def hilbert_order(xy: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Rows of `xy` (n, 2) along a Hilbert curve of 2^16 steps a side; ties in row order."""
    if not len(xy):
        return np.zeros(0, np.int64)
    shifted = xy[:, :2] - xy[:, :2].min(axis=0)
    extent = float(shifted.max())
    if extent == 0.0:
        return np.arange(len(xy))
    # Divided first: the inverse of a tiny extent is not a number.
    steps = (shifted / extent * (2**BITS - 1)).astype(np.int64)
    return np.argsort(_hilbert(steps), kind="stable")


@njit(cache=True, nogil=True)
def _hilbert(steps: Any) -> Any:
    """Position along the curve; Hamilton & Rau-Chaplin's rotation, two dimensions."""
    out = np.empty(len(steps), np.int64)
    for i in range(len(steps)):
        x, y = steps[i, 0], steps[i, 1]
        along = 0
        side = 1 << (BITS - 1)
        while side > 0:
            right = 1 if x & side else 0
            upper = 1 if y & side else 0
            along += side * side * ((3 * right) ^ upper)
            x &= side - 1
            y &= side - 1
            if upper == 0:
                if right == 1:
                    x = side - 1 - x
                    y = side - 1 - y
                x, y = y, x
            side >>= 1
        out[i] = along
    return out


@njit(cache=True, nogil=True)
def block_order(indptr: Any, indices: Any, block: int) -> Any:
    """Nodes component by component, and within one in compact pieces.

    A component is cut in half again and again, across the coordinate in which the piece is
    longest. The coordinates of a node are its distances in the graph to a few nodes far from each
    other, so no positions are needed. Cuts fall on multiples of `block`: each block of
    consecutive nodes is compact.

    Parameters
    ----------
    indptr, indices
        Symmetric graph in CSR form, int64 and int32.
    block
        Nodes of a block.

    Returns
    -------
    order
        int32 (n,): the nodes.
    bounds
        int64 (components + 1,): where each component begins in `order`.
    """
    n = indptr.size - 1
    order = np.empty(n, np.int32)
    bounds = np.zeros(n + 1, np.int64)
    place = np.full((n, PIVOTS), -1, np.int32)
    queue = np.empty(n, np.int32)
    components = 0
    filled = 0
    for root in range(n):
        if place[root, 0] >= 0:
            continue
        size = _measure(indptr, indices, root, place, 0, queue)
        begin, filled = filled, filled + size
        order[begin:filled] = queue[:size]
        if size > LEAF:
            _spread_pivots(indptr, indices, order[begin:filled], place, queue)
            _cut(order, begin, filled, place, block)
        components += 1
        bounds[components] = filled
    return order, bounds[: components + 1].copy()


@njit(cache=True, nogil=True)
def _measure(indptr: Any, indices: Any, source: int, place: Any, axis: int, queue: Any) -> int:
    """Distances from `source` to its component, into one axis of `place`; the component's size."""
    place[source, axis] = 0
    queue[0] = source
    head, tail = 0, 1
    while head < tail:
        node = queue[head]
        head += 1
        for edge in range(indptr[node], indptr[node + 1]):
            other = indices[edge]
            if place[other, axis] < 0:
                place[other, axis] = place[node, axis] + 1
                queue[tail] = other
                tail += 1
    return tail


@njit(cache=True, nogil=True)
def _spread_pivots(indptr: Any, indices: Any, nodes: Any, place: Any, queue: Any) -> None:
    """Distances to pivots, each the node that is farthest from those before it."""
    # The first is the farthest from the root, which was only a way to get to it.
    pivot = nodes[-1]
    for node in nodes:
        place[node, 0] = -1
    for axis in range(PIVOTS):
        _measure(indptr, indices, pivot, place, axis, queue)
        farthest = -1
        for node in nodes:
            nearest = place[node, 0]
            for other in range(1, axis + 1):
                nearest = min(nearest, place[node, other])
            if nearest > farthest:
                farthest = nearest
                pivot = node


@njit(cache=True, nogil=True)
def _cut(order: Any, begin: int, end: int, place: Any, block: int) -> None:
    stack = np.empty((128, 2), np.int64)
    stack[0, 0], stack[0, 1] = begin, end
    depth = 1
    while depth:
        depth -= 1
        begin, end = stack[depth, 0], stack[depth, 1]
        if end - begin <= LEAF:
            continue
        middle = (begin + end) // 2
        edge = (middle + block // 2) // block * block
        if begin < edge < end:
            middle = edge
        _select(order, begin, end, middle, place, _longest(order, begin, end, place))
        stack[depth, 0], stack[depth, 1] = begin, middle
        stack[depth + 1, 0], stack[depth + 1, 1] = middle, end
        depth += 2


@njit(cache=True, nogil=True)
def _longest(order: Any, begin: int, end: int, place: Any) -> int:
    low = place[order[begin]].copy()
    high = low.copy()
    for i in range(begin + 1, end):
        for axis in range(PIVOTS):
            value = place[order[i], axis]
            low[axis] = min(low[axis], value)
            high[axis] = max(high[axis], value)
    return int(np.argmax(high - low))


@njit(cache=True, nogil=True)
def _select(order: Any, begin: int, end: int, middle: int, place: Any, axis: int) -> None:
    """Bring the nodes with the smallest coordinates to ``order[begin:middle]`` (Hoare's FIND)."""
    low, high = begin, end - 1
    while low < high:
        pivot = place[order[(low + high) // 2], axis]
        i, j = low, high
        while i <= j:
            while place[order[i], axis] < pivot:
                i += 1
            while place[order[j], axis] > pivot:
                j -= 1
            if i <= j:
                order[i], order[j] = order[j], order[i]
                i += 1
                j -= 1
        if middle <= j:
            high = j
        elif middle >= i:
            low = i
        else:
            return
