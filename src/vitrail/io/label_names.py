"""The vendor's names of given labels, beside the label image that holds their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

FILE = "names.parquet"


def write_names(element: Path, names: Sequence[str]) -> None:
    """Write the names of labels 1 to n of a labels element.

    Parameters
    ----------
    element
        The element's folder, for example ``slide.zarr/labels/cells``.
    names
        Name of each label, in the order of the labels.
    """
    pq.write_table(pa.table({"name": pa.array(names, pa.string())}), element / FILE)


def read_names(element: Path) -> list[str] | None:
    """Names of labels 1 to n of a labels element; None where it has none."""
    path = element / FILE
    return pq.read_table(path)["name"].to_pylist() if path.is_file() else None
