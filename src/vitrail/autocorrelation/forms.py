"""Quadratic forms of sparse genes over a graph, at a cost in proportion to the stored values.

Moran's I and Geary's C of a gene x need x'Wx, r'x and r'x^2, where r holds the row and column
sums of W added up. x'Wx is the same for W and for any matrix that holds each w_ij + w_ji once, so
each pair of cells is visited once. A permutation of the values over the cells is the same as a
graph with its nodes renumbered: one renumbered graph serves all genes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from numba import njit

# A gene with values in more than this share of the cells is centred before the sums: otherwise a
# large mean against a small spread would cost digits. Rarer genes lose none by subtracting later.
DENSE_SHARE = 0.5


class Pairs(NamedTuple):
    """Pairs of neighbours, each once, and the row and column sums of W."""

    indptr: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float64]  # w_ij + w_ji; empty where all are equal to `weight`
    weight: float
    sums: npt.NDArray[np.float64]  # (n,)


class Genes(NamedTuple):
    """Columns of a matrix, and what is subtracted from each (its mean, or 0)."""

    indptr: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int32]
    values: npt.NDArray[np.float64]
    shift: npt.NDArray[np.float64]


def neighbour_pairs(weights: sp.csr_matrix) -> Pairs:
    """Pairs of a weight matrix (n, n) without loops; it may be directed and have islands."""
    both = (weights + weights.T).tocsr()
    upper = sp.triu(both, k=1, format="csr")
    sums = np.asarray(both.sum(axis=1), dtype=np.float64).ravel()
    data = upper.data.astype(np.float64)
    equal = data.size == 0 or bool((data == data[0]).all())
    return Pairs(
        upper.indptr.astype(np.int64),
        upper.indices.astype(np.int32),
        np.zeros(0) if equal else data,
        float(data[0]) if equal and data.size else 1.0,
        sums,
    )


def gene_columns(matrix: sp.csc_matrix) -> Genes:
    """Columns of a CSC matrix (cells, genes)."""
    n = matrix.shape[0]
    stored = np.diff(matrix.indptr)
    totals = np.asarray(matrix.sum(axis=0), dtype=np.float64).ravel()
    shift = np.where(stored > DENSE_SHARE * n, totals / max(n, 1), 0.0)
    return Genes(
        matrix.indptr.astype(np.int64),
        matrix.indices.astype(np.int32),
        matrix.data.astype(np.float64),
        shift,
    )


@njit(cache=True, nogil=True)
def renumber(indptr: Any, indices: Any, weights: Any, sums: Any, order: Any) -> Any:
    """The graph whose node i is the node ``order[i]`` of the given one."""
    n = order.size
    place = np.empty(n, np.int32)
    for i in range(n):
        place[order[i]] = i
    new_indptr = np.empty(n + 1, np.int64)
    new_indices = np.empty_like(indices)
    new_weights = np.empty_like(weights)
    new_sums = np.empty_like(sums)
    new_indptr[0] = 0
    for i in range(n):
        node = order[i]
        new_sums[i] = sums[node]
        write = new_indptr[i]
        for edge in range(indptr[node], indptr[node + 1]):
            new_indices[write] = place[indices[edge]]
            if weights.size:
                new_weights[write] = weights[edge]
            write += 1
        new_indptr[i + 1] = write
    return new_indptr, new_indices, new_weights, new_sums


@njit(cache=True, nogil=True)
def forms(
    indptr: Any, indices: Any, weights: Any, weight: float, sums: Any,
    gene_indptr: Any, gene_indices: Any, gene_values: Any, shift: Any,
    first: int, last: int, out: Any,
) -> None:  # fmt: skip
    """Write v'Wv, r'v and r'v^2 of genes first to last to the rows of `out` (genes, 3).

    v is the gene's column minus its shift.
    """
    n = sums.size
    value = np.zeros(n)
    for gene in range(first, last):
        begin, end = gene_indptr[gene], gene_indptr[gene + 1]
        whole = shift[gene] != 0.0
        if whole:
            value[:] = -shift[gene]
        for stored in range(begin, end):
            value[gene_indices[stored]] = gene_values[stored] - shift[gene]
        product, linear, square = 0.0, 0.0, 0.0
        for item in range(n if whole else end - begin):
            cell = item if whole else gene_indices[begin + item]
            near = 0.0
            if weights.size:
                for edge in range(indptr[cell], indptr[cell + 1]):
                    near += weights[edge] * value[indices[edge]]
            else:
                for edge in range(indptr[cell], indptr[cell + 1]):
                    near += value[indices[edge]]
                near *= weight
            own = value[cell]
            product += own * near
            linear += sums[cell] * own
            square += sums[cell] * own * own
        out[gene, 0] = product
        out[gene, 1] = linear
        out[gene, 2] = square
        if whole:
            value[:] = 0.0
        else:
            for stored in range(begin, end):
                value[gene_indices[stored]] = 0.0
