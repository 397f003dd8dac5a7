"""Count, for each of 512 bits, the rows that have it: carry-save adders on whole rows.

Bit p of each count is held in plane p, so that adding a row is a few instructions for all 512
counts. Rows come in eights through a tree of adders (Harley & Seal's counter in Muła, Kurz &
Lemire 2018, doi:10.1093/comjnl/bxx046). What an eight carries out waits until a second of its
weight is there: which planes wait is a binary counter, so no branch depends on the data.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from vitrail.portrait.bits import BITS, add, both, load, some, store, unlike

PLANES = 32
EIGHT = 8
ZERO = np.uint64(0)
ONE = np.uint64(1)


@njit(cache=True, nogil=True, error_model="numpy")
def count_eight(fresh: Any, planes: Any, waiting: Any, mask: int) -> int:
    """Add the eight rows of `fresh`; `mask` says which planes have a row of `waiting`."""
    ones, a = add(load(planes, 0), load(fresh, 0), load(fresh, 1))
    ones, b = add(ones, load(fresh, 2), load(fresh, 3))
    ones, c = add(ones, load(fresh, 4), load(fresh, 5))
    ones, d = add(ones, load(fresh, 6), load(fresh, 7))
    store(planes, 0, ones)
    twos, a = add(load(planes, 1), a, b)
    twos, b = add(twos, c, d)
    store(planes, 1, twos)
    fours, carry = add(load(planes, 2), a, b)
    store(planes, 2, fours)
    plane = 3
    while mask & (1 << plane):
        total, carry = add(load(planes, plane), load(waiting, plane), carry)
        store(planes, plane, total)
        mask ^= 1 << plane
        plane += 1
    store(waiting, plane, carry)
    return mask | (1 << plane)


@njit(cache=True, nogil=True, error_model="numpy")
def read_counts(planes: Any, waiting: Any, mask: int, counts: Any) -> None:
    """Write the counts of all bits to `counts` (BITS,) int32, and set the planes to 0."""
    used = 3
    for plane in range(3, PLANES):
        if mask & (1 << plane):
            carry = load(waiting, plane)
            place = plane
            while some(carry):
                held = load(planes, place)
                store(planes, place, unlike(held, carry))
                carry = both(held, carry)
                place += 1
            used = max(used, plane + 2, place)
    counts[:] = 0
    for plane in range(used):
        for word in range(BITS // 64):
            bits = planes[plane, word]
            planes[plane, word] = ZERO
            if bits != ZERO:
                for bit in range(64):
                    counts[64 * word + bit] += np.int32((bits >> np.uint64(bit)) & ONE) << plane
