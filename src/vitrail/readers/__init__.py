"""Readers of raw slides, one a kind of input, behind one contract (`vitrail.readers.registry`).

This module is what the workflow asks while it is parsed: which files a sample needs and whether
its format is known. Standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vitrail.errors import VitrailError
from vitrail.settings import merge

DEFAULT_FORMAT = "generic"
# Readers of folders that instruments write, see `vitrail.readers.vendors`.
VENDOR_NAMES = ("cosmx", "imc", "merscope", "phenocycler", "visium_hd", "xenium")
READER_NAMES = (DEFAULT_FORMAT, *VENDOR_NAMES)
SLIDE_FILES = (
    "image",
    "transcripts",
    "labels",
    "nucleus_labels",
    "boundaries",
    "nucleus_boundaries",
)
PROJECTIONS = ("max", "mean")


def format_settings(formats: Mapping[str, Any], name: str | None) -> dict[str, Any]:
    """Entry of the config's ``formats`` by name, laid over the entry ``generic``.

    Parameters
    ----------
    formats
        The config's mapping of format names to entries.
    name
        The sheet's cell; None for ``generic``.

    Returns
    -------
    The entry. Of a vendor's reader, ``given`` holds what the config says beyond ``generic``: that
    counts before what the reader knows of the vendor's files.
    """
    generic = formats.get(DEFAULT_FORMAT) or {}
    if name is None:
        return merge({}, generic)
    if name not in formats:
        raise VitrailError(
            f"format '{name}' is unknown, wanted one of the config's 'formats': "
            f"{', '.join(sorted(formats))}."
        )
    entry = merge(generic, formats[name] or {})
    if entry.get("reader") in VENDOR_NAMES:
        entry["given"] = merge({}, formats[name])
    return entry


def check(row: Mapping[str, Any], formats: Mapping[str, Any], sheet: str) -> dict[str, Any]:
    """Check what one row of the sheet says about its format, before anything runs.

    Parameters
    ----------
    row
        Row of the sheet, with its number under ``row``.
    formats
        The config's mapping of format names to entries.
    sheet
        Path of the sheet, for the message.

    Returns
    -------
    The row, a vendor's folder resolved into its files (see `fill`).

    Raises
    ------
    VitrailError
        If the format or its reader is unknown, the row gives cells or nuclei twice, ``z`` is
        neither an index nor a projection, or a vendor's folder lacks a file.
    """
    place = f"{sheet}, row {row.get('row')} (sample {row.get('sample')})"
    try:
        entry = format_settings(formats, row.get("format"))
        check_single_source(row)
        plane(row.get("z"))
        return fill(row, entry)
    except VitrailError as error:
        raise VitrailError(f"{place}: {error}") from None


def reader_name(entry: Mapping[str, Any]) -> str:
    """Reader of a format entry."""
    name = entry.get("reader") or DEFAULT_FORMAT
    if name not in READER_NAMES:
        raise VitrailError(f"reader '{name}' is unknown, wanted one of {', '.join(READER_NAMES)}.")
    return str(name)


def fill(row: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """Row of the sheet whose file columns name the files of its folder, where it has one.

    Parameters
    ----------
    row
        Row of the sheet.
    entry
        Format entry, as from `format_settings`.

    Returns
    -------
    The row, with ``described_by``: files of the folder that say how others are to be read.

    Raises
    ------
    VitrailError
        If a file of the folder is missing, or the format reads no folder.
    """
    name = reader_name(entry)
    if "described_by" in row:
        return dict(row)
    if name in VENDOR_NAMES:
        from vitrail.readers import vendors

        return vendors.fill(name, row, entry)
    if row.get("folder"):
        raise VitrailError(
            f"names the folder '{row['folder']}', but reader '{name}' reads single files; wanted "
            f"a format whose reader is one of {', '.join(VENDOR_NAMES)}."
        )
    return {**row, "described_by": []}


def check_single_source(row: Mapping[str, Any]) -> None:
    """Cells, and nuclei, come from a label image or from boundaries, never from both."""
    for labels, boundaries in (
        ("labels", "boundaries"),
        ("nucleus_labels", "nucleus_boundaries"),
    ):
        if row.get(labels) and row.get(boundaries):
            raise VitrailError(f"has {labels} and {boundaries}, wanted one of the two.")


def plane(z: str | int | None) -> int | str | None:
    """The sheet's cell ``z``: index of a plane from 0, ``max`` or ``mean``, or None."""
    if z is None or z in PROJECTIONS:
        return z
    if isinstance(z, int) or str(z).isdecimal():
        return int(z)
    raise VitrailError(f"z is '{z}', wanted the index of a plane from 0, 'max' or 'mean'.")


def input_files(row: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, list[str]]:
    """Files that a sample's stage `ingest` reads, by the sheet's column.

    A folder is given as the list of its files, since a change deep in a folder goes unseen.

    Parameters
    ----------
    row
        Row of the sheet; file columns hold lists of paths or None.
    entry
        Format entry, as from `format_settings`.

    Returns
    -------
    Of a vendor's folder, ``folder`` holds the files that describe the others.
    """
    row = fill(row, entry)
    given = {column: paths(row.get(column)) for column in (*SLIDE_FILES, "table")}
    given["folder"] = paths(row.get("described_by"))
    return {
        column: [file for path in listed for file in _files(path)]
        for column, listed in given.items()
        if listed
    }


def at_hand(
    row: Mapping[str, Any], inputs: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Row of the sheet with the files' local copies, where its files are elsewhere.

    Parameters
    ----------
    row
        Row of the sheet; file columns hold lists of paths or URLs, or None.
    inputs
        The job's input files by column, as from `input_files` but at hand.

    Returns
    -------
    The row, and the sheet's name of each file whose local copy has another one.
    """
    local = dict(row)
    names: dict[str, str] = {}
    for column in (*SLIDE_FILES, "table"):
        listed = paths(row.get(column))
        files = [str(file) for file in inputs.get(column, ())]
        # A folder is given as its files, and is always on this machine.
        if listed and listed != files and len(listed) == len(files) and not _has_folder(listed):
            local[column] = files
            names |= dict(zip(files, listed, strict=True))
    return local, names


def _has_folder(listed: Sequence[str]) -> bool:
    return any(Path(path).is_dir() for path in listed)


def paths(cell: str | Sequence[str] | None) -> list[str]:
    """Paths of one cell of the sheet: a list, or a string with ``;`` between them."""
    parts = cell.split(";") if isinstance(cell, str) else list(cell or ())
    return [part.strip() for part in parts if part.strip()]


def _files(path: str) -> list[str]:
    folder = Path(path)
    if not folder.is_dir():
        return [path]
    return sorted(str(file) for file in folder.rglob("*") if file.is_file())
