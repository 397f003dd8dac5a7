"""Files of a Xenium run (10x Genomics), as its onboard analysis 1 to 4 lays them out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vitrail.errors import VitrailError
from vitrail.readers.vendors.folder import Folder

if TYPE_CHECKING:
    from vitrail.readers.vendors import Files, Wanted

# The outlines are simplified (13 or 25 corners); the masks are what the vendor counted by.
PREFERRED = "labels"
EXPERIMENT = "experiment.xenium"
STACK = "morphology.ome.tif"
PROJECTION = "morphology_mip.ome.tif"
FOCUS = "morphology_focus.ome.tif"
# From analysis 2 on: one file a stain, each of them naming the others.
FOCUS_STAINS = r"morphology_focus/(morphology_focus_|ch)(\d+)(_[^/]*)?\.ome\.tif"
MASKS = "cells.zarr.zip"
TABLES = (".parquet", ".csv.gz", ".csv")


def files(folder: Folder, wanted: Wanted) -> Files:
    """Files of a run's folder by column of the sheet (contract: `vendors.Vendor`)."""
    found = {"folder": [folder.need("the description", EXPERIMENT)]}
    if wanted.image:
        found["image"] = _image(folder, wanted.z)
    if wanted.transcripts:
        found["transcripts"] = [folder.need("the transcripts", *_table("transcripts"))]
    masks = folder.first(MASKS)
    if masks is not None:
        found["labels"] = found["nucleus_labels"] = [masks]
    needed = wanted.cells == "outlines" or (wanted.cells == "auto" and masks is None)
    for column, name in (("boundaries", "cell"), ("nucleus_boundaries", "nucleus")):
        outlines = _table(f"{name}_boundaries")
        path = folder.first(*outlines)
        if path is not None:
            found[column] = [path]
        elif needed:
            raise folder.missing(f"the outlines of the {name} segmentation", *outlines)
    return found


def _table(name: str) -> tuple[str, ...]:
    return tuple(name + ending for ending in TABLES)


def _image(folder: Folder, z: int | str | None) -> list[str]:
    """The image in focus, or what a plane or a projection is read from."""
    if z == "max" and folder.first(PROJECTION):
        return [folder.need("the projection", PROJECTION)]
    if z is not None:
        return [folder.need("the stack of planes", STACK)]
    stains = folder.matching(FOCUS_STAINS)
    if not stains:
        return [folder.need("the image", FOCUS, "morphology_focus/morphology_focus_0000.ome.tif")]
    numbers = [int(re.findall(r"(?:focus_|/ch)(\d+)", name)[-1]) for name in stains]
    gaps = sorted(set(range(len(numbers))) - set(numbers))
    if gaps:
        raise VitrailError(
            f"{folder.path}: morphology_focus holds the images {numbers}, wanted the one with "
            f"number {gaps[0]} too."
        )
    return stains
