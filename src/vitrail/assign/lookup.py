"""The label under each position, read chunk by chunk from label images on disk."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple, Protocol

import numba
import numpy as np
import numpy.typing as npt

from vitrail.io.cell_table import check_nuclei

CACHE_BYTES = 384 << 20

Int = npt.NDArray[np.int64]


class LabelImage(Protocol):
    """What the look-up needs of a label image: a zarr array or a numpy array."""

    shape: tuple[int, ...]

    def __getitem__(self, key: tuple[slice, slice]) -> npt.NDArray[np.int32]: ...


class Runs(NamedTuple):
    """A label chunk as runs of equal labels in a row, which take a tenth of its pixels' memory.

    A slide's labels then fit where its transcripts come in no spatial order, and each chunk is
    decoded once.

    Attributes
    ----------
    row
        int64 array of shape (height + 1,): first run of each row.
    column, label
        int32 arrays: first column and label of each run.
    """

    row: Int
    column: npt.NDArray[np.int32]
    label: npt.NDArray[np.int32]

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(part.nbytes for part in self)


class CellLookup:
    """Cell and nucleus under pixels of a slide; holds a bounded part of the label chunks.

    Parameters
    ----------
    cells
        Cell labels, int32 (y, x), 0 = background.
    nuclei
        Nucleus labels, int32 (y, x), 0 = background, or None where the sample has none.
    nucleus_cell
        int32 array of shape (number of nuclei + 1,): the cell that each nucleus belongs to,
        0 = none. Needed with `nuclei`.
    cache_bytes
        Memory for chunks that are kept for the next batch. Only time depends on it.
    """

    def __init__(
        self,
        cells: LabelImage,
        nuclei: LabelImage | None = None,
        nucleus_cell: npt.NDArray[np.int32] | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        if nuclei is not None and nuclei.shape != cells.shape:
            raise ValueError(f"cells have shape {cells.shape}, nuclei {nuclei.shape}")
        self.cells = cells
        self.nuclei = nuclei
        self.owner = np.zeros(1, np.int32) if nucleus_cell is None else nucleus_cell
        self.shape = (int(cells.shape[0]), int(cells.shape[1]))
        self.chunk = _chunk_shape(cells)
        self.cache_bytes = cache_bytes
        self._kept: OrderedDict[int, Runs] = OrderedDict()
        self._bytes = 0

    def inside(self, y: Int, x: Int) -> npt.NDArray[np.bool_]:
        """Whether each pixel lies in the image."""
        return (y >= 0) & (y < self.shape[0]) & (x >= 0) & (x < self.shape[1])

    def __call__(self, y: Int, x: Int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
        """Cell under each pixel, and whether it lies in a nucleus of that cell.

        Pixels are grouped by label chunk, so that each chunk is needed once a call.

        Parameters
        ----------
        y, x
            int64 pixel indices of shape (n,), all inside the image.
        """
        columns = -(-self.shape[1] // self.chunk[1])
        chunk = (y // self.chunk[0]) * columns + x // self.chunk[1]
        order, start, used = _group(chunk, -(-self.shape[0] // self.chunk[0]) * columns)
        packed = np.empty(len(y), dtype=np.int32)
        for k in used:
            members = order[start[k] : start[k + 1]]
            top, left = k // columns * self.chunk[0], k % columns * self.chunk[1]
            _gather(*self._runs(int(k), top, left), y, x, top, left, members, packed)
        return packed >> 1, (packed & 1).astype(bool)

    def _runs(self, k: int, top: int, left: int) -> Runs:
        """Chunk of packed labels, from those kept or from disk."""
        if k in self._kept:
            self._kept.move_to_end(k)
            return self._kept[k]
        runs = Runs(*_encode(self._read(top, left)))
        self._kept[k] = runs
        self._bytes += runs.nbytes
        while self._bytes > self.cache_bytes and len(self._kept) > 1:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return runs

    def _read(self, top: int, left: int) -> npt.NDArray[np.int32]:
        """Packed labels: twice the cell, plus one in a nucleus of that cell."""
        window = (
            slice(top, min(top + self.chunk[0], self.shape[0])),
            slice(left, min(left + self.chunk[1], self.shape[1])),
        )
        cells = np.ascontiguousarray(self.cells[window], dtype=np.int32)
        if self.nuclei is None:
            return cells << 1
        nuclei = np.ascontiguousarray(self.nuclei[window], dtype=np.int32)
        check_nuclei(nuclei, self.owner)
        return _pack(cells, nuclei, self.owner)


def _chunk_shape(labels: LabelImage) -> tuple[int, int]:
    """Unit of reading: a shard where the array has them, else a chunk, else all of it."""
    for name in ("shards", "chunks"):
        shape = getattr(labels, name, None)
        if shape is not None:
            return int(shape[0]), int(shape[1])
    return max(1, int(labels.shape[0])), max(1, int(labels.shape[1]))


@numba.njit(cache=True, nogil=True)
def _group(chunk, n_chunks):  # type: ignore[no-untyped-def]
    """Counting sort by chunk: order, first position of each chunk, chunks that occur."""
    start = np.zeros(n_chunks + 1, np.int64)
    for i in range(chunk.size):
        start[chunk[i] + 1] += 1
    used = np.flatnonzero(start[1:])
    for k in range(n_chunks):
        start[k + 1] += start[k]
    position = start[:-1].copy()
    order = np.empty(chunk.size, np.int64)
    for i in range(chunk.size):
        k = chunk[i]
        order[position[k]] = i
        position[k] += 1
    return order, start, used


@numba.njit(cache=True, nogil=True)
def _encode(labels):  # type: ignore[no-untyped-def]
    """Runs of equal labels: first run of each row, first column and label of each run."""
    h, w = labels.shape
    row = np.zeros(h + 1, np.int64)
    for i in range(h):
        n = 1
        for j in range(1, w):
            n += labels[i, j] != labels[i, j - 1]
        row[i + 1] = row[i] + n
    column = np.empty(row[h], np.int32)
    label = np.empty(row[h], np.int32)
    n = 0
    for i in range(h):
        for j in range(w):
            if j == 0 or labels[i, j] != labels[i, j - 1]:
                column[n], label[n] = j, labels[i, j]
                n += 1
    return row, column, label


@numba.njit(cache=True, nogil=True)
def _gather(row, column, label, y, x, top, left, members, out):  # type: ignore[no-untyped-def]
    for i in members:
        low, high = row[y[i] - top], row[y[i] - top + 1]
        wanted = x[i] - left
        while high - low > 1:
            middle = (low + high) >> 1
            if column[middle] <= wanted:
                low = middle
            else:
                high = middle
        out[i] = label[low]


@numba.njit(cache=True, nogil=True)
def _pack(cells, nuclei, owner):  # type: ignore[no-untyped-def]
    packed = np.empty_like(cells)
    for i in range(cells.shape[0]):
        for j in range(cells.shape[1]):
            cell = cells[i, j]
            in_nucleus = cell > 0 and nuclei[i, j] > 0 and owner[nuclei[i, j]] == cell
            packed[i, j] = (cell << 1) | in_nucleus
    return packed
