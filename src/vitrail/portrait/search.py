"""Sizes of the shells around many nodes at once: bit-parallel breadth-first search.

One bit stands for one source. A batch of `SOURCES` sources walks the graph together: at each level
a node takes the union of its neighbours' new bits (pull), keeps what it had not seen, and the
number of nodes that hold each bit is the size of that source's shell. These numbers are summed
over nodes by carry-save adders on whole words (bit planes), not bit by bit. Sources that lie near
each other share most of their frontier, so the order of nodes decides the speed, not the result.
Then et al. 2014, doi:10.14778/2735496.2735507 (multi-source search); Harley & Seal's counter in
Muła, Kurz & Lemire 2018, doi:10.1093/comjnl/bxx046.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

WORDS = 8
SOURCES = 64 * WORDS
PLANES = 32

ZERO = np.uint64(0)
ONE = np.uint64(1)

# What is known of a node in one batch.
UNSEEN, NEAR, REACHED, DONE = 0, 1, 2, 3


@njit(cache=True, nogil=True, error_model="numpy")
def shell_histogram(
    indptr: Any, indices: Any, sources: Any, first: int, step: int, depth: int
) -> Any:
    """Histogram of shell sizes of the sources in batches first, first + step, ...

    Parameters
    ----------
    indptr, indices
        Symmetric graph in CSR form, int64 and int32.
    sources
        Nodes (int64) to search from, neighbours near each other.
    first, step
        Which batches of `SOURCES` consecutive sources.
    depth
        Last level that is counted.

    Returns
    -------
    offset, histogram
        ``histogram[offset[l] + k]`` is the number of sources with k > 0 nodes at distance l.
    """
    n = indptr.size - 1
    seen = np.zeros((n, WORDS), np.uint64)
    frontier = np.zeros((n, WORDS), np.uint64)
    reached = np.zeros((n, WORDS), np.uint64)
    nodes = np.empty(n, np.int32)
    state = np.zeros(n, np.uint8)
    wanted = np.zeros(WORDS, np.uint64)
    planes = np.zeros((PLANES, WORDS), np.uint64)
    sizes = np.zeros((64, SOURCES), np.int32)
    offset = np.zeros(2, np.int64)
    histogram = np.zeros(0, np.int64)
    batches = (sources.size + SOURCES - 1) // SOURCES
    for batch in range(first, batches, step):
        batch_sources = sources[batch * SOURCES : (batch + 1) * SOURCES]
        seen[:] = ZERO
        frontier[:] = ZERO
        reached[:] = ZERO
        state[:] = UNSEEN
        active = _start(indptr, indices, batch_sources, seen, frontier, wanted, nodes, state)
        level = 0
        sizes[0, :] = 0
        sizes[0, : batch_sources.size] = 1
        while active > 0 and level < depth:
            active, found = _advance(
                indptr, indices, seen, frontier, reached, wanted, nodes, active, state
            )
            if not found:
                break
            level += 1
            if level == sizes.shape[0]:
                sizes = _longer(sizes)
            used = _count(reached, nodes, active, planes)
            _read(planes, used, sizes[level])
            frontier, reached = reached, frontier
        offset, histogram = _fit(offset, histogram, sizes, level, batch_sources.size)
        for row in range(level + 1):
            for source in range(batch_sources.size):
                if sizes[row, source] > 0:
                    histogram[offset[row] + sizes[row, source]] += 1
    return offset, histogram


@njit(cache=True, nogil=True, error_model="numpy")
def _start(
    indptr: Any, indices: Any, sources: Any, seen: Any, frontier: Any, wanted: Any,
    nodes: Any, state: Any,
) -> int:  # fmt: skip
    """Put each source's bit on its node; list sources and their neighbours as active nodes."""
    wanted[:] = ZERO
    active = 0
    for i in range(sources.size):
        bit = ONE << np.uint64(i & 63)
        frontier[sources[i], i >> 6] |= bit
        seen[sources[i], i >> 6] |= bit
        wanted[i >> 6] |= bit
    for i in range(sources.size):
        node = sources[i]
        if state[node] == UNSEEN:
            nodes[active] = node
            active += 1
        state[node] = REACHED
        active = _open(indptr, indices, node, nodes, active, state)
    return active


@njit(cache=True, nogil=True, error_model="numpy")
def _open(indptr: Any, indices: Any, node: int, nodes: Any, active: int, state: Any) -> int:
    for edge in range(indptr[node], indptr[node + 1]):
        neighbour = indices[edge]
        if state[neighbour] == UNSEEN:
            state[neighbour] = NEAR
            nodes[active] = neighbour
            active += 1
    return active


