"""Files of a MERSCOPE region (Vizgen): mosaics, transcripts, outlines of old and new software."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING

from vitrail.errors import VitrailError
from vitrail.readers.vendors.folder import Folder, natural

if TYPE_CHECKING:
    from vitrail.readers.vendors import Files, Wanted

PREFERRED = "outlines"
MOSAIC = re.compile(r"mosaic_(?P<stain>.+)_z(?P<plane>\d+)\.tiff?")
TRANSFORM = "micron_to_mosaic_pixel_transform.csv"
TRANSCRIPTS = tuple(f"detected_transcripts.{end}" for end in ("csv", "csv.gz", "parquet"))
# The instrument's own outlines, then those of the vendor's postprocessing tool.
OUTLINES = (
    "cell_boundaries.parquet",
    "cellpose_micron_space.parquet",
    "cellpose2_micron_space.parquet",
    "watershed_micron_space.parquet",
)
# Before 2023: one file a field of view.
OLD_OUTLINES = r"cell_boundaries/feature_data_\d+\.hdf5"


def files(folder: Folder, wanted: Wanted) -> Files:
    """Files of a region's folder by column of the sheet (contract: `vendors.Vendor`)."""
    transform = folder.need("the transform", f"images/{TRANSFORM}", TRANSFORM)
    found = {"folder": [transform]}
    if wanted.image:
        found["image"] = _mosaics(folder, wanted.z)
    if wanted.transcripts:
        found["transcripts"] = [folder.need("the transcripts", *TRANSCRIPTS)]
    outlines = folder.first(*OUTLINES)
    old = folder.matching(OLD_OUTLINES)
    if outlines is not None or old:
        found["boundaries"] = old if outlines is None else [outlines]
    elif wanted.cells in ("auto", "outlines"):
        names = (OUTLINES[0], "cell_boundaries/feature_data_0.hdf5")
        raise folder.missing("the outlines of cells", *names)
    return found


def is_mosaic(path: str) -> bool:
    """Whether an image is named as a mosaic is."""
    return MOSAIC.fullmatch(PurePath(path).name) is not None


def stain_and_plane(path: str) -> tuple[str, int]:
    """Stain and plane of a mosaic, by its name."""
    match = MOSAIC.fullmatch(PurePath(path).name)
    if match is None:
        raise VitrailError(
            f"{path}: is not named as a mosaic of MERSCOPE, wanted mosaic_STAIN_zPLANE.tif."
        )
    return match["stain"], int(match["plane"])


def _mosaics(folder: Folder, z: int | str | None) -> list[str]:
    """Mosaics of the wanted plane, or of all where they are projected; by stain, then plane."""
    paths = folder.matching(r"(images/)?mosaic_.+_z\d+\.tiff?")
    if not paths:
        raise folder.missing("the images", "images/mosaic_DAPI_z0.tif")
    planes: dict[str, dict[int, str]] = {}
    for path in paths:
        stain, plane = stain_and_plane(path)
        planes.setdefault(stain, {})[plane] = path
    there = sorted({plane for found in planes.values() for plane in found})
    if z is None and len(there) > 1:
        raise VitrailError(
            f"{folder.path}: has mosaics of the planes {', '.join(map(str, there))}, wanted the "
            "sheet's column z to name one, or 'max' or 'mean'."
        )
    if isinstance(z, int) and z not in there:
        raise VitrailError(
            f"{folder.path}: has no mosaic of plane {z}, wanted one of "
            f"{', '.join(map(str, there))} in the sheet's column z."
        )
    chosen = [z] if isinstance(z, int) else there
    for stain, found in planes.items():
        lacking = sorted(set(chosen) - set(found))
        if lacking:
            raise folder.missing(f"plane {lacking[0]}", f"images/mosaic_{stain}_z{lacking[0]}.tif")
    return [planes[stain][plane] for stain in sorted(planes, key=natural) for plane in chosen]
