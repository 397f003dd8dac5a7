"""Counts of genes in cells, added up and given back in blocks of cells, in bounded memory.

A transcript that counts is kept as four bytes, in the block of cells that it belongs to; blocks go
to files when memory is short. A block becomes sparse rows by sorting alone, so that time is linear
in transcripts and neither order nor threads change a bit.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt
from scipy import sparse

from vitrail.parallel import in_order

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int32]
Keys = npt.NDArray[np.uint32]
# Pairs (cell, column) in order, their transcripts, and those of them in nuclei.
Counts = tuple[npt.NDArray[np.uint32], Ints, Ints]

CELLS_PER_BLOCK = 1 << 13
# Bytes of transcripts in memory before they go to files.
HOLD_BYTES = 256 << 20
# Transcripts of a block that are sorted at once.
SORT_AT_ONCE = 1 << 23


class Rows(NamedTuple):
    """Counts of a block of cells.

    Attributes
    ----------
    first
        Index of the first cell, from 0.
    total
        CSR int32 (cells, columns): transcripts.
    nucleus
        CSR int32 (cells, columns): those in the cell's nucleus.
    """

    first: int
    total: sparse.csr_matrix
    nucleus: sparse.csr_matrix


class RowBlocks:
    """Adds up transcripts; threads may share one.

    Parameters
    ----------
    n_cells, n_columns
        Shape of the matrix.
    spill
        Folder for files, made when it is needed and removed by the caller; None to hold all
        transcripts in memory.
    """

    def __init__(self, n_cells: int, n_columns: int, spill: str | Path | None = None) -> None:
        self.shape = (n_cells, n_columns)
        # A transcript's key must fit into 32 bits: (cell in the block, column, in nucleus).
        self.cells_per_block = max(1, min(CELLS_PER_BLOCK, (1 << 31) // max(1, n_columns)))
        self._spill = None if spill is None else Path(spill)
        count = -(-n_cells // self.cells_per_block)
        self._held: list[list[Keys]] = [[] for _ in range(count)]
        self._bytes = 0
        self._lock = threading.Lock()

    def add(self, cell: Ints, column: Ints, in_nucleus: Bools) -> None:
        """Count transcripts of shape (n,): label of the cell (0 = none), column, compartment."""
        if len(cell) and not (cell.min() >= 0 and cell.max() <= self.shape[0]):
            raise ValueError(f"cells must be between 0 (none) and {self.shape[0]}")
        blocks = len(self._held)
        keys, start = _partition(
            cell, column, in_nucleus, self.cells_per_block, self.shape[1], blocks
        )
        with self._lock:
            for block in np.flatnonzero(np.diff(start)):
                self._held[block].append(keys[start[block] : start[block + 1]])
            self._bytes += keys.nbytes
            if self._spill is not None and self._bytes > HOLD_BYTES:
                self._write()

    def blocks(self, threads: int | None = None) -> Iterator[Rows]:
        """Rows of all cells in order, as CSR blocks; once."""
        yield from in_order(self._rows, range(len(self._held)), threads)

    def matrices(self, threads: int | None = None) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
        """All rows at once: transcripts, and those in nuclei; CSR int32 of the whole shape."""
        found = list(self.blocks(threads))
        if not found:
            return tuple(sparse.csr_matrix(self.shape, dtype=np.int32) for _ in range(2))
        return (
            sparse.vstack([rows.total for rows in found], format="csr"),
            sparse.vstack([rows.nucleus for rows in found], format="csr"),
        )

    def _write(self) -> None:
        assert self._spill is not None
        self._spill.mkdir(parents=True, exist_ok=True)
        for block, held in enumerate(self._held):
            if held:
                with open(self._spill / f"{block}.keys", "ab") as file:
                    for keys in held:
                        file.write(keys.data)
                held.clear()
        self._bytes = 0

    def _rows(self, block: int) -> Rows:
        first = block * self.cells_per_block
        cells = min(self.cells_per_block, self.shape[0] - first)
        pair, total, nucleus = reduce(_merge, map(_counted, self._keys(block)))
        shape = (cells, self.shape[1])
        indptr, indices = _split(pair, cells, self.shape[1])
        inside = nucleus > 0
        before = np.concatenate([[0], np.cumsum(inside)])[indptr].astype(np.int32)
        return Rows(
            first,
            sparse.csr_matrix((total, indices, indptr), shape),
            sparse.csr_matrix((nucleus[inside], indices[inside], before), shape),
        )

    def _keys(self, block: int) -> Iterator[Keys]:
        """Keys of a block, `SORT_AT_ONCE` or fewer at a time."""
        file = None if self._spill is None else self._spill / f"{block}.keys"
        if file is not None and file.exists():
            size = file.stat().st_size // 4
            for start in range(0, size, SORT_AT_ONCE):
                yield np.fromfile(
                    file, np.uint32, min(SORT_AT_ONCE, size - start), offset=4 * start
                )
            file.unlink()
        held, self._held[block] = self._held[block], []
        keys = np.concatenate(held) if held else np.empty(0, np.uint32)
        for start in range(0, max(1, len(keys)), SORT_AT_ONCE):
            yield keys[start : start + SORT_AT_ONCE]


def _counted(keys: Keys) -> Counts:
    """Counts of keys, which are sorted in place."""
    keys.sort()
    counts: Counts = _count(keys)
    return counts


def _merge(one: Counts, other: Counts) -> Counts:
    """Add up counts of two slices of a block's transcripts."""
    merged: Counts = _add(*one, *other)
    return merged


