"""The sample sheet: one row a sample.

Called while the workflow is parsed, so imports stay light.
"""

from __future__ import annotations

import csv
import difflib
import os
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from vitrail.errors import VitrailError

FILE_COLUMNS = (
    "image",
    "transcripts",
    "labels",
    "nucleus_labels",
    "boundaries",
    "nucleus_boundaries",
    "table",
)
COLUMNS = (
    "sample",
    "condition",
    "unit",
    "format",
    "folder",
    *FILE_COLUMNS,
    "table_filter",
    "pixel_size",
    "z",
    "region",
    "shards",
)
COHORT_NAME = "cohort"
# Folders of the results that are not a sample's.
RESERVED_NAMES = frozenset(
    {COHORT_NAME, "synthetic", "logs", "benchmarks", "training", "evaluation"}
)
# Snakemake fills in what stands between these in a path.
PLACEHOLDER_MARKS = frozenset("{}<>")
SAMPLE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def read_sheet(path: str | Path, sections: Collection[str]) -> list[dict[str, Any]]:
    """Read and check the sample sheet.

    Parameters
    ----------
    path
        Tab-separated file with a header (comma-separated where its name ends in ``.csv``). Lines
        that start with ``#`` are comments; ``${NAME}`` stands for an environment variable.
    sections
        Names of the config's sections: a column ``section.key`` sets that key for one sample.

    Returns
    -------
    One mapping a sample: every name of `COLUMNS` (None where empty; ``pixel_size`` a float in
    micrometres, ``region`` four floats in micrometres, ``shards`` an int, file columns lists of
    paths), ``overrides`` (dotted config key to value) and ``row`` (its number in the file).

    Raises
    ------
    VitrailError
        One sentence that names the sheet, the row and the column.
    """
    header, lines = _read_lines(Path(path))
    _check_header(header, sections, str(path))
    rows = [_row(str(path), number, header, cells) for number, cells in lines]
    if not rows:
        raise VitrailError(f"{path}: lists no sample, wanted one row a sample below the header.")
    _check_unique(rows, str(path))
    return rows


def check_files(rows: Iterable[dict[str, Any]], sheet: str, made: str) -> None:
    """Check that the files that the sheet names are there.

    Parameters
    ----------
    made
        Folder whose files the workflow makes itself, and which are not looked for.
    """
    for row in rows:
        for column in ("folder", *FILE_COLUMNS):
            listed = [row[column]] if isinstance(row[column], str) else row[column]
            for path in listed or ():
                if set(path) & PLACEHOLDER_MARKS:
                    raise VitrailError(
                        f"{_place(sheet, row)}: {column} '{path}' has braces or angle brackets in "
                        "its name, which Snakemake would fill in; wanted a name without (a link "
                        "will do)."
                    )
                remote = "://" in path
                if not remote and not is_inside(path, made) and not Path(path).exists():
                    raise VitrailError(
                        f"{_place(sheet, row)}: {column} '{path}' does not exist, "
                        "wanted a readable file or folder."
                    )


def is_inside(path: str, folder: str) -> bool:
    """Whether a path stays below a folder: one that leads out of it again does not."""
    return ".." not in Path(path).parts and Path(folder) in Path(path).parents


def check_cohort_name(name: str, rows: Iterable[dict[str, Any]]) -> None:
    """Check that the cohort's folder is not a sample's, nor one that holds something else.

    Parameters
    ----------
    name
        The config's key ``cohort_name``.
    rows
        Rows of the sheet.

    Raises
    ------
    VitrailError
        One sentence that names the key.
    """
    taken = dict.fromkeys(RESERVED_NAMES - {COHORT_NAME}, "other results")
    taken |= {row["sample"].lower(): f"sample '{row['sample']}'" for row in rows}
    if name.lower() in taken:
        raise VitrailError(
            f"config: key 'cohort_name' is '{name}', which is the folder of {taken[name.lower()]}; "
            "wanted a name of its own."
        )


def _read_lines(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    if not path.is_file():
        raise VitrailError(f"{path}: the sample sheet does not exist (config key 'samples').")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise VitrailError(f"{path}: is not text in UTF-8, wanted a sample sheet.") from None
    delimiter = "," if path.suffix == ".csv" else "\t"
    records = [
        (number, [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter))])
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.startswith("#")
    ]
    if not records:
        raise VitrailError(f"{path}: is empty, wanted a header and one row a sample.")
    return records[0][1], records[1:]


