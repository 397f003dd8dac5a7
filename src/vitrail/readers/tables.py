"""Tables of cells that are already segmented: h5ad, csv or parquet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from vitrail.errors import VitrailError
from vitrail.readers.delimited import (
    cast_column,
    check_columns,
    column_names,
    is_parquet,
    no_column,
    open_parquet,
    read_batches,
)
from vitrail.readers.format import TableFormat

HDF5_START = b"\x89HDF\r\n\x1a\n"
Strings = list[str | None]
Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class CellTable:
    """Cells of one sample, as their file has them.

    Attributes
    ----------
    xy
        float64 (n, 2), in the file's unit.
    cell_type, source
        Cell types and the file's own names of the cells; None where it has none.
    area
        float64 (n,) in the file's unit squared, or None.
    counts
        scipy CSR (n, m), or None.
    genes
        Names of its m columns.
    """

    xy: npt.NDArray[np.float64]
    cell_type: Strings | None
    source: list[str] | None
    area: npt.NDArray[np.float64] | None
    counts: Any
    genes: list[str]


def read_table(path: str, form: TableFormat, conditions: Mapping[str, str]) -> CellTable:
    """Read the cells of one sample.

    Parameters
    ----------
    path
        h5ad, csv, csv.gz or parquet, told apart by their first bytes.
    form
        Its columns.
    conditions
        Column to value: only rows that have all of these are read.

    Raises
    ------
    VitrailError
        If a column is not there, a position is not a number, or no row fulfils the conditions.
    """
    if not Path(path).is_file():
        raise VitrailError(f"{path}: does not exist, wanted a table of cells.")
    with open(path, "rb") as file:
        is_hdf5 = file.read(8) == HDF5_START
    if is_hdf5:
        from vitrail.readers.annotated import read_h5ad

        table = read_h5ad(path, form, conditions)
    else:
        table = _read_columns(path, form, conditions)
    _check_positions(path, table.xy)
    return table


def parse_filter(text: str | None) -> dict[str, str]:
    """Conditions of the sheet's cell ``table_filter``: ``column=value``, several joined by ``;``.

    >>> parse_filter("imageID=reg001_A; Group=1")
    {'imageID': 'reg001_A', 'Group': '1'}
    """
    conditions = {}
    for part in (text or "").split(";"):
        if not part.strip():
            continue
        column, equals, value = part.partition("=")
        if not equals or not column.strip():
            raise VitrailError(f"table_filter is '{text}', wanted 'column=value'.")
        conditions[column.strip()] = value.strip()
    return conditions


def no_row(
    path: str, conditions: Mapping[str, str], found: Mapping[str, list[str]]
) -> VitrailError:
    """The error of conditions that no row fulfils, with some values of their columns."""
    asked = " and ".join(f"{column} = {value}" for column, value in conditions.items())
    shown = "; ".join(f"{column}: {', '.join(values[:5])}" for column, values in found.items())
    return VitrailError(f"{path}: no row has {asked} (found {shown}).")


def check_conditions(path: str, found: list[str], conditions: Mapping[str, str]) -> None:
    """Check that the columns of conditions are there."""
    for column in conditions:
        if column not in found:
            raise no_column(path, column, found, "for table_filter")


def as_text(value: Any) -> str | None:
    """A value as a condition or a category names it: whole numbers without their '.0'."""
    if value is None or value != value:
        return None
    return re.sub(r"^(-?\d+)\.0+$", r"\1", str(value))


def _read_columns(path: str, form: TableFormat, conditions: Mapping[str, str]) -> CellTable:
    found = column_names(path, form.delimiter)
    check_columns(path, found, form.columns, "table")
    check_conditions(path, found, conditions)
    types = {"x": pa.float64(), "y": pa.float64(), "area": pa.float64()}
    wanted = {
        column: types.get(role, pa.string()) for role, column in form.columns.items() if column
    }
    if is_parquet(path):
        columns = _rows_of_parquet(path, wanted, conditions)
    else:
        columns = _rows_of_csv(path, wanted, conditions, form.delimiter)
    roles = {role: columns[column] for role, column in form.columns.items() if column}
    return CellTable(
        xy=np.stack([roles["x"], roles["y"]], axis=1),
        cell_type=_texts(roles.get("cell_type")),
        source=[str(name) for name in roles["cell"]] if "cell" in roles else None,
        area=roles.get("area"),
        counts=None,
        genes=[],
    )


def _rows_of_parquet(
    path: str, wanted: Mapping[str, pa.DataType], conditions: Mapping[str, str]
) -> Columns:
    """Rows that fulfil the conditions.

    Row groups whose statistics exclude a value are not read, and of the others the columns that
    are wanted only where a row is.
    """
    file = open_parquet(path)
    values = {column: _typed(path, column, value, file) for column, value in conditions.items()}
    kept = [_no_rows(wanted)]
    for group in range(file.num_row_groups):
        if not _may_hold(file.metadata.row_group(group), values):
            continue
        mask = np.ones(file.metadata.row_group(group).num_rows, dtype=bool)
        for column, value in values.items():
            mask &= _values(file.read_row_group(group, columns=[column])[column]) == value
        if mask.any():
            table = file.read_row_group(group, columns=list(wanted))
            typed = {n: cast_column(path, n, table[n], kind) for n, kind in wanted.items()}
            kept.append({name: _values(column)[mask] for name, column in typed.items()})
    columns = _joined(kept)
    if conditions and not len(next(iter(columns.values()))):
        raise no_row(path, conditions, {c: _examples(file, c) for c in conditions})
    return columns


def _rows_of_csv(
    path: str,
    wanted: Mapping[str, pa.DataType],
    conditions: Mapping[str, str],
    delimiter: str | None,
) -> Columns:
    kept = [_no_rows(wanted)]
    seen: dict[str, dict[str, None]] = {column: {} for column in conditions}
    types = {**dict.fromkeys(conditions, pa.string()), **wanted}
    for batch in read_batches(path, types, delimiter):
        mask = np.ones(batch.num_rows, dtype=bool)
        for column, value in conditions.items():
            texts = [as_text(item) or "" for item in batch[column].to_pylist()]
            seen[column].update(dict.fromkeys(texts))
            mask &= np.array([text == value for text in texts], dtype=bool)
        kept.append({name: _values(batch[name])[mask] for name in wanted})
    columns = _joined(kept)
    if conditions and not len(next(iter(columns.values()))):
        raise no_row(path, conditions, {column: list(values) for column, values in seen.items()})
    return columns


def _values(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """A column as numpy: float64, or objects with None where missing.

    Rows are chosen in numpy and numbers are taken from their buffers, since arrow's own conversion
    imports pandas, which takes longer than all the rest of a small table.
    """
    parts = [_chunk_values(chunk) for chunk in column.chunks]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=object)


def _chunk_values(chunk: pa.Array) -> npt.NDArray[Any]:
    if pa.types.is_dictionary(chunk.type):
        names = np.array([*chunk.dictionary.to_pylist(), None], dtype=object)
        return names[np.array(chunk.indices.fill_null(len(names) - 1).to_pylist(), dtype=np.int64)]
    if pa.types.is_float64(chunk.type) and not chunk.null_count:
        numbers = np.frombuffer(chunk.buffers()[1], dtype=np.float64)
        return numbers[chunk.offset : chunk.offset + len(chunk)]
    values = chunk.to_pylist()
    if pa.types.is_floating(chunk.type):
        return np.array(values, dtype=np.float64)
    return np.array(values, dtype=object)


def _no_rows(wanted: Mapping[str, pa.DataType]) -> Columns:
    return {
        name: np.zeros(0, float if kind == pa.float64() else object)
        for name, kind in wanted.items()
    }


def _joined(parts: list[Columns]) -> Columns:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _may_hold(group: Any, values: Mapping[str, Any]) -> bool:
    """Whether a row group's statistics allow all values."""
    for i in range(group.num_columns):
        column = group.column(i)
        found = column.statistics
        if column.path_in_schema not in values or found is None or not found.has_min_max:
            continue
        if not found.min <= values[column.path_in_schema] <= found.max:
            return False
    return True


