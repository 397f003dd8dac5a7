"""A matrix of cells that is gone through block by block, as often as needed, and never held."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import h5py
import numpy as np
from scipy import sparse

from vitrail.io.h5_rows import BLOCK_VALUES, csr_blocks

Blocks = Iterator[tuple[slice, sparse.csr_matrix]]


class Rows:
    """Matrix of shape (n, m) whose rows come in CSR blocks.

    Parameters
    ----------
    shape
        Cells and columns.
    blocks
        Gives the blocks in order, anew at each call.
    """

    def __init__(
        self, shape: tuple[int, int], blocks: Callable[[], Iterator[sparse.csr_matrix]]
    ) -> None:
        self.shape = (int(shape[0]), int(shape[1]))
        self._blocks = blocks

    @classmethod
    def of(cls, values: Rows | sparse.csr_matrix) -> Rows:
        """Rows of a matrix in memory; rows as they are."""
        if isinstance(values, Rows):
            return values
        held = sparse.csr_matrix(values)
        return cls(held.shape, lambda: iter([held]))

    @classmethod
    def stored(cls, item: h5py.Group | h5py.Dataset, shape: tuple[int, int]) -> Rows:
        """Rows of a matrix of a h5ad file that stays open; one block is held, more are not."""

        def read() -> Iterator[sparse.csr_matrix]:
            return map(_canonical, csr_blocks(item))

        size = item["data"].size if isinstance(item, h5py.Group) else item.size
        if size > BLOCK_VALUES:
            return cls(shape, read)
        held = list(read())
        return cls(shape, lambda: iter(held))

    def __iter__(self) -> Blocks:
        """Blocks, and the rows that each holds."""
        start = 0
        for block in self._blocks():
            yield slice(start, start + block.shape[0]), block
            start += block.shape[0]

    def map(self, function: Callable[[slice, sparse.csr_matrix], sparse.csr_matrix]) -> Rows:
        """Rows made from these, block by block, when they are asked for."""
        return Rows(self.shape, lambda: (function(rows, block) for rows, block in self))

    def where(self, chosen: Any) -> Rows:
        """The rows where a bool array of shape (n,) is true."""
        shape = (int(np.count_nonzero(chosen)), self.shape[1])
        return Rows(shape, lambda: (block[chosen[rows]] for rows, block in self))

    def columns(self, chosen: Sequence[int]) -> sparse.csr_matrix:
        """Some columns of all rows, in memory."""
        parts = [block[:, list(chosen)] for _, block in self]
        empty = sparse.csr_matrix((self.shape[0], len(chosen)), dtype=np.float32)
        return sparse.vstack(parts, format="csr") if parts else empty


def _canonical(block: sparse.csr_matrix) -> sparse.csr_matrix:
    """Sorted places without zeros, so that nothing depends on how the file stores a matrix."""
    block.sum_duplicates()
    block.eliminate_zeros()
    return block
