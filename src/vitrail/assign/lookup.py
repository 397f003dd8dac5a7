"""The label under each position, read chunk by chunk from label images on disk."""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

import numba
import numpy as np
import numpy.typing as npt

from vitrail.io.cell_table import check_nuclei

CACHE_BYTES = 256 << 20

Int = npt.NDArray[np.int64]


class LabelImage(Protocol):
    """What the look-up needs of a label image: a zarr array or a numpy array."""

    shape: tuple[int, ...]

    def __getitem__(self, key: tuple[slice, slice]) -> npt.NDArray[np.int32]: ...


class CellLookup:
    """Cell and nucleus under pixels of a slide; holds a bounded number of label chunks.

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
        Decoded chunks that are kept for the next batch. Only time depends on it.
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
        self.capacity = max(1, cache_bytes // (self.chunk[0] * self.chunk[1] * 4))
        self._kept: OrderedDict[int, npt.NDArray[np.int32]] = OrderedDict()

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
            _gather(self._labels(int(k), top, left), y, x, top, left, members, packed)
        return packed >> 1, (packed & 1).astype(bool)

    def _labels(self, k: int, top: int, left: int) -> npt.NDArray[np.int32]:
        """Chunk of packed labels: twice the cell, plus one in a nucleus of that cell."""
        if k in self._kept:
            self._kept.move_to_end(k)
            return self._kept[k]
        window = (
            slice(top, min(top + self.chunk[0], self.shape[0])),
            slice(left, min(left + self.chunk[1], self.shape[1])),
        )
        cells = np.ascontiguousarray(self.cells[window], dtype=np.int32)
        if self.nuclei is None:
            packed = cells << 1
        else:
            nuclei = np.ascontiguousarray(self.nuclei[window], dtype=np.int32)
            check_nuclei(nuclei, self.owner)
            packed = _pack(cells, nuclei, self.owner)
        self._kept[k] = packed
        if len(self._kept) > self.capacity:
            self._kept.popitem(last=False)
        return packed


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
def _gather(labels, y, x, top, left, members, out):  # type: ignore[no-untyped-def]
    for i in members:
        out[i] = labels[y[i] - top, x[i] - left]


@numba.njit(cache=True, nogil=True)
def _pack(cells, nuclei, owner):  # type: ignore[no-untyped-def]
    packed = np.empty_like(cells)
    for i in range(cells.shape[0]):
        for j in range(cells.shape[1]):
            cell = cells[i, j]
            in_nucleus = cell > 0 and nuclei[i, j] > 0 and owner[nuclei[i, j]] == cell
            packed[i, j] = (cell << 1) | in_nucleus
    return packed