def _typed(path: str, column: str, value: str, file: pq.ParquetFile) -> Any:
    """A condition's value as the column holds it."""
    kind = file.schema_arrow.field(column).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    try:
        if pa.types.is_floating(kind):
            return float(value)
        if pa.types.is_integer(kind):
            return int(value)
    except ValueError:
        raise VitrailError(
            f"{path}: table_filter asks for {column} = '{value}', but the column holds {kind}."
        ) from None
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return value
    raise VitrailError(
        f"{path}: table_filter asks for {column} = '{value}', but the column holds {kind}, wanted "
        "texts or numbers."
    )


def _examples(file: pq.ParquetFile, column: str) -> list[str]:
    values = _values(file.read(columns=[column])[column]).tolist()
    return list(dict.fromkeys(as_text(value) or "" for value in values))


def _texts(values: npt.NDArray[Any] | None) -> Strings | None:
    return None if values is None else [text if text else None for text in values.tolist()]


def _check_positions(path: str, xy: npt.NDArray[np.float64]) -> None:
    wrong = np.flatnonzero(~np.isfinite(xy).all(axis=1))
    if len(wrong):
        x, y = xy[wrong[0]]
        raise VitrailError(
            f"{path}: cell {wrong[0]} (counted from 0) lies at x = {x:g}, y = {y:g}; wanted "
            f"numbers ({len(wrong)} cells have none)."
        )
