"""Orders of nodes in which nodes near each other in the graph or the plane stay together."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

BITS = 16


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
def search_order(indptr: Any, indices: Any) -> Any:
    """Nodes in breadth-first order, component by component from its lowest node."""
    n = indptr.size - 1
    order = np.empty(n, np.int64)
    seen = np.zeros(n, np.bool_)
    head = 0
    tail = 0
    for root in range(n):
        if seen[root]:
            continue
        seen[root] = True
        order[tail] = root
        tail += 1
        while head < tail:
            node = order[head]
            head += 1
            for edge in range(indptr[node], indptr[node + 1]):
                neighbour = indices[edge]
                if not seen[neighbour]:
                    seen[neighbour] = True
                    order[tail] = neighbour
                    tail += 1
    return order
