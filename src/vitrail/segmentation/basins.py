"""Watershed by steepest ascent: every pixel climbs to a peak, shallow peaks join their neighbour.

Where a pixel goes depends on the pixels along its way alone, and ties follow the position, so a
basin is the same in every window that holds it. Flooding from a queue has no such bound.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Labels = npt.NDArray[np.int32]


def basins(
    height: npt.NDArray[np.float32], foreground: npt.NDArray[np.bool_], dynamics: float
) -> Labels:
    """Basins of the foreground, one for each peak that stands out.

    Parameters
    ----------
    height
        float32 (y, x).
    foreground
        bool (y, x); 8-connected pixels of it can share a basin.
    dynamics
        A peak is joined to the neighbour behind its highest saddle where the saddle reaches
        (1 - `dynamics`) of the lower peak's height.

    Returns
    -------
    int32 (y, x), 0 outside of the foreground; labels are numbered by the position of their highest
    peak, row-major.
    """
    peak_of = _climb(height, foreground)
    first, second, saddle, place = _saddles(height, peak_of)
    order = np.lexsort((place, -saddle))
    flat = height.ravel()
    _join(peak_of.ravel(), first[order], second[order], saddle[order], flat, dynamics)
    return _number(peak_of)


@njit(cache=True)
def _higher(height, a, b):  # type: ignore[no-untyped-def]
    """Whether flat pixel `a` is higher than `b`; the earlier pixel in a tie."""
    return height[a] > height[b] or (height[a] == height[b] and a < b)


@njit(cache=True)
def _climb(height, foreground):  # type: ignore[no-untyped-def]
    """Flat index of the peak that each foreground pixel climbs to, -1 outside: int64 (y, x)."""
    rows, columns = height.shape
    flat = height.ravel()
    up = np.full(rows * columns, -1, np.int64)
    for y in range(rows):
        for x in range(columns):
            if not foreground[y, x]:
                continue
            best = y * columns + x
            for v in range(max(y - 1, 0), min(y + 2, rows)):
                for u in range(max(x - 1, 0), min(x + 2, columns)):
                    if foreground[v, u] and _higher(flat, v * columns + u, best):
                        best = v * columns + u
            up[y * columns + x] = best
    for start in range(up.size):
        if up[start] < 0:
            continue
        peak = start
        while up[peak] != peak:
            peak = up[peak]
        at = start
        while up[at] != peak:
            up[at], at = peak, up[at]
    return up.reshape(rows, columns)


@njit(cache=True)
def _saddles(height, peak_of):  # type: ignore[no-untyped-def]
    """Highest pass between each pair of pixels that lie in different basins.

    Returns flat indices of the two peaks, the pass' height and the place of the pass.
    """
    rows, columns = height.shape
    count = 0
    for write in range(2):
        if write:
            first, second = np.empty(count, np.int64), np.empty(count, np.int64)
            saddle, place = np.empty(count, np.float32), np.empty(count, np.int64)
            count = 0
        for y in range(rows):
            for x in range(columns):
                a = peak_of[y, x]
                if a < 0:
                    continue
                for dy, dx in ((0, 1), (1, -1), (1, 0), (1, 1)):
                    v, u = y + dy, x + dx
                    if v >= rows or u < 0 or u >= columns:
                        continue
                    b = peak_of[v, u]
                    if b >= 0 and b != a:
                        if write:
                            first[count], second[count] = a, b
                            saddle[count] = min(height[y, x], height[v, u])
                            place[count] = (y * columns + x) * 4 + dx + 1 + dy
                        count += 1
    return first, second, saddle, place


@njit(cache=True)
def _root(parent, i):  # type: ignore[no-untyped-def]
    while parent[i] != i:
        i = parent[i]
    return i


@njit(cache=True)
def _join(parent, first, second, saddle, height, dynamics):  # type: ignore[no-untyped-def]
    """Join basins in place over the passes, highest first; the higher peak stands for both."""
    for k in range(first.size):
        a, b = _root(parent, first[k]), _root(parent, second[k])
        if a == b:
            continue
        low, high = (b, a) if _higher(height, a, b) else (a, b)
        if saddle[k] >= (1.0 - dynamics) * height[low]:
            parent[low] = high


@njit(cache=True)
def _number(peak_of):  # type: ignore[no-untyped-def]
    """Labels from peaks (with joined peaks pointing at their root), in the order of the peaks."""
    rows, columns = peak_of.shape
    flat = peak_of.ravel()
    number = np.zeros(flat.size, np.int32)
    count = 0
    for i in range(flat.size):
        if flat[i] == i:
            count += 1
            number[i] = count
    out = np.zeros(flat.size, np.int32)
    for i in range(flat.size):
        if flat[i] >= 0:
            out[i] = number[_root(flat, i)]
    return out.reshape(rows, columns)
