"""Arrangement profile: which cell types stand how near each other in the graph.

The portrait of type b as seen from type a through the whole graph would count, for each a-cell,
the b-cells at graph distance l. Its mean over the a-cells, times their number, is the number of
pairs (a-cell, b-cell) at distance l, whose mean under shuffling the types over the fixed graph is
known exactly. The profile compares the two. Unlike the portrait of a type's own subgraph it sees
how types stand to each other, and it does not change with abundance or size on average.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from numba import njit


def pair_counts(
    graph: sp.csr_matrix, types: npt.NDArray[np.int64], n_types: int, depth: int
) -> npt.NDArray[np.int64]:
    """Ordered pairs of cells by their types and their distance in the graph.

    Parameters
    ----------
    graph
        Symmetric CSR adjacency (n, n).
    types
        Type of each cell, -1 for unknown; unknown cells are walked through and not counted.
    n_types, depth
        Number of types, last distance that is counted.

    Returns
    -------
    int64 (depth, n_types, n_types); [l - 1, a, b] counts pairs at distance l.
    """
    return _pair_counts(
        graph.indptr.astype(np.int64), graph.indices.astype(np.int32), types.astype(np.int64),
        n_types, depth,
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _pair_counts(indptr: Any, indices: Any, types: Any, n_types: int, depth: int) -> Any:
    n = types.size
    counts = np.zeros((depth, n_types, n_types), np.int64)
    visited = np.full(n, -1, np.int64)
    queue = np.empty(n, np.int64)
    for source in range(n):
        if types[source] < 0:
            continue
        visited[source] = source
        queue[0] = source
        begin, end = 0, 1
        for level in range(depth):
            last = end
            for i in range(begin, last):
                for edge in range(indptr[queue[i]], indptr[queue[i] + 1]):
                    node = indices[edge]
                    if visited[node] != source:
                        visited[node] = source
                        queue[end] = node
                        end += 1
                        if types[node] >= 0:
                            counts[level, types[source], types[node]] += 1
            begin = last
    return counts


def expected_pairs(
    observed: npt.NDArray[np.int64], cells: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Mean of the pair counts when the types are shuffled over the typed cells.

    Parameters
    ----------
    observed
        Pair counts (depth, types, types).
    cells
        Cells of each type (types,).
    """
    n = float(cells.sum())
    if n < 2:
        return np.zeros(observed.shape)
    share = np.outer(cells, cells).astype(np.float64)
    share[np.diag_indices(len(cells))] -= cells
    return observed.sum(axis=(1, 2))[:, None, None] * share / (n * (n - 1.0))


def profile(
    observed: npt.NDArray[np.int64], cells: npt.NDArray[np.int64], prior: float
) -> npt.NDArray[np.float64]:
    """Contrast (O - E) / (O + E + prior) of observed and expected pairs, in (-1, 1).

    It is -1 where types avoid each other, 0 where they mix as by chance, towards 1 where they
    seek each other; pairs that are expected less often than `prior` are drawn to 0.
    """
    expected = expected_pairs(observed, cells)
    return (observed - expected) / (observed + expected + prior)
