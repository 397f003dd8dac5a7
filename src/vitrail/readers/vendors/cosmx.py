"""Files of a CosMx slide (NanoString, Bruker): flat files and images of old and new exports."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING

from vitrail.errors import VitrailError
from vitrail.readers.vendors.folder import Folder

if TYPE_CHECKING:
    from vitrail.readers.vendors import Files, Wanted

PREFERRED = "labels"
TRANSCRIPTS = ("the transcripts", "SLIDE_tx_file.csv", r"(.*/)?[^/]*_tx_file\.csv(\.gz)?")
POSITIONS = (
    "the positions of the fields of view",
    "SLIDE_fov_positions_file.csv",
    r"(.*/)?[^/]*_fov_positions_file\.csv(\.gz)?",
)
OUTLINES = (
    "the outlines of cells",
    "SLIDE-polygons.csv",
    r"(.*/)?[^/]*[-_]polygons\.csv(\.gz)?",
)
# Stains as they were taken; else the composite of older exports, which is a picture.
IMAGES = (
    r"(.*/)?Morphology2D/[^/]*_F\d+\.(tif|tiff|TIF|TIFF)",
    r"(.*/)?CellComposite/[^/]*_F\d+\.(jpg|jpeg|png|tif)",
)
LABELS = r"(.*/)?CellLabels_F\d+\.(tif|TIF|tiff)"
RUN = r"(.*/)?[^/]*_ExptConfig\.txt"
FIELD = re.compile(r"_F(\d+)\.\w+$")


def files(folder: Folder, wanted: Wanted) -> Files:
    """Files of a slide's folder by column of the sheet (contract: `vendors.Vendor`)."""
    found = {"folder": [_one(folder, *POSITIONS), *folder.matching(RUN)[:1]]}
    if wanted.image:
        found["image"] = _images(folder)
    if wanted.transcripts:
        found["transcripts"] = [_one(folder, *TRANSCRIPTS)]
    labels = folder.matching(LABELS)
    if labels:
        found["labels"] = labels
    if folder.matching(OUTLINES[2]):
        found["boundaries"] = [_one(folder, *OUTLINES)]
    elif not labels and wanted.cells == "auto":
        raise folder.missing("the label images of cells", "CellLabels/CellLabels_F001.tif")
    return found


def field_number(path: str) -> int:
    """Number of the field of view of an image, by its name."""
    match = FIELD.search(PurePath(path).name)
    if match is None:
        raise VitrailError(f"{path}: is not named by a field of view, wanted a name as x_F001.tif.")
    return int(match[1])


def is_field(path: str) -> bool:
    """Whether an image is named as one of a field of view is."""
    return FIELD.search(PurePath(path).name) is not None


def _one(folder: Folder, what: str, name: str, pattern: str) -> str:
    found = folder.matching(pattern)
    if not found:
        raise folder.missing(what, name, f"{name}.gz")
    if len(found) > 1:
        raise VitrailError(
            f"{folder.path}: has {len(found)} files of {what} ({', '.join(found[:3])}), wanted one "
            "slide a folder."
        )
    return found[0]


def _images(folder: Folder) -> list[str]:
    for pattern in IMAGES:
        found = folder.matching(pattern)
        if found:
            return found
    raise folder.missing(
        "the images", "CellStatsDir/Morphology2D/RUN_F00001.TIF", "CellComposite/x_F001.jpg"
    )
