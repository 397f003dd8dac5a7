"""Neighbourhood enrichment: edges of the graph between each pair of cell types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from numba import njit

from vitrail.enrichment.moments import Shape, pair_moments
from vitrail.enrichment.permutation import permuted_counts
from vitrail.enrichment.tables import checked_types, pair_table


def neighbourhood_enrichment(
    graph: Any,
    types: npt.ArrayLike,
    names: Sequence[str] | None = None,
    permutations: int = 999,
    seed: int = 0,
    focal: npt.ArrayLike | None = None,
    threads: int | None = None,
) -> pd.DataFrame:
    """Edges between each pair of cell types against their number when types are permuted.

    Parameters
    ----------
    graph
        Adjacency (n, n); stored entries are edges i -> j, so an undirected edge counts once from
        each end. Or `vitrail.graph.Graph`.
    types
        Codes (n,), -1 for unknown, with `names`; or the types' names themselves, None for unknown.
        Edges from or to cells of unknown type do not count.
    names
        Names of the codes.
    permutations
        Permutations of the types over the typed cells of the fixed graph; 0 for none.
    seed
        Seed of the permutations.
    focal
        Boolean (n,): cells whose neighbours count (leave out border cells here); None for all.
        Other cells count as neighbours only.
    threads
        Number of threads; the result does not depend on it.

    Returns
    -------
    pandas.DataFrame
        One row an ordered pair of types: ``type_a``, ``type_b``, ``cells_a``, ``cells_b``,
        ``count``, ``expected`` and ``sd`` (exact), ``ratio`` = count / expected, ``z``, ``p``
        (normal, two-sided), ``permuted_mean``, ``permuted_sd``, ``p_permutation`` and ``fdr``.

    Notes
    -----
    `squidpy.gr.nhood_enrichment` counts the same edges (and all entries of the graph as one, as
    here); its z takes mean and standard deviation from the permutations (`permuted_mean`,
    `permuted_sd`), which permute the types alike, and it gives no p.
    """
    matrix = sp.csr_matrix(getattr(graph, "connectivities", graph))
    codes, names = checked_types(types, names, matrix.shape[0])
    kept = _typed_edges(matrix, codes, focal)
    cells = np.bincount(codes[codes >= 0], minlength=len(names)).astype(np.int64)
    mean, variance = pair_moments(graph_shape(kept), cells)
    indptr, indices = kept.indptr.astype(np.int64), kept.indices.astype(np.int32)

    def count(drawn: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return count_edges(indptr, indices, drawn.astype(np.int32), len(names))

    counts = count(codes)
    permuted = permuted_counts(count, codes, counts, mean, permutations, seed, threads)
    return pair_table(names, cells, counts, mean, variance, permuted)


def _typed_edges(
    matrix: sp.csr_matrix, codes: npt.NDArray[np.int64], focal: npt.ArrayLike | None
) -> sp.csr_matrix:
    """Binary CSR of the edges that count, without loops."""
    edges = matrix.tocoo()
    begins = codes >= 0
    if focal is not None:
        begins = begins & np.asarray(focal, dtype=bool)
    keep = begins[edges.row] & (codes >= 0)[edges.col] & (edges.row != edges.col)
    rows, columns = edges.row[keep], edges.col[keep]
    found = sp.csr_matrix((np.ones(rows.size, np.int64), (rows, columns)), shape=matrix.shape)
    found.data[:] = 1
    return found


def graph_shape(edges: sp.csr_matrix) -> Shape:
    """Numbers of a binary graph that the moments need."""
    out = np.diff(edges.indptr).astype(np.int64)
    into = np.bincount(edges.indices, minlength=edges.shape[0]).astype(np.int64)
    return Shape(
        pairs=int(edges.nnz),
        mutual=int(edges.multiply(edges.T).nnz),
        out_out=int((out * out).sum()),
        in_in=int((into * into).sum()),
        out_in=int((out * into).sum()),
    )


@njit(cache=True, nogil=True)
def count_edges(indptr: Any, indices: Any, types: Any, n_types: int) -> Any:
    """Stored entries by the types of their row and their column; both must be known."""
    counts = np.zeros((n_types, n_types), np.int64)
    for i in range(indptr.size - 1):
        for edge in range(indptr[i], indptr[i + 1]):
            counts[types[i], types[indices[edge]]] += 1
    return counts