def _check_header(header: list[str], sections: Collection[str], sheet: str) -> None:
    if "sample" not in header:
        raise VitrailError(
            f"{sheet}: the header has no column 'sample' (found {', '.join(header)}); "
            "wanted tab-separated columns."
        )
    for column in header:
        if header.count(column) > 1:
            raise VitrailError(f"{sheet}: column '{column}' occurs twice, wanted it once.")
        if column not in COLUMNS and column.split(".")[0] not in sections:
            close = difflib.get_close_matches(column, COLUMNS, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"known are {', '.join(COLUMNS)}"
            raise VitrailError(
                f"{sheet}: unknown column '{column}' ({hint}; "
                "a column 'section.key' sets a config key for single samples)."
            )


def _row(sheet: str, number: int, header: list[str], cells: list[str]) -> dict[str, Any]:
    if len(cells) > len(header):
        raise VitrailError(
            f"{sheet}, row {number}: has {len(cells)} cells, the header has {len(header)}."
        )
    filled = {k: _expand(sheet, number, v) for k, v in zip(header, cells, strict=False) if v}
    row: dict[str, Any] = {column: filled.get(column) for column in COLUMNS}
    row["row"] = number
    row["overrides"] = {
        column: _value(sheet, number, column, cell)
        for column, cell in filled.items()
        if column not in COLUMNS
    }
    _check_name(sheet, row)
    for column in FILE_COLUMNS:
        row[column] = [p.strip() for p in row[column].split(";")] if row[column] else None
    row["pixel_size"] = _positive(sheet, row, "pixel_size", float, "a number of micrometres")
    row["shards"] = _positive(sheet, row, "shards", int, "a whole number")
    row["region"] = _region(sheet, row)
    if row["shards"] is not None:
        row["overrides"].setdefault("tile.shards", row["shards"])
    _check_contents(sheet, row)
    return row


def _value(sheet: str, number: int, column: str, cell: str) -> Any:
    try:
        return yaml.safe_load(cell)
    except yaml.YAMLError:
        raise VitrailError(
            f"{sheet}, row {number}: {column} is '{cell}', wanted a value as the config has it "
            "(YAML; text with brackets, quotes or colons in quotes)."
        ) from None


def _expand(sheet: str, number: int, cell: str) -> str:
    expanded = os.path.expandvars(cell)
    missing = re.search(r"\$\{(\w+)\}", expanded)
    if missing:
        raise VitrailError(
            f"{sheet}, row {number}: the environment variable {missing[1]} in '{cell}' is not set."
        )
    return expanded


def _check_name(sheet: str, row: dict[str, Any]) -> None:
    name = row["sample"]
    if not name:
        raise VitrailError(f"{sheet}, row {row['row']}: the sample has no name.")
    if not SAMPLE_NAME.fullmatch(name):
        raise VitrailError(
            f"{sheet}, row {row['row']}: sample name {name!r} is not usable, wanted letters, "
            "digits, '.', '_' and '-', with a letter or digit first."
        )
    # On some file systems a folder's name has no case.
    if name.lower() in RESERVED_NAMES:
        raise VitrailError(
            f"{sheet}, row {row['row']}: sample name '{name}' is taken by a folder of the results."
        )


def _positive(sheet: str, row: dict[str, Any], column: str, kind: type, wanted: str) -> Any:
    if row[column] is None:
        return None
    try:
        value = kind(row[column])
    except ValueError:
        value = 0
    if not 0 < value < float("inf"):
        raise VitrailError(
            f"{_place(sheet, row)}: {column} is '{row[column]}', wanted {wanted} above 0."
        )
    return value


def _region(sheet: str, row: dict[str, Any]) -> list[float] | None:
    if row["region"] is None:
        return None
    try:
        x0, y0, x1, y1 = (float(part) for part in row["region"].split(","))
    except ValueError:
        x0 = y0 = x1 = y1 = 0.0
    if not (x0 < x1 and y0 < y1):
        raise VitrailError(
            f"{_place(sheet, row)}: region is '{row['region']}', "
            "wanted 'x0,y0,x1,y1' in micrometres with x0 < x1 and y0 < y1."
        )
    return [x0, y0, x1, y1]


def _check_contents(sheet: str, row: dict[str, Any]) -> None:
    given = [column for column in FILE_COLUMNS if row[column]]
    if row["table"] and len(given) > 1:
        others = ", ".join(c for c in given if c != "table")
        raise VitrailError(
            f"{_place(sheet, row)}: has a table and {others}, wanted a table alone "
            "or files of a slide."
        )
    cells = set(FILE_COLUMNS) - {"transcripts", "table"}
    if not row["table"] and not row["folder"] and not cells.intersection(given):
        raise VitrailError(
            f"{_place(sheet, row)}: has {' and '.join(given) or 'no file'}, "
            "wanted a vendor's folder, an image, labels, boundaries or a table."
        )


def _check_unique(rows: list[dict[str, Any]], sheet: str) -> None:
    seen: dict[str, int] = {}
    for row in rows:
        # Folders of names that differ by case alone are one folder on some file systems.
        key = row["sample"].lower()
        if key in seen:
            raise VitrailError(
                f"{sheet}: sample '{row['sample']}' is listed twice, in rows {seen[key]} "
                f"and {row['row']}; wanted each sample once."
            )
        seen[key] = row["row"]


def _place(sheet: str, row: dict[str, Any]) -> str:
    return f"{sheet}, row {row['row']} (sample {row['sample']})"


def raw_megabytes(row: Mapping[str, Any]) -> float:
    """Size of the files and folders that a row names, in megabytes; what is not there yet has none.

    Parameters
    ----------
    row
        Row of the sheet.
    """
    named = (path for column in FILE_COLUMNS for path in row.get(column) or ())
    return sum(_bytes(Path(path)) for path in named) / 1e6


def _bytes(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size if path.is_file() else 0
