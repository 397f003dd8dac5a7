"""A group of an h5ad file as the same group of a zarr store.

anndata's encodings are one for both formats, so a table in a SpatialData store is a copy of the
AnnData file, dataset by dataset, without anndata and without holding more than a slab in memory.
"""

from __future__ import annotations

import math
from typing import Any

import h5py
import numpy as np
import zarr

from vitrail.io.zarr_children import create_array, create_group

CHUNK_BYTES = 1 << 22


def copy_group(source: h5py.Group, target: zarr.Group) -> None:
    """Copy attributes and members of an h5ad group into an empty zarr group (format 3)."""
    target.update_attributes(_attributes(source))
    _copy_members(source, target)


def _copy_members(source: h5py.Group, target: zarr.Group) -> None:
    for name in source:
        item = source[name]
        if isinstance(item, h5py.Group):
            _copy_members(item, create_group(target, name, _attributes(item)))
        elif item.shape is None:
            # HDF5's empty dataset is anndata's None; zarr has a scalar for it.
            _create(target, name, (), np.dtype(bool), (), item)
        else:
            _copy_dataset(item, target, name)


def _copy_dataset(source: h5py.Dataset, target: zarr.Group, name: str) -> None:
    text = h5py.check_string_dtype(source.dtype) is not None
    values: Any = source.asstr() if text else source
    dtype = str if text else source.dtype
    rows = _rows_a_chunk(source)
    chunks = tuple(max(1, size) for size in (rows, *source.shape[1:])) if source.shape else ()
    array = _create(target, name, source.shape, dtype, chunks, source)
    if not source.shape:
        array[()] = values[()]
    elif 0 not in source.shape:
        for start in range(0, source.shape[0], rows):
            array[start : start + rows] = values[start : start + rows]


def _rows_a_chunk(source: h5py.Dataset) -> int:
    if not source.shape:
        return 1
    row_bytes = max(1, source.dtype.itemsize * math.prod(source.shape[1:]))
    return max(1, min(source.shape[0], CHUNK_BYTES // row_bytes))


def _create(
    target: zarr.Group,
    name: str,
    shape: tuple[int, ...],
    dtype: Any,
    chunks: tuple[int, ...],
    source: h5py.Dataset,
) -> zarr.Array:
    return create_array(
        target, name, shape=shape, dtype=dtype, chunks=chunks, attributes=_attributes(source)
    )


def _attributes(item: h5py.Group | h5py.Dataset) -> dict[str, Any]:
    return {key: _plain(item.attrs[key]) for key in sorted(item.attrs)}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        return value.item()
    return value