@numba.njit(cache=True, nogil=True)
def _partition(cell, column, in_nucleus, cells, columns, blocks):  # type: ignore[no-untyped-def]
    """Keys of the transcripts that have a cell, grouped by block, and where each block starts."""
    start = np.zeros(blocks + 1, np.int64)
    for i in range(cell.size):
        if cell[i] > 0:
            start[(cell[i] - 1) // cells + 1] += 1
    for b in range(blocks):
        start[b + 1] += start[b]
    position = start.copy()
    keys = np.empty(start[blocks], np.uint32)
    for i in range(cell.size):
        if cell[i] > 0:
            label = np.int64(cell[i]) - 1
            b = label // cells
            keys[position[b]] = (((label - b * cells) * columns + column[i]) << 1) | in_nucleus[i]
            position[b] += 1
    return keys, start


@numba.njit(cache=True, nogil=True)
def _count(keys):  # type: ignore[no-untyped-def]
    """Of sorted keys: the pairs (cell, column) that occur, their transcripts, those in nuclei."""
    n = 0
    for i in range(keys.size):
        n += i == 0 or keys[i] >> 1 != keys[i - 1] >> 1
    pair = np.empty(n, np.uint32)
    total = np.zeros(n, np.int32)
    nucleus = np.zeros(n, np.int32)
    k = -1
    for i in range(keys.size):
        if i == 0 or keys[i] >> 1 != keys[i - 1] >> 1:
            k += 1
            pair[k] = keys[i] >> 1
        total[k] += 1
        nucleus[k] += keys[i] & 1
    return pair, total, nucleus


@numba.njit(cache=True, nogil=True)
def _add(pair, total, nucleus, other_pair, other_total, other_nucleus):  # type: ignore[no-untyped-def]
    """Of two lists of sorted pairs with counts: all pairs, sorted, with their sums."""
    most = pair.size + other_pair.size
    out_pair, out_total = np.empty(most, np.uint32), np.empty(most, np.int32)
    out_nucleus = np.empty(most, np.int32)
    i = j = n = 0
    while i < pair.size or j < other_pair.size:
        from_one = j == other_pair.size or (i < pair.size and pair[i] <= other_pair[j])
        from_other = i == pair.size or (j < other_pair.size and other_pair[j] <= pair[i])
        out_pair[n] = pair[i] if from_one else other_pair[j]
        out_total[n] = out_nucleus[n] = 0
        if from_one:
            out_total[n] += total[i]
            out_nucleus[n] += nucleus[i]
            i += 1
        if from_other:
            out_total[n] += other_total[j]
            out_nucleus[n] += other_nucleus[j]
            j += 1
        n += 1
    return out_pair[:n].copy(), out_total[:n].copy(), out_nucleus[:n].copy()


@numba.njit(cache=True, nogil=True)
def _split(pair, cells, columns):  # type: ignore[no-untyped-def]
    """CSR row starts and columns of sorted pairs (cell, column)."""
    indptr = np.zeros(cells + 1, np.int32)
    indices = np.empty(pair.size, np.int32)
    for k in range(pair.size):
        row = np.int64(pair[k]) // columns
        indices[k] = np.int64(pair[k]) - row * columns
        indptr[row + 1] += 1
    for row in range(cells):
        indptr[row + 1] += indptr[row]
    return indptr, indices
