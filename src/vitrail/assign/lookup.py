"""The label under each position, read chunk by chunk from label images on disk."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Protocol

import numba
import numpy as np
import numpy.typing as npt

from vitrail.assign.chunks import MAX_SIDE, ChunkCache, Runs, encode, gather
from vitrail.io.cell_table import check_nuclei

CACHE_BYTES = 640 << 20
# Side of the pieces that an image without chunks is read in.
PIECE = 2048

# What a look-up gives for positions without a pixel; labels are not negative.
# `SEVERAL` marks those in several outlines that none of them may have.
SEVERAL, NOT_FINITE, NOT_INSIDE = -3, -2, -1

Float = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Frame:
    """Where the label grid lies.

    Attributes
    ----------
    pixel_size
        Edge of a pixel in micrometres.
    origin
        (x, y) in micrometres of the outer corner of pixel (0, 0).
    """

    pixel_size: float = 1.0
    origin: tuple[float, float] = (0.0, 0.0)


class LabelImage(Protocol):
    """What the look-up needs of a label image: a zarr array or a numpy array."""

    shape: tuple[int, ...]

    def __getitem__(self, key: tuple[slice, slice]) -> npt.NDArray[np.int32]: ...


class Lookup(Protocol):
    """Gives the cell at positions, from label images or outlines."""

    def __call__(self, x: Float, y: Float, frame: Frame) -> npt.NDArray[np.int32]:
        """Packed cells, see `CellLookup.__call__`."""


class CellLookup:
    """Cell and nucleus at positions on a slide; holds a bounded part of the label chunks.

    Threads may share one.

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
        Memory for chunks that are kept for the next batch. Only time depends on it: where it holds
        a share s of the chunks, calls that need all of them read about 1 - s of them again.
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
        self.chunks = ChunkCache(self._read, cache_bytes)
        self._calls = itertools.count()

    def __call__(self, x: Float, y: Float, frame: Frame) -> npt.NDArray[np.int32]:
        """Cell at each position, and whether it lies in a nucleus of that cell.

        Positions are grouped by label chunk, so that each chunk is needed once a call.

        Parameters
        ----------
        x, y
            Micrometres, of shape (n,).
        frame
            Where the label images lie.

        Returns
        -------
        int32 array of shape (n,): twice the cell, plus one in a nucleus of that cell;
        `NOT_INSIDE` outside of the images, `NOT_FINITE` where x or y is not a finite number.
        """
        grid = (-(-self.shape[0] // self.chunk[0]), -(-self.shape[1] // self.chunk[1]))
        out = np.empty(len(x), np.int32)
        chunk, within = _place(
            np.asarray(x), np.asarray(y), frame.pixel_size, *frame.origin, *self.shape,
            *self.chunk, grid[1], out,
        )  # fmt: skip
        order, sorted_within, start = _group(chunk, within, grid[0] * grid[1])
        used = np.flatnonzero(np.diff(start))
        # Forwards and backwards in turn: a call begins with what the last ones held at their end,
        # and threads begin at different ends, so that they do not wait for each other's reading.
        for k in used[:: 1 - 2 * (next(self._calls) % 2)]:
            members = slice(start[k], start[k + 1])
            gather(*self.chunks[int(k)], sorted_within[members], order[members], out)
        return out

    def _read(self, number: int) -> Runs:
        """Runs of packed labels: twice the cell, plus one in a nucleus of that cell."""
        row, column = divmod(number, -(-self.shape[1] // self.chunk[1]))
        top, left = row * self.chunk[0], column * self.chunk[1]
        window = (
            slice(top, min(top + self.chunk[0], self.shape[0])),
            slice(left, min(left + self.chunk[1], self.shape[1])),
        )
        cells = np.ascontiguousarray(self.cells[window], dtype=np.int32)
        if self.nuclei is None:
            return encode(cells << 1)
        nuclei = np.ascontiguousarray(self.nuclei[window], dtype=np.int32)
        check_nuclei(nuclei, self.owner)
        return encode(_pack(cells, nuclei, self.owner))


def unpack(packed: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """Cell (0 = none) and whether in its nucleus, from what a look-up gives."""
    inside = packed >= 0
    return np.where(inside, packed >> 1, 0).astype(np.int32), inside & ((packed & 1) == 1)


def _chunk_shape(labels: LabelImage) -> tuple[int, int]:
    """Unit of reading: a shard where the array has them, else a chunk, else a piece."""
    for name in ("shards", "chunks"):
        shape = getattr(labels, name, None)
        if shape is not None:
            break
    else:
        shape = (PIECE, PIECE)
    height, width = (max(1, min(int(side), MAX_SIDE)) for side in shape)
    return height, width


@numba.njit(cache=True, nogil=True)
def _place(x, y, size, x0, y0, h, w, ch, cw, columns, out):  # type: ignore[no-untyped-def]
    """Chunk of each position, -1 without one, and row << 16 | column in it.

    Positions without a pixel get their value in `out`.
    """
    chunk = np.empty(x.size, np.int32)
    within = np.empty(x.size, np.uint32)
    for i in range(x.size):
        # The same arithmetic as `vitrail.coordinates.pixel_index`.
        column = np.floor((np.float64(x[i]) - x0) / size)
        row = np.floor((np.float64(y[i]) - y0) / size)
        if 0 <= column < w and 0 <= row < h:
            r, c = np.int64(row), np.int64(column)
            above, left = r // ch, c // cw
            chunk[i] = above * columns + left
            within[i] = ((r - above * ch) << 16) | (c - left * cw)
        else:
            chunk[i] = -1
            finite = np.isfinite(x[i]) and np.isfinite(y[i])
            out[i] = NOT_INSIDE if finite else NOT_FINITE
    return chunk, within


@numba.njit(cache=True, nogil=True)
def _group(chunk, within, n_chunks):  # type: ignore[no-untyped-def]
    """Counting sort by chunk, without those of chunk -1: order, within and starts of the chunks."""
    start = np.zeros(n_chunks + 1, np.int64)
    for i in range(chunk.size):
        start[chunk[i] + 1] += 1
    start[0] = 0
    for k in range(n_chunks):
        start[k + 1] += start[k]
    position = start.copy()
    order = np.empty(start[n_chunks], np.int32)
    grouped = np.empty(start[n_chunks], np.uint32)
    for i in range(chunk.size):
        k = chunk[i]
        if k >= 0:
            order[position[k]] = i
            grouped[position[k]] = within[i]
            position[k] += 1
    return order, grouped, start


@numba.njit(cache=True, nogil=True)
def _pack(cells, nuclei, owner):  # type: ignore[no-untyped-def]
    packed = np.empty_like(cells)
    for i in range(cells.shape[0]):
        for j in range(cells.shape[1]):
            cell = cells[i, j]
            in_nucleus = cell > 0 and nuclei[i, j] > 0 and owner[nuclei[i, j]] == cell
            packed[i, j] = (cell << 1) | in_nucleus
    return packed
