"""The values of the cells, packed so that a permutation moves whole rows cheaply.

A row holds the *head*, genes with values in many cells, densely, and of all other genes (the
*tail*) the stored values with their genes. Rows begin at multiples of 32 bytes in one buffer, so
that a row is copied as a few wide words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from numba import njit

# A gene with values in more than this share of the cells belongs to the head: adding rows of the
# head takes one vector instruction for several genes, and a row of it takes no more space than
# stored values with their genes would. Head genes are centred before the sums: otherwise a large
# mean against a small spread would cost digits. Rarer genes lose none by subtracting later.
HEAD_SHARE = 0.5
# Genes are taken in blocks of so many stored values: a block is copied once in each thread.
BLOCK_VALUES = 1 << 25
# Genes of the tail are numbered in 16 bits.
BLOCK_GENES = 1 << 16
# Rows are padded to so many words of 8 bytes.
PAD = 4


@dataclass(frozen=True)
class Rows:
    """Packed rows of a block of genes.

    Attributes
    ----------
    start
        First word of each row (n + 1,), int64.
    tails
        Stored values of the tail in each row (n,), int32.
    buffer
        The rows, uint64: head values, genes of the tail (16 bits each), values of the tail.
    dtype
        Of the values: float32 where that holds all of them exactly, else float64.
    genes
        Genes of the block: those of the head, then those of the tail.
    shift
        What is subtracted from the genes of the head: their means (head,).
    """

    start: npt.NDArray[np.int64]
    tails: npt.NDArray[np.int32]
    buffer: npt.NDArray[np.uint64]
    dtype: npt.DTypeLike
    genes: npt.NDArray[np.int64]
    shift: npt.NDArray[np.float64]

    def views(self, buffer: npt.NDArray[np.uint64]) -> tuple[Any, Any]:
        """A buffer of this layout as genes of the tail and as values."""
        return buffer.view(np.uint16), buffer.view(self.dtype)


def pack_blocks(matrix: sp.csr_matrix, mean: npt.NDArray[np.float64]) -> Iterator[Rows]:
    """Packed rows of a canonical CSR matrix (cells, genes), block of genes by block of genes."""
    stored = np.bincount(matrix.indices, minlength=matrix.shape[1])
    with np.errstate(over="ignore"):
        narrow = matrix.data.astype(np.float32)
    exact = np.array_equal(narrow, matrix.data)
    values = narrow if exact else matrix.data.astype(np.float64)
    first = 0
    while first < stored.size:
        room = np.searchsorted(np.cumsum(stored[first:]), BLOCK_VALUES, side="right")
        last = min(first + max(int(room), 1), first + BLOCK_GENES, stored.size)
        yield _pack(matrix, values, stored, mean, first, last)
        first = last


def _pack(
    matrix: sp.csr_matrix, values: npt.NDArray[Any], stored: npt.NDArray[np.int64],
    mean: npt.NDArray[np.float64], first: int, last: int,
) -> Rows:  # fmt: skip
    n = matrix.shape[0]
    block = np.arange(first, last)
    is_head = stored[first:last] > HEAD_SHARE * n
    genes = np.concatenate([block[is_head], block[~is_head]])
    head = int(is_head.sum())
    slot = np.full(stored.size, -1, np.int32)
    slot[genes] = np.arange(genes.size, dtype=np.int32)
    tails = np.zeros(n, np.int32)
    _count_tails(matrix.indptr, matrix.indices, slot, head, tails)
    per_word = 8 // values.itemsize
    words = -(-head // per_word) + -(-tails.astype(np.int64) // 4) + -(-tails // per_word)
    start = np.zeros(n + 1, np.int64)
    np.cumsum(-(-words // PAD) * PAD, out=start[1:])
    buffer = np.zeros(start[-1], np.uint64)
    rows = Rows(start, tails, buffer, values.dtype, genes, mean[genes[:head]])
    _fill(matrix.indptr, matrix.indices, values, slot, head, start, tails, *rows.views(buffer))
    return rows


@njit(cache=True, nogil=True)
def _count_tails(indptr: Any, indices: Any, slot: Any, head: int, tails: Any) -> None:
    for cell in range(tails.size):
        for stored in range(indptr[cell], indptr[cell + 1]):
            if slot[indices[stored]] >= head:
                tails[cell] += 1


@njit(cache=True, nogil=True)
def _fill(
    indptr: Any, indices: Any, data: Any, slot: Any, head: int, start: Any, tails: Any,
    tail_genes: Any, values: Any,
) -> None:  # fmt: skip
    per_word = 8 // values.itemsize
    for cell in range(tails.size):
        row = start[cell]
        head_at = row * per_word
        gene_at = (row + (head + per_word - 1) // per_word) * 4
        tail_at = (gene_at // 4 + (tails[cell] + 3) // 4) * per_word
        for stored in range(indptr[cell], indptr[cell + 1]):
            place = slot[indices[stored]]
            if place >= head:
                tail_genes[gene_at] = place - head
                values[tail_at] = data[stored]
                gene_at += 1
                tail_at += 1
            elif place >= 0:
                values[head_at + place] = data[stored]
