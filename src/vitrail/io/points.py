"""Points elements of a SpatialData store: parquet parts in a folder, written one after another."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa

from vitrail.io import parquet
from vitrail.io.spatialdata_store import write_group

POINTS_VERSION = "0.2"
ROWS_PER_PART = 1_000_000


def part_path(element: str | Path, part: int) -> Path:
    """Path of one part of a points element."""
    return Path(element) / "points.parquet" / f"part.{part}.parquet"


def part_paths(element: str | Path) -> list[Path]:
    """Parts of a points element, in their order."""
    folder = Path(element) / "points.parquet"
    return sorted(folder.glob("part.*.parquet"), key=lambda path: int(path.name.split(".")[1]))


def write_part(element: str | Path, part: int, table: pa.Table) -> None:
    """Write one part of a points element.

    Parts may be written in any order; `begin_points` makes the element they belong to.

    Parameters
    ----------
    element
        The element's folder.
    part
        Number of the part, from 0.
    table
        Rows with the columns ``x`` and ``y`` in micrometres.
    """
    table = table.replace_schema_metadata({"pandas": json.dumps(_pandas_metadata(table.schema))})
    strings = [field.name for field in table.schema if not pa.types.is_primitive(field.type)]
    path = part_path(element, part)
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write(
        table,
        path,
        compression_level=1,
        use_dictionary=strings,
        # The bytes of neighbouring numbers resemble each other, their bits as a whole do not.
        use_byte_stream_split=[f.name for f in table.schema if pa.types.is_floating(f.type)],
    )


def _pandas_metadata(schema: pa.Schema) -> dict[str, Any]:
    """What dask needs to know of dictionaries: that each part may have categories of its own.

    Without it dask takes them to be known and none, and fails when it writes them again.
    """
    columns = [
        {
            "name": field.name,
            "field_name": field.name,
            "pandas_type": "categorical",
            "numpy_type": "int32",
            "metadata": {"num_categories": 0, "ordered": False},
        }
        for field in schema
        if pa.types.is_dictionary(field.type)
    ]
    return {
        "index_columns": [],
        "column_indexes": [],
        "columns": columns,
        "pandas_version": "2.2.0",
    }


def begin_points(
    element: str | Path, *, feature_key: str = "gene", instance_key: str | None = None
) -> None:
    """Make the folder of a points element in micrometres, and its metadata.

    Parameters
    ----------
    element
        The element's folder, for example ``slide.zarr/points/transcripts``.
    feature_key
        Column of the genes.
    instance_key
        Column of the cells, if there is one.
    """
    folder = Path(element)
    (folder / "points.parquet").mkdir(parents=True)
    axes = [{"name": axis, "type": "space", "unit": "unit"} for axis in ("x", "y")]
    keys = {"version": POINTS_VERSION, "feature_key": feature_key}
    if instance_key is not None:
        keys["instance_key"] = instance_key
    attributes: dict[str, Any] = {
        "encoding-type": "ngff:points",
        "axes": ["x", "y"],
        "coordinateTransformations": [
            {
                "type": "identity",
                "input": {"name": "xy", "axes": axes},
                "output": {"name": "global", "axes": axes},
            }
        ],
        "spatialdata_attrs": keys,
    }
    write_group(folder, attributes)


def begin_parts(
    element: str | Path,
    schema: pa.Schema,
    *,
    feature_key: str = "gene",
    instance_key: str | None = None,
) -> Callable[[int, pa.Table], None]:
    """Make a points element whose parts come as they are, in any order and from any thread.

    Parameters
    ----------
    element, feature_key, instance_key
        As in `begin_points`.
    schema
        Columns of the element.

    Returns
    -------
    Writes a part: its number from 0 and its table.
    """
    begin_points(element, feature_key=feature_key, instance_key=instance_key)

    def write(part: int, table: pa.Table) -> None:
        rows = table.select(schema.names).cast(schema)
        write_part(element, part, rows.unify_dictionaries().combine_chunks())

    return write


class PointsWriter:
    """Writes a points element from tables of any length, in parts of equal length.

    The parts do not depend on how the rows arrive. An element without rows has one empty part, so
    that it has its columns.

    Parameters
    ----------
    element
        The element's folder.
    schema
        Columns of the element.
    rows_per_part
        Rows of each part but the last.
    feature_key, instance_key
        As in `begin_points`.
    """

    def __init__(
        self,
        element: str | Path,
        schema: pa.Schema,
        *,
        rows_per_part: int = ROWS_PER_PART,
        feature_key: str = "gene",
        instance_key: str | None = None,
    ) -> None:
        self.element = Path(element)
        self.schema = schema
        self.rows_per_part = rows_per_part
        self.rows = 0
        self._parts = 0
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0
        begin_points(element, feature_key=feature_key, instance_key=instance_key)

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        self._waiting.append(table.select(self.schema.names).cast(self.schema))
        self._waiting_rows += table.num_rows
        self.rows += table.num_rows
        if self._waiting_rows >= self.rows_per_part:
            self._write_parts(last=False)

    def close(self) -> None:
        """Write the rows that wait for their part to be full."""
        self._write_parts(last=True)

    def _write_parts(self, last: bool) -> None:
        table = pa.concat_tables([self.schema.empty_table(), *self._waiting])
        start = 0
        while table.num_rows - start >= self.rows_per_part:
            self._write(table.slice(start, self.rows_per_part))
            start += self.rows_per_part
        rest = table.slice(start)
        if last and (rest.num_rows or not self._parts):
            self._write(rest)
            rest = self.schema.empty_table()
        self._waiting, self._waiting_rows = [rest], rest.num_rows

    def _write(self, table: pa.Table) -> None:
        write_part(self.element, self._parts, table.unify_dictionaries().combine_chunks())
        self._parts += 1

    def __enter__(self) -> PointsWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
