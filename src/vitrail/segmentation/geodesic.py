"""Nearest seed along the cheapest path: cells bounded by a membrane stain."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

STRAIGHT, DIAGONAL = 10, 14  # cost of a step across a pixel without resistance
Labels = npt.NDArray[np.int32]


@njit(cache=True)
def nearest_seed(labels, resistance, limit):  # type: ignore[no-untyped-def]
    """Label of the seed from which each pixel is reached at the least cost.

    Costs are integers, so that the order of sums does not matter; the smaller label wins a tie.
    Pixels are settled in the order of their cost, from one bucket a cost (Dial 1969).

    Parameters
    ----------
    labels
        int32 (y, x), seeds.
    resistance
        uint8 (y, x): entering a pixel costs 10 (diagonally 14) times 1 + resistance / 16.
    limit
        Largest cost of a path; a pixel without resistance costs 10.

    Returns
    -------
    int32 (y, x), 0 where no seed is within `limit`.
    """
    rows, columns = labels.shape
    far = np.int32(limit + 1)
    cost = np.full((rows, columns), far, np.int32)
    out = labels.copy()
    buckets = 14 * (16 + 255) // 16 + 2  # no step costs more
    head = np.full(buckets, -1, np.int64)
    # A pixel can wait once for each of its eight neighbours and once as a seed.
    link, pixel = np.empty(1024, np.int64), np.empty(1024, np.int64)
    used = waiting = 0
    for y in range(rows):
        for x in range(columns):
            if labels[y, x] > 0:
                cost[y, x] = 0
                if used == link.size:
                    link, pixel = _double(link), _double(pixel)
                pixel[used], link[used], head[0] = y * columns + x, head[0], used
                used += 1
                waiting += 1
    now = 0
    while waiting > 0:
        bucket = now % buckets
        while head[bucket] >= 0:
            entry = head[bucket]
            head[bucket] = link[entry]
            waiting -= 1
            y, x = pixel[entry] // columns, pixel[entry] % columns
            if cost[y, x] != now:
                continue
            for v in range(max(y - 1, 0), min(y + 2, rows)):
                for u in range(max(x - 1, 0), min(x + 2, columns)):
                    step = STRAIGHT if v == y or u == x else DIAGONAL
                    new = now + step * (16 + np.int64(resistance[v, u])) // 16
                    if (v == y and u == x) or new > limit or labels[v, u] > 0:
                        continue
                    if new < cost[v, u]:
                        cost[v, u], out[v, u] = new, out[y, x]
                        if used == link.size:
                            link, pixel = _double(link), _double(pixel)
                        target = new % buckets
                        pixel[used], link[used] = v * columns + u, head[target]
                        head[target] = used
                        used += 1
                        waiting += 1
                    elif new == cost[v, u] and out[y, x] < out[v, u]:
                        out[v, u] = out[y, x]
        now += 1
    return out


@njit(cache=True)
def _double(values):  # type: ignore[no-untyped-def]
    grown = np.empty(2 * values.size, values.dtype)
    grown[: values.size] = values
    return grown
