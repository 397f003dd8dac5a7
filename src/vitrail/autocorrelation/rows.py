"""The values of the cells, packed so that two rows are multiplied at the genes that both have.

A row holds the *head*, genes with values in many cells, densely, and of all other genes (the
*tail*) one bit a gene, set where there is a value, and the values themselves. The genes that two
cells share are the bits that both rows set, and a value's place is the number of set bits before
its own. Genes are in the order of their frequency, so that most words of the rare ones share none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from numba import njit

from vitrail.autocorrelation.moments import GeneMoments
from vitrail.instructions import ones
from vitrail.parallel import spans, threaded

# A gene with values in more than this share of the cells belongs to the head. Head genes are
# centred before the sums: otherwise a large mean against a small spread would cost digits. Rarer
# genes lose none by subtracting later.
HEAD_SHARE = 0.5
# Genes are taken in blocks of at most so many stored values and so many words of bits.
BLOCK_VALUES = 1 << 25
BLOCK_WORDS = 1 << 25
# Rows begin at multiples of so many words, half a cache line.
PAD = 4
SPANS = 16  # of cells, which are packed apart


@dataclass(frozen=True)
class Rows:
    """Packed rows of a block of genes.

    Attributes
    ----------
    start
        First word of each row (n + 1,), int64.
    words
        Words of bits in a row.
    buffer
        The rows, uint64: head values, bits of the tail, values of the tail.
    dtype
        Of the values: float32 where that holds all of them exactly, else float64.
    genes
        Genes of the block: those of the head, then those of the tail.
    shift
        What is subtracted from the genes of the head: their means (head,).
    """

    start: npt.NDArray[np.int64]
    words: int
    buffer: npt.NDArray[np.uint64]
    dtype: npt.DTypeLike
    genes: npt.NDArray[np.int64]
    shift: npt.NDArray[np.float64]

    @property
    def slots(self) -> int:
        """Genes of the head, and bits of a row."""
        return self.shift.size + 64 * self.words

    @property
    def values(self) -> npt.NDArray[Any]:
        """The buffer as values."""
        return self.buffer.view(self.dtype)


def pack_blocks(
    matrix: sp.csr_matrix, moments: GeneMoments, threads: int | None = None
) -> Iterator[Rows]:
    """Packed rows of a canonical CSR matrix (cells, genes), block of genes by block of genes."""
    n, stored = matrix.shape[0], moments.stored
    by_frequency = np.argsort(-stored, kind="stable")
    room = np.cumsum(stored[by_frequency])
    most = 64 * max(BLOCK_WORDS // max(n, 1), 1)
    values = _narrowest(matrix.data)
    first = 0
    while first < stored.size:
        before = room[first - 1] if first else 0
        last = int(np.searchsorted(room, before + BLOCK_VALUES, side="right"))
        last = min(max(last, first + 1), first + most, stored.size)
        genes = by_frequency[first:last]
        head = int((stored[genes] > HEAD_SHARE * n).sum())
        yield _pack(matrix, values, genes, moments.mean[genes[:head]], threads)
        first = last


def _narrowest(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The values in single precision where that holds all of them exactly, else in double."""
    if values.dtype == np.float32:
        return values
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    return narrow if np.array_equal(narrow, values) else values.astype(np.float64, copy=False)


def _pack(
    matrix: sp.csr_matrix, values: npt.NDArray[Any], genes: npt.NDArray[np.int64],
    shift: npt.NDArray[np.float64], threads: int | None,
) -> Rows:  # fmt: skip
    n, head = matrix.shape[0], shift.size
    slot = np.full(matrix.shape[1], -1, np.int32)
    slot[genes] = np.arange(genes.size, dtype=np.int32)
    tails = np.zeros(n, np.int64)
    inner, pieces = (matrix.indptr, matrix.indices), spans(n, SPANS)
    threaded(lambda s: _count(*inner, slot, head, *s, tails), pieces, threads)
    per_word = 8 // values.itemsize
    words = -(-(genes.size - head) // 64)
    length = -(-head // per_word) + words - (-tails // per_word)
    start = np.zeros(n + 1, np.int64)
    np.cumsum(-(-length // PAD) * PAD, out=start[1:])
    rows = Rows(start, words, np.zeros(start[-1], np.uint64), values.dtype, genes, shift)
    out = (rows.buffer, rows.values)
    threaded(lambda s: _fill(*inner, values, slot, head, words, start, *s, *out), pieces, threads)
    return rows


@njit(cache=True, nogil=True)
def _count(
    indptr: Any, indices: Any, slot: Any, head: int, first: int, last: int, tails: Any
) -> None:
    """Count the stored values of the tail in the cells first to last."""
    for cell in range(first, last):
        many = 0
        for stored in range(indptr[cell], indptr[cell + 1]):
            many += slot[indices[stored]] >= head
        tails[cell] = many


@njit(cache=True, nogil=True)
def _fill(
    indptr: Any, indices: Any, data: Any, slot: Any, head: int, words: int, start: Any,
    first: int, last: int, bits: Any, values: Any,
) -> None:  # fmt: skip
    """Write the rows of the cells first to last to one buffer, seen as words and as values."""
    per_word = 8 // values.itemsize
    head_words = (head + per_word - 1) // per_word
    one = np.uint64(1)
    before = np.empty(words, np.int64)
    for cell in range(first, last):
        row = start[cell] + head_words
        for stored in range(indptr[cell], indptr[cell + 1]):
            bit = slot[indices[stored]] - head
            if bit >= 0:
                bits[row + (bit >> 6)] |= one << np.uint64(bit & 63)
        many = (row + words) * per_word
        for word in range(words):
            before[word] = many
            many += ones(bits[row + word])
        for stored in range(indptr[cell], indptr[cell + 1]):
            place = slot[indices[stored]]
            bit = place - head
            if bit >= 0:
                below = (one << np.uint64(bit & 63)) - one
                rank = np.int64(ones(bits[row + (bit >> 6)] & below))
                values[before[bit >> 6] + rank] = data[stored]
            elif place >= 0:
                values[start[cell] * per_word + place] = data[stored]
