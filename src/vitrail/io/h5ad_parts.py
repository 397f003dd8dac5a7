"""Additions to a h5ad file that is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from vitrail.io.h5ad import write_element


def put(group: h5py.Group, name: str, value: Any) -> None:
    """Write one value, in place of what is there."""
    if name in group:
        del group[name]
    write_element(group, name, value)


def add_column(frame: h5py.Group, name: str, values: Any) -> None:
    """Put a column into `obs` or `var`: an array or a `Categorical`."""
    put(frame, name, values)
    order = [str(column) for column in frame.attrs["column-order"]]
    if name not in order:
        order.append(name)
    frame.attrs.create("column-order", order, dtype=h5py.string_dtype())


def put_frame(group: h5py.Group, name: str, index: list[str], columns: Mapping[str, Any]) -> None:
    """Put a data frame under a name, in place of what is there."""
    put(group, name, {"_index": np.array(index, dtype=object), **columns})
    frame = group[name]
    frame.attrs["encoding-type"], frame.attrs["encoding-version"] = "dataframe", "0.2.0"
    frame.attrs["_index"] = "_index"
    frame.attrs.create("column-order", list(columns), dtype=h5py.string_dtype())
