"""Sparse matrices of h5ad files, block of rows by block of rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
from scipy.sparse import csc_matrix, csr_matrix

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

    Parameters
    ----------
    parent
        Group that the matrix is written to.
    name
        Its name there.
    dtype
        Type of its values.
    """

    def __init__(self, parent: h5py.Group, name: str, dtype: Any) -> None:
        self.group = parent.create_group(name)
        self.group.attrs["encoding-type"] = "csr_matrix"
        self.group.attrs["encoding-version"] = "0.1.0"
        self._grow("data", dtype)
        self._grow("indices", np.int32)
        self._lengths: list[Any] = []

    def _grow(self, part: str, dtype: Any) -> None:
        self.group.create_dataset(
            part,
            shape=(0,),
            maxshape=(None,),
            dtype=dtype,
            chunks=(CHUNK_VALUES,),
            compression="gzip",
            compression_opts=1,
            shuffle=True,
        )

    def append(self, block: Any) -> None:
        """Append the rows of a CSR matrix."""
        for part in ("data", "indices"):
            dataset, values = self.group[part], getattr(block, part)
            start = dataset.shape[0]
            dataset.resize((start + len(values),))
            dataset[start:] = values
        self._lengths.append(np.diff(block.indptr).astype(np.int64))

    def close(self, shape: tuple[int, int]) -> None:
        """Write what is only known at the end."""
        indptr = np.zeros(shape[0] + 1, dtype=np.int64)
        np.cumsum(np.concatenate(self._lengths), out=indptr[1:])
        self.group.create_dataset("indptr", data=indptr)
        self.group.attrs["shape"] = np.array(shape, dtype=np.int64)
