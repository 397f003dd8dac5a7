"""A graph laid out for searches from many nodes at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from numba import njit

from vitrail.portrait.order import block_order

# Neighbours are read in fours: the lists' lengths then differ less, so that the processor guesses
# better when one ends.
FOUR = 4


class Network(NamedTuple):
    """Undirected graph whose nodes are numbered so that near ones are near.

    Attributes
    ----------
    start
        int64 (n + 1,): where each node's list begins.
    neighbours
        int32: the lists, each filled up to a multiple of four with the node itself.
    component
        int32 (n,): number of each node's component, increasing.
    order
        int32 (n,): the nodes' numbers in the graph that was given.
    """

    start: npt.NDArray[np.int64]
    neighbours: npt.NDArray[np.int32]
    component: npt.NDArray[np.int32]
    order: npt.NDArray[np.int32]


def lay_out(matrix: sp.csr_matrix, block: int) -> Network:
    """Network of a symmetric CSR adjacency without loops; `block` nodes in turn are compact."""
    indptr, indices = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32)
    order, bounds = block_order(indptr, indices, block)
    component = np.repeat(np.arange(bounds.size - 1, dtype=np.int32), np.diff(bounds))
    start, neighbours = _fours(indptr, indices, order)
    return Network(start, neighbours, component, order)


@njit(cache=True, nogil=True)
def _fours(indptr: Any, indices: Any, order: Any) -> Any:
    n = order.size
    number = np.empty(n, np.int32)
    start = np.zeros(n + 1, np.int64)
    for i in range(n):
        number[order[i]] = i
        degree = indptr[order[i] + 1] - indptr[order[i]]
        start[i + 1] = start[i] + (degree + FOUR - 1) // FOUR * FOUR
    neighbours = np.empty(start[n], np.int32)
    for i in range(n):
        place = start[i]
        for edge in range(indptr[order[i]], indptr[order[i] + 1]):
            neighbours[place] = number[indices[edge]]
            place += 1
        neighbours[place : start[i + 1]] = i
    return start, neighbours
