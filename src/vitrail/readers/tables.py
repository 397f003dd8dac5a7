"""Tables of cells that are already segmented: h5ad, csv or parquet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vitrail.errors import VitrailError
from vitrail.readers.delimited import (
    cast_column,
    check_columns,
    column_names,
    is_parquet,
    read_batches,
)
from vitrail.readers.format import TableFormat

HDF5_START = b"\x89HDF\r\n\x1a\n"
Strings = list[str | None]


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


def as_text(value: Any) -> str | None:
    """A value as a condition or a category names it: whole numbers without their '.0'."""
    if value is None or value != value:
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _read_columns(path: str, form: TableFormat, conditions: Mapping[str, str]) -> CellTable:
    found = column_names(path, form.delimiter)
    check_columns(path, found, form.columns, "table")
    check_columns(path, found, {name: name for name in conditions}, "table")
    types = {"x": pa.float64(), "y": pa.float64(), "area": pa.float64()}
    wanted = {
        column: types.get(role, pa.string()) for role, column in form.columns.items() if column
    }
    read = _rows_of_parquet if is_parquet(path) else _rows_of_csv
    table = read(path, wanted, conditions, form.delimiter)
    names = form.columns
    return CellTable(
        xy=np.stack([_floats(table, names[axis]) for axis in ("x", "y")], axis=1),
        cell_type=_texts(table, names["cell_type"]),
        source=[text or "" for text in _texts(table, names["cell"]) or ()] or None,
        area=_floats(table, names["area"]) if names["area"] else None,
        counts=None,
        genes=[],
    )


def _rows_of_parquet(
    path: str, wanted: Mapping[str, pa.DataType], conditions: Mapping[str, str], _: str | None
) -> pa.Table:
    """Rows that fulfil the conditions; only they, and only these columns, become values."""
    import pyarrow.dataset as ds

    data = ds.dataset(path, format="parquet")
    keep = None
    for column, value in conditions.items():
        term = ds.field(column) == _scalar(path, column, value, data.schema.field(column).type)
        keep = term if keep is None else keep & term
    table = data.to_table(columns=list(wanted), filter=keep)
    if conditions and not table.num_rows:
        raise no_row(path, conditions, {c: _examples(data, c) for c in conditions})
    return _typed(path, table, wanted)


def _typed(path: str, table: pa.Table, wanted: Mapping[str, pa.DataType]) -> pa.Table:
    return pa.table(
        {name: cast_column(path, name, table[name], kind) for name, kind in wanted.items()}
    )


def _scalar(path: str, column: str, value: str, kind: pa.DataType) -> pa.Scalar:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    try:
        return pa.scalar(value).cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise VitrailError(
            f"{path}: table_filter asks for {column} = '{value}', but the column holds {kind}."
        ) from None


def _examples(data: Any, column: str) -> list[str]:
    values = data.to_table(columns=[column])[column].unique().to_pylist()
    return [as_text(value) or "" for value in values]


def _rows_of_csv(
    path: str,
    wanted: Mapping[str, pa.DataType],
    conditions: Mapping[str, str],
    delimiter: str | None,
) -> pa.Table:
    columns = {**dict.fromkeys(conditions, pa.string()), **wanted}
    kept = [pa.schema(list(columns.items())).empty_table()]
    seen: dict[str, dict[str, None]] = {column: {} for column in conditions}
    for batch in read_batches(path, columns, delimiter):
        mask = np.ones(batch.num_rows, dtype=bool)
        for column, value in conditions.items():
            values = [as_text(item) or "" for item in batch[column].to_pylist()]
            seen[column].update(dict.fromkeys(values))
            mask &= np.array([item == value for item in values], dtype=bool)
        kept.append(batch.filter(pa.array(mask)))
    table = pa.concat_tables(kept)
    if conditions and not table.num_rows:
        raise no_row(path, conditions, {column: list(values) for column, values in seen.items()})
    return table


def _floats(table: pa.Table, column: str | None) -> npt.NDArray[np.float64]:
    return np.asarray(table[column].to_numpy(), dtype=np.float64)


def _texts(table: pa.Table, column: str | None) -> Strings | None:
    if column is None:
        return None
    return [text if text else None for text in table[column].to_pylist()]


def _check_positions(path: str, xy: npt.NDArray[np.float64]) -> None:
    wrong = np.flatnonzero(~np.isfinite(xy).all(axis=1))
    if len(wrong):
        x, y = xy[wrong[0]]
        raise VitrailError(
            f"{path}: cell {wrong[0]} (counted from 0) lies at x = {x:g}, y = {y:g}; wanted "
            f"numbers ({len(wrong)} cells have none)."
        )
