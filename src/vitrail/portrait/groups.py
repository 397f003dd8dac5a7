"""Portraits of many small subgraphs at once: each group of nodes is a graph of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from numba import njit

from vitrail.portrait.divergence import SHIFT


def group_entries(
    graph: sp.csr_matrix, groups: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Entries of the portraits of the subgraphs that each group of nodes induces.

    Parameters
    ----------
    graph
        Symmetric CSR adjacency (n, n).
    groups
        Group of each node (n,), -1 for none.

    Returns
    -------
    group, key, number
        int64: `number` nodes of `group` have ``key % 2^31`` nodes of their group at distance
        ``key // 2^31`` within it. Sorted by group, then key.
    """
    owner, keys = _shells(
        graph.indptr.astype(np.int64), graph.indices.astype(np.int32), groups.astype(np.int64)
    )
    order = np.lexsort((keys, owner))
    owner, keys = owner[order], keys[order]
    new = np.ones(owner.size, bool)
    new[1:] = (owner[1:] != owner[:-1]) | (keys[1:] != keys[:-1])
    first = np.flatnonzero(new)
    return owner[first], keys[first], np.diff(np.append(first, owner.size))


@njit(cache=True, nogil=True)
def _shells(indptr: Any, indices: Any, groups: Any) -> Any:
    """Group and key of each shell of each node, by breadth-first search within its group."""
    n = groups.size
    visited = np.full(n, -1, np.int64)
    queue = np.empty(n, np.int64)
    owner = np.empty(max(16, 8 * n), np.int64)
    keys = np.empty(max(16, 8 * n), np.int64)
    filled = 0
    for source in range(n):
        group = groups[source]
        if group < 0:
            continue
        visited[source] = source
        queue[0] = source
        begin, end, level = 0, 1, 0
        while begin < end:
            if filled == keys.size:
                owner = np.concatenate((owner, np.empty_like(owner)))
                keys = np.concatenate((keys, np.empty_like(keys)))
            owner[filled] = group
            keys[filled] = level * SHIFT + (end - begin)
            filled += 1
            last = end
            for i in range(begin, last):
                for edge in range(indptr[queue[i]], indptr[queue[i] + 1]):
                    node = indices[edge]
                    if groups[node] == group and visited[node] != source:
                        visited[node] = source
                        queue[end] = node
                        end += 1
            begin = last
            level += 1
    return owner[:filled], keys[:filled]
