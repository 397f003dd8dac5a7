"""Adjacency matrices from lists of nearest neighbours, in compiled code.

Everything is done in the order of the tree's leaves, where neighbours are near in memory, and
written to the caller's rows at the end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from numba import njit

from vitrail.graph.adjacency import canonical
from vitrail.instructions import prefetch
from vitrail.parallel import spans, threaded

PIECES = 16
# Rows of up to so many neighbours are sorted by counting.
RANKED = 32
# Rows of the caller lie anywhere in memory: they are asked for so many points ahead.
LEAD = 16


def neighbour_graph(
    near: npt.NDArray[np.int32], row: npt.NDArray[np.int32], symmetric: bool, threads: int | None
) -> sp.csr_matrix:
    """Binary adjacency of lists of neighbours.

    Parameters
    ----------
    near
        int32 (n, k): places of the neighbours of the point at each place.
    row
        int32 (n,): row of the point at each place.
    symmetric
        Join two points if either is among the other's neighbours.
    threads
        Number of threads; the result does not depend on it.
    """
    n, k = near.shape
    pieces = spans(n, PIECES)
    one_way = threaded(lambda span: _one_way(near, *span), pieces, threads) if symmetric else []
    begin = np.zeros(n + 1, np.int64)
    for _, target in one_way:
        _count(target, begin)
    source = np.empty(np.cumsum(begin, out=begin)[-1], np.int32)
    after = begin[:-1].copy()
    for origin, target in one_way:
        _return(origin, target, after, source)
    degree = np.zeros(n + 1, np.int64)
    degree[row + 1] = k + np.diff(begin)
    indptr = np.cumsum(degree)
    indices = np.empty(indptr[-1], np.int32)
    threaded(lambda s: _gather(near, row, begin, source, *s, indptr, indices), pieces, threads)
    return canonical(indices, indptr)


@njit(cache=True, nogil=True)
def _one_way(near: Any, first: int, last: int) -> Any:
    """Points first to last and those of their neighbours that do not have them among their own."""
    k = near.shape[1]
    source, target = np.empty((last - first) * k, np.int32), np.empty((last - first) * k, np.int32)
    many = 0
    for i in range(first, last):
        for slot in range(k):
            found = False
            other = near[i, slot]
            for back in range(k):
                found |= near[other, back] == i
            # Written over where it was found: no branch that the processor could mispredict.
            source[many], target[many] = i, other
            many += not found
    return source[:many].copy(), target[:many].copy()


@njit(cache=True, nogil=True)
def _count(target: Any, begin: Any) -> None:
    for point in target:
        begin[point + 1] += 1


@njit(cache=True, nogil=True)
def _return(source: Any, target: Any, after: Any, sources: Any) -> None:
    """Sort points by those that they have as one-way neighbour."""
    for i in range(target.size):
        point = target[i]
        sources[after[point]] = source[i]
        after[point] += 1


@njit(cache=True, nogil=True)
def _gather(
    near: Any, row: Any, begin: Any, source: Any, first: int, last: int, indptr: Any, indices: Any
) -> None:
    """Write the sorted rows of both kinds of neighbours."""
    n, k = near.shape
    numbers = np.empty(RANKED, np.int32)
    for i in range(first, last):
        prefetch(indptr, np.uint64(row[min(i + 2 * LEAD, n - 1)]))
        ahead = indptr[row[min(i + LEAD, n - 1)]]
        prefetch(indices, np.uint64(ahead))
        prefetch(indices, np.uint64(ahead + k))
        low, high = indptr[row[i]], indptr[row[i] + 1]
        size = high - low
        values = numbers[:size] if size <= RANKED else np.empty(size, np.int32)
        for slot in range(k):
            values[slot] = row[near[i, slot]]
        for slot in range(k, size):
            values[slot] = row[source[begin[i] + slot - k]]
        if size > RANKED:
            values.sort()
            indices[low:high] = values
            continue
        # Counting the lower ones takes more steps than sorting, but none that waits for another.
        for slot in range(size):
            value = values[slot]
            rank = 0
            for other in range(size):
                rank += values[other] < value
            indices[low + rank] = value
