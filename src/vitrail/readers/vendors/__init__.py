"""Folders that instruments write, each vendor's in one module.

A vendor's module knows which files its folders hold (`files`, asked while the workflow is parsed,
so with the standard library only) and how they are to be read (a class for `registry`, whose
imports are its own). A folder fills the file columns of a row of the sheet, so that all else sees
a row that names its files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from vitrail.errors import VitrailError
from vitrail.readers import plane
from vitrail.readers.vendors.folder import Folder
from vitrail.settings import merge

OUTLINES = ("boundaries", "nucleus_boundaries")
LABELS = ("labels", "nucleus_labels")
# Values of the format's keys `cells` and `parts`.
CELLS = ("auto", "outlines", "labels", "none")
PARTS = ("image", "transcripts")

Files = dict[str, list[str]]


class Vendor(Protocol):
    """What a vendor's module has, beside the class that reads.

    Attributes
    ----------
    PREFERRED
        The vendor's cells where a folder has both and the config does not choose: ``outlines``
        or ``labels``.
    """

    PREFERRED: str

    def files(self, folder: Folder, wanted: Wanted) -> Files:
        """Files of a folder by column of the sheet; ``folder`` holds those that describe others.

        Raises
        ------
        VitrailError
            If a file of a part that is wanted is not there.
        """


@dataclass(frozen=True)
class Wanted:
    """What of a folder is to be read.

    Attributes
    ----------
    image, transcripts
        Whether these parts are.
    cells
        One of `CELLS`.
    z
        The sheet's plane.
    sample
        The sample's name.
    options
        The format's key ``options``: what only one vendor's reader knows.
    """

    image: bool
    transcripts: bool
    cells: str
    z: int | str | None
    sample: str
    options: Mapping[str, Any]


def vendor(name: str) -> Vendor:
    """Module of a vendor, by the name of its reader."""
    match name:
        case "cosmx":
            from vitrail.readers.vendors import cosmx

            return cosmx
        case "imc":
            from vitrail.readers.vendors import imc

            return imc
        case "merscope":
            from vitrail.readers.vendors import merscope

            return merscope
        case "phenocycler":
            from vitrail.readers.vendors import phenocycler

            return phenocycler
        case "visium_hd":
            from vitrail.readers.vendors import visium_hd

            return visium_hd
        case "xenium":
            from vitrail.readers.vendors import xenium

            return xenium
        case _:
            raise AssertionError(f"reader {name} is registered without a module")


def fill(name: str, row: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """Row of the sheet with the files of its folder in the columns that it leaves empty.

    Files that the row names itself count before those of the folder: a label image of one's own,
    for example, before the vendor's cells.

    Parameters
    ----------
    name
        The reader.
    row
        Row of the sheet.
    entry
        Format entry.

    Raises
    ------
    VitrailError
        One sentence that names the file that is not there.
    """
    module = vendor(name)
    folder = Folder(_path(name, row), name)
    wanted = _wanted(row, entry)
    found = module.files(folder, wanted)
    for column in _left_out(found, wanted.cells, module.PREFERRED, folder):
        found.pop(column, None)
    for given, other in (*zip(LABELS, OUTLINES, strict=True), *zip(OUTLINES, LABELS, strict=True)):
        if row.get(given):
            found.pop(other, None)
    described = found.pop("folder", [])
    filled = {column: list(files) for column, files in found.items() if not row.get(column)}
    return {**row, **filled, "described_by": described}


def with_known(entry: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Format entry with what a reader knows of its vendor's files.

    That counts before the defaults, and the config's own word on the format before that.
    """
    return merge(merge(entry, known), entry.get("given") or {})


def _path(name: str, row: Mapping[str, Any]) -> str:
    path = row.get("folder")
    if not path:
        raise VitrailError(f"format {name} reads a folder, wanted its path in the column folder.")
    return str(path)


def _wanted(row: Mapping[str, Any], entry: Mapping[str, Any]) -> Wanted:
    cells = entry.get("cells") or "auto"
    if cells not in CELLS:
        raise VitrailError(f"the format's cells is '{cells}', wanted one of {', '.join(CELLS)}.")
    # Cells of one's own stand for the vendor's.
    if all(
        row.get(label) or row.get(outline) for label, outline in zip(LABELS, OUTLINES, strict=True)
    ):
        cells = "none"
    parts = entry.get("parts")
    parts = PARTS if parts is None else parts
    for part in parts:
        if part not in PARTS:
            raise VitrailError(
                f"the format's parts has '{part}', wanted any of {', '.join(PARTS)}."
            )
    return Wanted(
        image="image" in parts and not row.get("image"),
        transcripts="transcripts" in parts and not row.get("transcripts"),
        cells=cells,
        z=plane(row.get("z")),
        sample=str(row.get("sample")),
        options=entry.get("options") or {},
    )


def _left_out(found: Files, cells: str, preferred: str, folder: Folder) -> tuple[str, ...]:
    """Columns of the vendor's cells that are not asked for."""
    if cells == "none":
        return (*OUTLINES, *LABELS)
    columns = {"outlines": OUTLINES, "labels": LABELS}
    there = [kind for kind, names in columns.items() if any(found.get(name) for name in names)]
    if cells == "auto":
        cells = preferred if preferred in there or not there else there[0]
    elif cells not in there:
        raise VitrailError(
            f"{folder.path}: holds no {cells} of cells (found {', '.join(there) or 'no cells'}), "
            "wanted by the format's key 'cells'."
        )
    return OUTLINES if cells == "labels" else LABELS
