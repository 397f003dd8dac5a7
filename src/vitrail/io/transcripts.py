"""Transcripts read part by part, and the element that carries their cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from vitrail.io import parquet

BATCH_ROWS = 1 << 20

CODED = pa.dictionary(pa.int32(), pa.string())
ASSIGNED_FIELDS = (
    pa.field("cell", pa.int32()),
    pa.field("compartment", CODED),
    pa.field("status", CODED),
)


def read_batches(
    parts: Sequence[str | Path], columns: Sequence[str] | None = None, rows: int = BATCH_ROWS
) -> Iterator[pa.RecordBatch]:
    """Rows of a points element in order, at most `rows` at a time.

    Parameters
    ----------
    parts
        Parquet files, in order.
    columns
        Columns to read; all if None.
    rows
        Largest number of rows in memory at once.
    """
    for part in parts:
        with parquet.open_file(part) as file:
            yield from file.iter_batches(rows, columns=None if columns is None else list(columns))


def units(
    parts: Sequence[str | Path], columns: Sequence[str] | None = None
) -> list[Callable[[], pa.Table]]:
    """The row groups of a points element in order, each read when it is called.

    Threads may call them at the same time. A part without row groups is one unit without rows, so
    that its columns are known.

    Parameters
    ----------
    parts, columns
        As in `read_batches`.
    """
    found: list[Callable[[], pa.Table]] = []
    for part in parts:
        groups = pq.read_metadata(part).num_row_groups
        wanted = None if columns is None else list(columns)
        found += [partial(_read_group, part, group, wanted) for group in range(max(1, groups))]
    return found


def _read_group(part: str | Path, group: int, columns: list[str] | None) -> pa.Table:
    with parquet.open_file(part) as file:
        if group >= file.num_row_groups:
            empty = file.schema_arrow.empty_table()
            return empty if columns is None else empty.select(columns)
        return file.read_row_group(group, columns=columns, use_threads=False)


def assigned_schema(parts: Sequence[str | Path]) -> pa.Schema:
    """Columns of assigned transcripts: the raw ones, then cell, compartment and status."""
    raw = pq.read_schema(parts[0]).remove_metadata()
    for new in ASSIGNED_FIELDS:
        raw = raw.append(new)
    return raw
