"""Sparse matrices of h5ad files, block of rows by block of rows."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
from scipy.sparse import csc_matrix, csr_matrix

from vitrail.parallel import threaded

BLOCK_VALUES = 1 << 22
CHUNK_VALUES = 1 << 18


def csr_blocks(item: h5py.Group | h5py.Dataset, values: int = BLOCK_VALUES) -> Iterator[Any]:
    """Rows of a matrix in order, as CSR blocks of about `values` stored values.

    Dense matrices are read by blocks too; CSC matrices, which cannot be, as a whole.
    """
    if isinstance(item, h5py.Dataset):
        step = max(1, values // max(1, item.shape[1]))
        for start in range(0, item.shape[0], step):
            yield csr_matrix(item[start : start + step])
        return
    shape = tuple(int(size) for size in item.attrs["shape"])
    if item.attrs["encoding-type"] == "csc_matrix":
        parts = (item["data"][:], item["indices"][:], item["indptr"][:])
        yield csc_matrix(parts, shape=shape).tocsr()
        return
    indptr = item["indptr"][:].astype(np.int64)
    start = 0
    while start < shape[0]:
        stop = int(np.searchsorted(indptr, indptr[start] + values, side="right")) - 1
        stop = min(shape[0], max(start + 1, stop))
        a, b = indptr[start], indptr[stop]
        rows = (item["data"][a:b], item["indices"][a:b], indptr[start : stop + 1] - a)
        yield csr_matrix(rows, shape=(stop - start, shape[1]))
        start = stop


class CsrWriter:
    """A CSR matrix in an h5ad file that grows block by block.

    Values are written in whole chunks, each compressed once, in threads.

    Parameters
    ----------
    parent
        Group that the matrix is written to.
    name
        Its name there.
    dtype
        Type of its values.
    threads
        Threads that compress; None for all that the process may use.
    """

    def __init__(self, parent: h5py.Group, name: str, dtype: Any, threads: int | None = 1) -> None:
        self.group = parent.create_group(name)
        self.group.attrs["encoding-type"] = "csr_matrix"
        self.group.attrs["encoding-version"] = "0.1.0"
        self._columns = {
            part: _GrowingColumn(self.group, part, np.dtype(kind), threads)
            for part, kind in (("data", dtype), ("indices", np.int32))
        }
        self._lengths: list[Any] = []

    def append(self, block: Any) -> None:
        """Append the rows of a CSR matrix."""
        for part, column in self._columns.items():
            column.append(getattr(block, part))
        self._lengths.append(np.diff(block.indptr).astype(np.int64))

    def close(self, shape: tuple[int, int]) -> None:
        """Write what is only known at the end."""
        for column in self._columns.values():
            column.close()
        indptr = np.zeros(shape[0] + 1, dtype=np.int64)
        if self._lengths:
            np.cumsum(np.concatenate(self._lengths), out=indptr[1:])
        self.group.create_dataset("indptr", data=indptr)
        self.group.attrs["shape"] = np.array(shape, dtype=np.int64)


class _GrowingColumn:
    """A dataset that grows by whole chunks, shuffled and compressed as HDF5's filters do it."""

    def __init__(self, group: h5py.Group, name: str, dtype: Any, threads: int | None) -> None:
        self._dataset = group.create_dataset(
            name,
            shape=(0,),
            maxshape=(None,),
            dtype=dtype,
            chunks=(CHUNK_VALUES,),
            compression="gzip",
            compression_opts=1,
            shuffle=True,
        )
        self._threads = threads
        self._waiting: list[Any] = []
        self._rows = 0

    def append(self, values: Any) -> None:
        self._waiting.append(values.astype(self._dataset.dtype, copy=False))
        self._rows += len(values)
        if self._rows >= CHUNK_VALUES:
            rest = self._write_chunks(np.concatenate(self._waiting))
            self._waiting, self._rows = [rest], len(rest)

    def close(self) -> None:
        if self._rows:
            start = self._dataset.shape[0]
            self._dataset.resize((start + self._rows,))
            self._dataset[start:] = np.concatenate(self._waiting)

    def _write_chunks(self, values: Any) -> Any:
        """Write whole chunks and give back the rest."""
        start, whole = self._dataset.shape[0], len(values) // CHUNK_VALUES
        pieces = [values[k * CHUNK_VALUES : (k + 1) * CHUNK_VALUES] for k in range(whole)]
        self._dataset.resize((start + whole * CHUNK_VALUES,))
        for k, encoded in enumerate(threaded(_encode, pieces, self._threads)):
            self._dataset.id.write_direct_chunk((start + k * CHUNK_VALUES,), encoded)
        return values[whole * CHUNK_VALUES :].copy()


def _encode(values: Any) -> bytes:
    size = values.dtype.itemsize
    return zlib.compress(values.view(np.uint8).reshape(-1, size).T.tobytes(), 1)
