"""Sizes of the shells around many nodes at once: bit-parallel breadth-first search.

One bit stands for one source, one row of 512 bits says from which sources a node has been reached.
At each level a node takes the union of its neighbours' rows (pull); what is new there is not kept,
only counted: bit by bit, the number of nodes whose row gained it is the size of that source's
shell. A node takes part from the level before its first bit to the level after its last, so the
work is in proportion to the levels over which the bits of a batch arrive: sources that are near
each other make it fast, and do not change the result. Then et al. 2014,
doi:10.14778/2735496.2735507 (search from many sources).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from vitrail.portrait.bits import BITS, either, load, lowest, none, rows, some, store, unlike
from vitrail.portrait.counter import EIGHT, ONE, PLANES, ZERO, count_eight, read_counts
from vitrail.portrait.divergence import SHIFT


class Scratch(NamedTuple):
    """Room that the searches of one thread share; all 0 between two searches.

    Attributes
    ----------
    reached, next_reached
        Row of each node, at this level and at the next.
    wanted
        For each component with sources, the row of all of them.
    slot
        int32: row of `wanted` of each component.
    active, touched
        Bit of each node that takes part, and of each that did.
    fresh, planes, waiting
        Rows of the counter, see `vitrail.portrait.counter`.
    """

    reached: Any
    next_reached: Any
    wanted: Any
    slot: Any
    active: Any
    touched: Any
    fresh: Any
    planes: Any
    waiting: Any


@njit(cache=True, nogil=True, error_model="numpy")
def shell_histogram(
    start: Any, neighbours: Any, component: Any, counted: Any, sources: Any, depth: int,
    first: int, step: int,
) -> Any:  # fmt: skip
    """Histogram of shell sizes of the sources in batches first, first + step, ...

    Parameters
    ----------
    start, neighbours, component
        The graph, as in `vitrail.portrait.network.Network`.
    counted
        uint8 (n,): 1 for nodes that count in a shell, 0 for those that are only walked through.
    sources
        Nodes (int64, increasing) to search from.
    depth
        Last level that is counted.
    first, step
        Which batches of `BITS` consecutive sources.

    Returns
    -------
    offset, histogram
        ``histogram[offset[l] + k]`` is the number of sources with k > 0 nodes at distance l.
    """
    scratch = _scratch(start.size - 1, component[-1] + 1)
    sizes = np.zeros((64, BITS), np.int32)
    offset = np.zeros(2, np.int64)
    histogram = np.zeros(0, np.int32)
    for batch in range(first, (sources.size + BITS - 1) // BITS, step):
        own = sources[batch * BITS : (batch + 1) * BITS]
        sizes, top = _search(start, neighbours, component, counted, own, depth, scratch, sizes)
        offset, histogram = _fit(offset, histogram, sizes, top, own.size)
        for level in range(top + 1):
            for source in range(own.size):
                if sizes[level, source] > 0:
                    histogram[offset[level] + sizes[level, source]] += 1
    return offset, histogram


@njit(cache=True, nogil=True, error_model="numpy")
def shell_list(
    start: Any, neighbours: Any, component: Any, counted: Any, sources: Any, depth: int,
    first: int, step: int,
) -> Any:  # fmt: skip
    """List of the shells of the sources in batches first, first + step, ...

    Parameters are those of `shell_histogram`.

    Returns
    -------
    source, key
        Source number `source` (int32) has ``key % 2^31`` > 0 nodes at distance ``key // 2^31``.
    """
    scratch = _scratch(start.size - 1, component[-1] + 1)
    sizes = np.zeros((64, BITS), np.int32)
    listed = np.empty(64 * BITS, np.int32)
    keys = np.empty(64 * BITS, np.int64)
    filled = 0
    for batch in range(first, (sources.size + BITS - 1) // BITS, step):
        own = sources[batch * BITS : (batch + 1) * BITS]
        sizes, top = _search(start, neighbours, component, counted, own, depth, scratch, sizes)
        while keys.size - filled < (top + 1) * BITS:
            listed = np.concatenate((listed, np.empty_like(listed)))
            keys = np.concatenate((keys, np.empty_like(keys)))
        for level in range(top + 1):
            for source in range(own.size):
                if sizes[level, source] > 0:
                    listed[filled] = batch * BITS + source
                    keys[filled] = level * SHIFT + sizes[level, source]
                    filled += 1
    return listed[:filled], keys[:filled]


@njit(cache=True, nogil=True)
def _scratch(n: int, components: int) -> Any:
    bits = (n + 63) // 64
    return Scratch(
        rows(n), rows(n), rows(BITS), np.zeros(components, np.int32), np.zeros(bits, np.uint64),
        np.zeros(bits, np.uint64), rows(EIGHT), rows(PLANES), rows(PLANES),
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def _search(
    start: Any, neighbours: Any, component: Any, counted: Any, sources: Any, depth: int,
    scratch: Any, sizes: Any,
) -> Any:  # fmt: skip
    """Search from at most `BITS` sources.

    Returns
    -------
    sizes, top
        int32 (levels, BITS): size of each source's shell at the levels up to `top`; the array
        that was given, or a longer one.
    """
    reached, next_reached, wanted, slot, active, touched, fresh, planes, waiting = scratch
    _begin(start, neighbours, component, sources, reached, wanted, slot, active, touched)
    sizes[0, :] = 0
    for i in range(sources.size):
        sizes[0, i] = counted[sources[i]]
    level = 0
    while level < depth:
        found, mask = _advance(
            start, neighbours, component, counted, slot, wanted, reached, next_reached, active,
            touched, fresh, planes, waiting,
        )  # fmt: skip
        if level + 1 == sizes.shape[0]:
            sizes = _longer(sizes)
        read_counts(planes, waiting, mask, sizes[level + 1])
        if not found:
            break
        level += 1
        reached, next_reached = next_reached, reached
    _clear(reached, next_reached, active, touched)
    return sizes, level


@njit(cache=True, nogil=True, error_model="numpy")
def _begin(
    start: Any, neighbours: Any, component: Any, sources: Any, reached: Any, wanted: Any,
    slot: Any, active: Any, touched: Any,
) -> None:  # fmt: skip
    """Put each source's bit on its node, and make it and its neighbours active.

    A node has all that it can get when it has the bits of the sources in its component: row
    ``slot[component]`` of `wanted`.
    """
    last = -1
    for i in range(sources.size):
        node = sources[i]
        bit = ONE << np.uint64(i & 63)
        reached[node, i >> 6] |= bit
        if i == 0 or component[node] != component[sources[i - 1]]:
            last += 1
            slot[component[node]] = last
            store(wanted, last, none())
        wanted[last, i >> 6] |= bit
        active[node >> 6] |= ONE << np.uint64(node & 63)
        touched[node >> 6] |= ONE << np.uint64(node & 63)
        _open(start, neighbours, node, active, touched)


@njit(cache=True, nogil=True, error_model="numpy")
def _open(start: Any, neighbours: Any, node: int, active: Any, touched: Any) -> None:
    for edge in range(start[node], start[node + 1]):
        other = neighbours[edge]
        bit = ONE << np.uint64(other & 63)
        active[other >> 6] |= bit
        touched[other >> 6] |= bit


@njit(cache=True, nogil=True, error_model="numpy")
def _advance(
    start: Any, neighbours: Any, component: Any, counted: Any, slot: Any, wanted: Any,
    reached: Any, next_reached: Any, active: Any, touched: Any, fresh: Any, planes: Any,
    waiting: Any,
) -> Any:  # fmt: skip
    """One level: rows of the active nodes in `next_reached`, gained bits counted.

    Returns whether any bit was gained, and which planes wait. A node that was complete before
    leaves the active ones: both arrays then hold its row. Active nodes are met in the order of
    their numbers, where neighbours stand near each other in memory. One that is made active during
    the sweep, by a node that gained its first bit, may be met at once or at the next level: its
    neighbours' rows are still empty.
    """
    filled = 0
    mask = 0
    gained = none()
    for word in range(active.size):
        left = active[word]
        while left != ZERO:
            node = 64 * word + lowest(left)
            bit = left & (ZERO - left)
            left ^= bit
            before = load(reached, node)
            after = before
            for edge in range(start[node], start[node + 1], 4):
                one = either(load(reached, neighbours[edge]), load(reached, neighbours[edge + 1]))
                two = either(
                    load(reached, neighbours[edge + 2]), load(reached, neighbours[edge + 3])
                )
                after = either(after, either(one, two))
            store(next_reached, node, after)
            new = unlike(after, before)
            gained = either(gained, new)
            store(fresh, filled, new)
            filled += counted[node]
            if filled == EIGHT:
                mask = count_eight(fresh, planes, waiting, mask)
                filled = 0
            if not some(before):
                if some(new):
                    _open(start, neighbours, node, active, touched)
            elif not some(unlike(before, load(wanted, slot[component[node]]))):
                active[word] &= ~bit
    if filled:
        for i in range(filled, EIGHT):
            store(fresh, i, none())
        mask = count_eight(fresh, planes, waiting, mask)
    return some(gained), mask


@njit(cache=True, nogil=True, error_model="numpy")
def _clear(reached: Any, next_reached: Any, active: Any, touched: Any) -> None:
    for word in range(touched.size):
        left = touched[word]
        while left != ZERO:
            node = 64 * word + lowest(left)
            left &= left - ONE
            store(reached, node, none())
            store(next_reached, node, none())
        touched[word] = ZERO
        active[word] = ZERO


@njit(cache=True, nogil=True, error_model="numpy")
def _fit(offset: Any, histogram: Any, sizes: Any, top: int, sources: int) -> Any:
    """Make room for each level's largest shell.

    Levels have rows of their own width: a long thin graph with one hub has many levels and one
    wide row, not a wide rectangle.
    """
    old_levels = offset.size - 1
    levels = max(old_levels, top + 1)
    grown = levels > old_levels
    wider = np.zeros(levels + 1, np.int64)
    for level in range(levels):
        width = offset[level + 1] - offset[level] if level < old_levels else 0
        largest = 0
        if level <= top:
            for source in range(sources):
                largest = max(largest, sizes[level, source])
        if largest >= width:
            width = largest + largest // 4 + 2
            grown = True
        wider[level + 1] = wider[level] + width
    if not grown:
        return offset, histogram
    room = np.zeros(wider[levels], np.int32)
    for level in range(old_levels):
        for i in range(offset[level + 1] - offset[level]):
            room[wider[level] + i] = histogram[offset[level] + i]
    return wider, room


# Rows are copied element by element: assigning to a slice makes numba compile its error message,
# which takes longer than all the rest.


@njit(cache=True, nogil=True)
def _longer(sizes: Any) -> Any:
    """Twice as many rows, the first ones kept."""
    rows, columns = sizes.shape
    out = np.zeros((2 * rows, columns), sizes.dtype)
    for row in range(rows):
        for column in range(columns):
            out[row, column] = sizes[row, column]
    return out
