"""Tables in csv, csv.gz and parquet, read in batches with the columns that are asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vitrail.errors import VitrailError

BATCH_ROWS = 1 << 18
CSV_BLOCK_BYTES = 1 << 24


def is_parquet(path: str | Path) -> bool:
    """Whether a file begins as parquet does."""
    with open(path, "rb") as file:
        return file.read(4) == b"PAR1"


def is_gzip(path: str | Path) -> bool:
    """Whether a file begins as gzip does."""
    with open(path, "rb") as file:
        return file.read(2) == b"\x1f\x8b"


def column_names(path: str, delimiter: str | None = None) -> list[str]:
    """Names of a table's columns."""
    files = _files(path)
    if is_parquet(files[0]):
        return list(open_parquet(files[0]).schema_arrow.names)
    return _csv_header(files[0], delimiter)


def check_columns(path: str, found: list[str], wanted: Mapping[str, str | None], part: str) -> None:
    """Check that the columns that the format names are there.

    Parameters
    ----------
    path
        The table.
    found
        Its columns.
    wanted
        Role to column; None where the table has none.
    part
        Part of the format entry that names them.
    """
    for role, column in wanted.items():
        if column is not None and column not in found:
            raise no_column(path, column, found, f"the {role} of {part}.columns")


def no_column(path: str, column: str, found: list[str], purpose: str) -> VitrailError:
    """The error of a column that is not there, with those that are."""
    shown = ", ".join(found[:30]) + (", ..." if len(found) > 30 else "")
    return VitrailError(f"{path}: has no column '{column}' (found {shown}), wanted {purpose}.")


def read_batches(
    path: str, columns: Mapping[str, pa.DataType], delimiter: str | None = None
) -> Iterator[pa.Table]:
    """Read a table batch by batch, in the order of its rows.

    Parameters
    ----------
    path
        csv, csv.gz or parquet, or a folder of parquet files, taken in the order of their names.
    columns
        Columns to be read, all of them there, and the type of each.
    delimiter
        Of a csv; None for the one that its header suggests.

    Raises
    ------
    VitrailError
        If a value is not of the column's type, or the file is damaged.
    """
    for file in _files(path):
        if is_parquet(file):
            yield from _parquet_batches(file, columns)
        else:
            yield from _csv_batches(file, columns, delimiter)


def _files(path: str) -> list[str]:
    place = Path(path)
    if place.is_dir():
        files = sorted(place.rglob("*.parquet"), key=_natural)
        if not files:
            raise VitrailError(f"{path}: the folder holds no parquet file.")
        return [str(file) for file in files]
    if not place.is_file():
        raise VitrailError(f"{path}: does not exist, wanted a table.")
    if place.stat().st_size == 0:
        raise VitrailError(f"{path}: is an empty file, wanted a table with a header.")
    return [path]


def _natural(path: Path) -> list[Any]:
    parts = re.split(r"(\d+)", str(path))
    return [int(part) if part.isdigit() else part for part in parts]


def open_parquet(path: str, dictionaries: list[str] | None = None) -> pq.ParquetFile:
    """Open a parquet file; a batch of it is read at a time.

    Parameters
    ----------
    path
        The file.
    dictionaries
        Columns of strings that are read as codes and a dictionary.
    """
    try:
        return pq.ParquetFile(
            path, buffer_size=1 << 20, pre_buffer=False, read_dictionary=dictionaries
        )
    except (pa.ArrowInvalid, OSError) as error:
        raise _torn(path, "parquet file", error) from None


def _parquet_batches(path: str, columns: Mapping[str, pa.DataType]) -> Iterator[pa.Table]:
    file = open_parquet(path, [n for n, t in columns.items() if pa.types.is_dictionary(t)])
    try:
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=list(columns)):
            yield pa.table(
                {name: _cast(path, name, batch[name], kind) for name, kind in columns.items()}
            )
    except OSError as error:
        raise _torn(path, "parquet file", error) from None


def cast_column(
    path: str, name: str, column: pa.ChunkedArray, kind: pa.DataType
) -> pa.ChunkedArray:
    """Column of a table as another type; the error names file and column."""
    chunks = [_cast(path, name, chunk, kind) for chunk in column.chunks]
    return pa.chunked_array(chunks, kind)


