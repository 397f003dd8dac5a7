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
from vitrail.parallel import spans, threaded

PIECES = 16
# Rows of up to so many neighbours are sorted by counting.
RANKED = 32


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
    one_way = np.zeros((n, k), np.bool_)
    if symmetric:
        threaded(lambda span: _one_way(near, *span, one_way), pieces, threads)
    begin, source = _returns(near, one_way)
    degree = np.zeros(n + 1, np.int64)
    degree[row + 1] = k + np.diff(begin)
    indptr = np.cumsum(degree)
    indices = np.empty(indptr[-1], np.int32)
    threaded(lambda s: _gather(near, row, begin, source, *s, indptr, indices), pieces, threads)
    return canonical(indices, indptr)


@njit(cache=True, nogil=True)
def _one_way(near: Any, first: int, last: int, one_way: Any) -> None:
    """Mark neighbours that do not have the point among their own."""
    k = near.shape[1]
    for i in range(first, last):
        for slot in range(k):
            found = False
            other = near[i, slot]
            for back in range(k):
                found |= near[other, back] == i
            one_way[i, slot] = not found


@njit(cache=True, nogil=True)
def _returns(near: Any, one_way: Any) -> Any:
    """Points that have a point as neighbour without being its own: ``source[begin[i]:]``."""
    n, k = near.shape
    begin = np.zeros(n + 1, np.int64)
    for i in range(n):
        for slot in range(k):
            if one_way[i, slot]:
                begin[near[i, slot] + 1] += 1
    for i in range(n):
        begin[i + 1] += begin[i]
    at = begin[:-1].copy()
    source = np.empty(begin[n], np.int32)
    for i in range(n):
        for slot in range(k):
            if one_way[i, slot]:
                other = near[i, slot]
                source[at[other]] = i
                at[other] += 1
    return begin, source


@njit(cache=True, nogil=True)
def _gather(
    near: Any, row: Any, begin: Any, source: Any, first: int, last: int, indptr: Any, indices: Any
) -> None:
    """Write the sorted rows of both kinds of neighbours."""
    k = near.shape[1]
    numbers = np.empty(RANKED, np.int32)
    for i in range(first, last):
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