@njit(cache=True, nogil=True, error_model="numpy")
def _advance(
    indptr: Any, indices: Any, seen: Any, frontier: Any, reached: Any, wanted: Any,
    nodes: Any, active: int, state: Any,
) -> Any:  # fmt: skip
    """One level: bits that are new at each active node go to `reached`.

    Returns the number of active nodes and whether any bit was new. A node that has every bit and
    gained none is dropped one level later, when its rows in both buffers are zero.
    """
    union = np.empty(WORDS, np.uint64)
    listed = active
    kept = 0
    found = ZERO
    for i in range(listed):
        node = nodes[i]
        if state[node] == DONE:
            for j in range(WORDS):
                reached[node, j] = ZERO
            continue
        nodes[kept] = node
        kept += 1
        for j in range(WORDS):
            union[j] = ZERO
        for edge in range(indptr[node], indptr[node + 1]):
            neighbour = indices[edge]
            for j in range(WORDS):
                union[j] |= frontier[neighbour, j]
        gained = ZERO
        missing = ZERO
        for j in range(WORDS):
            new = union[j] & ~seen[node, j]
            seen[node, j] |= new
            reached[node, j] = new
            gained |= new
            missing |= seen[node, j] ^ wanted[j]
        found |= gained
        if gained != ZERO:
            if state[node] == NEAR:
                state[node] = REACHED
                active = _open(indptr, indices, node, nodes, active, state)
        elif missing == ZERO:
            state[node] = DONE
    # Nodes opened at this level stand behind the listed ones; their rows are still zero.
    for i in range(listed, active):
        nodes[kept] = nodes[i]
        kept += 1
    return kept, found != ZERO


@njit(cache=True, nogil=True, error_model="numpy")
def _count(rows: Any, nodes: Any, active: int, planes: Any) -> int:
    """Sum the bits of the active nodes' rows per source: plane p holds bit p of each sum.

    Returns the number of planes that may be set. Four rows enter at a time through two levels of
    full adders; only what they carry out travels further up.
    """
    used = 1
    while (np.int64(1) << used) <= active:
        used += 1
    for p in range(used + 1):
        for j in range(WORDS):
            planes[p, j] = ZERO
    carry = np.empty(WORDS, np.uint64)
    whole = active - active % 4
    for i in range(0, whole, 4):
        a, b, c, d = nodes[i], nodes[i + 1], nodes[i + 2], nodes[i + 3]
        carried = ZERO
        for j in range(WORDS):
            ones = planes[0, j]
            x, y = rows[a, j], rows[b, j]
            half = ones ^ x
            first = (ones & x) | (half & y)
            ones = half ^ y
            x, y = rows[c, j], rows[d, j]
            half = ones ^ x
            second = (ones & x) | (half & y)
            planes[0, j] = half ^ y
            twos = planes[1, j]
            half = twos ^ first
            fours = (twos & first) | (half & second)
            planes[1, j] = half ^ second
            carry[j] = fours
            carried |= fours
        _carry(planes, carry, carried, 2)
    for i in range(whole, active):
        carried = ZERO
        for j in range(WORDS):
            carry[j] = rows[nodes[i], j]
            carried |= carry[j]
        _carry(planes, carry, carried, 0)
    return used


@njit(cache=True, nogil=True, error_model="numpy")
def _carry(planes: Any, carry: Any, carried: Any, plane: int) -> None:
    while carried != ZERO:
        carried = ZERO
        for j in range(WORDS):
            both = planes[plane, j] & carry[j]
            planes[plane, j] ^= carry[j]
            carry[j] = both
            carried |= both
        plane += 1


@njit(cache=True, nogil=True, error_model="numpy")
def _read(planes: Any, used: int, sizes: Any) -> None:
    """Numbers of all sources from the bit planes."""
    sizes[:] = 0
    for p in range(used):
        for j in range(WORDS):
            word = planes[p, j]
            for bit in range(64):
                sizes[j * 64 + bit] += np.int32((word >> np.uint64(bit)) & ONE) << p


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
            width = 2 * (largest + 1)
            grown = True
        wider[level + 1] = wider[level] + width
    if not grown:
        return offset, histogram
    room = np.zeros(wider[levels], np.int64)
    for level in range(old_levels):
        for count in range(offset[level + 1] - offset[level]):
            room[wider[level] + count] = histogram[offset[level] + count]
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