def _cast(path: str, name: str, values: pa.Array, kind: pa.DataType) -> pa.Array:
    if values.type == kind:
        return values
    try:
        if pa.types.is_dictionary(kind):
            return _encoded(values)
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        if pa.types.is_string(kind):
            values = _readable(values)
        # A position in float64 or a quality in float32 need not be an exact copy.
        return values.cast(kind, safe=not pa.types.is_floating(kind))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise _not_a(path, name, kind, f"holds {values.type}", str(error)) from None


def _encoded(values: pa.Array) -> pa.Array:
    """Names as codes of 32 bits and a dictionary of strings."""
    if not pa.types.is_dictionary(values.type):
        values = _readable(values).cast(pa.string()).dictionary_encode()
    codes = values.indices.cast(pa.int32())
    return pa.DictionaryArray.from_arrays(codes, values.dictionary.cast(pa.string()))


def _readable(values: pa.Array) -> pa.Array:
    """Whole numbers kept as floats (a column with gaps) without their '.0'."""
    if not pa.types.is_floating(values.type):
        return values
    try:
        return values.cast(pa.int64())
    except pa.ArrowInvalid:
        return values


def _csv_header(path: str, delimiter: str | None) -> list[str]:
    return _split_header(_first_line(path), delimiter)


def _split_header(line: str, delimiter: str | None) -> list[str]:
    import csv

    return next(csv.reader([line], delimiter=delimiter or _delimiter(line)), [])


def _first_line(path: str) -> str:
    import gzip

    try:
        opener: Any = gzip.open if is_gzip(path) else open
        with opener(path, "rb") as file:
            return str(file.readline().decode("utf-8-sig").rstrip("\r\n"))
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise _torn(path, "table", error) from None


def _delimiter(header: str) -> str:
    """The one of tab, semicolon and comma that the header has; a header of one column has none."""
    return max(",\t;", key=header.count)


def _csv_batches(
    path: str, columns: Mapping[str, pa.DataType], delimiter: str | None
) -> Iterator[pa.Table]:
    from pyarrow import csv

    line = _first_line(path)
    try:
        stream = pa.input_stream(path, compression="gzip" if is_gzip(path) else None)
        reader = csv.open_csv(
            stream,
            read_options=csv.ReadOptions(block_size=CSV_BLOCK_BYTES),
            parse_options=csv.ParseOptions(delimiter=delimiter or _delimiter(line)),
            convert_options=csv.ConvertOptions(
                column_types=dict(columns),
                include_columns=list(columns),
                strings_can_be_null=False,
            ),
        )
        for batch in reader:
            yield pa.Table.from_batches([batch])
    except (pa.ArrowInvalid, OSError) as error:
        raise _csv_error(path, error, columns, line, delimiter) from None


def _csv_error(
    path: str,
    error: Exception,
    columns: Mapping[str, pa.DataType],
    line: str,
    delimiter: str | None,
) -> VitrailError:
    text = str(error)
    if "Empty CSV file" in text:
        return VitrailError(f"{path}: is an empty file, wanted a table with a header.")
    ragged = re.search(r"Expected (\d+) columns, got (\d+)", text)
    if ragged:
        return VitrailError(
            f"{path}: a row has {ragged[2]} columns and the header {ragged[1]}; is the file "
            "truncated or still being copied?"
        )
    found = re.search(r"conversion error to (\w+): invalid value '(.*)'", text, re.DOTALL)
    column = re.search(r"In CSV column #(\d+)", text)
    if column and (found or "invalid UTF8" in text):
        position = int(column[1])
        header = _split_header(line, delimiter)
        name = header[position] if position < len(header) else next(iter(columns))
        if not found:
            return VitrailError(
                f"{path}: column '{name}' holds text in another encoding, wanted UTF-8."
            )
        wanted = "whole numbers" if found[1].startswith("int") else "numbers"
        return VitrailError(f"{path}: column '{name}' holds '{found[2]}', wanted {wanted}.")
    return _torn(path, "table", error)


def _not_a(path: str, name: str, kind: pa.DataType, holds: str, detail: str) -> VitrailError:
    value = re.search(r"parse string: '(.*)' as a scalar", detail, re.DOTALL)
    shown = f"holds '{value[1]}'" if value else holds
    wanted = "numbers" if pa.types.is_floating(kind) or pa.types.is_integer(kind) else "texts"
    return VitrailError(f"{path}: column '{name}' {shown}, wanted {wanted}.")


def _torn(path: str, kind: str, error: Exception) -> VitrailError:
    reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
    return VitrailError(
        f"{path}: is not a complete {kind} ({reason}); is it truncated or still being copied?"
    )
