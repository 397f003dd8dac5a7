"""Reader ``merscope``: the folder of a region of a MERSCOPE run.

Everything is placed by the vendor's transform of micrometres to pixels of the mosaic, and the
mosaic lies where that puts it: positions stay those of the vendor's own software. The vendor does
not say whether whole numbers are corners or centres of pixels; as in other readers they are taken
for corners (`half_pixel: true` moves transcripts and outlines alike by half a pixel).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitrail.errors import VitrailError
from vitrail.readers import paths, plane
from vitrail.readers.boundaries import BoundarySource
from vitrail.readers.delimited import column_names
from vitrail.readers.format import boundary_format
from vitrail.readers.generic import GenericSource, only
from vitrail.readers.vendors import with_known
from vitrail.readers.vendors.merscope import is_mosaic, stain_and_plane
from vitrail.readers.vendors.merscope_hdf5 import Hdf5Boundaries

# Relative difference of the two scales that is rounding.
SQUARE = 1e-3
TRANSCRIPT_COLUMNS = {"x": "global_x", "y": "global_y", "z": "global_z", "gene": "gene"}

Matrix = list[list[float]]


class MerscopeSource(GenericSource):
    """A region of a MERSCOPE run (contract: `registry.SlideSource`)."""

    def __init__(self, row: Mapping[str, Any], entry: Mapping[str, Any], threads: int = 1) -> None:
        transform = only(paths(row["described_by"]), "folder")
        self.affine = read_transform(transform)
        (sx, _, tx), (_, sy, ty) = self.affine
        images = paths(row.get("image"))
        # An image of one's own lies on the mosaic's pixels, and names its channels itself.
        vendors = all(is_mosaic(path) for path in images)
        self.mosaics = [stain_and_plane(path) for path in images] if vendors else []
        known: dict[str, Any] = {
            "image": {"origin": [-tx / sx, -ty / sy]},
            "transcripts": {
                "columns": {**TRANSCRIPT_COLUMNS, **_cell_column(row)},
                "unit": "pixel",
                "affine": self.affine,
            },
            "boundaries": {
                "columns": {"cell": "EntityID", **_outline_columns(row)},
                "unit": "pixel",
                "affine": self.affine,
                "plane": self._outline_plane(row),
            },
        }
        if self.mosaics:
            files = [{"channel": stain, "z": z} for stain, z in self._from_zero()]
            known["image"]["files"] = files
        # One plane is all that was asked for: what is open holds no other.
        planes = {z for _, z in self.mosaics}
        row = {**row, "z": None} if len(planes) == 1 else row
        super().__init__(row, with_known(entry, known), threads)

    def _from_zero(self) -> list[tuple[str, int]]:
        order = sorted({z for _, z in self.mosaics})
        return [(stain, order.index(z)) for stain, z in self.mosaics]

    def _outline_plane(self, row: Mapping[str, Any]) -> int | str:
        """The image's plane; all planes of a cell joined where the image is of several."""
        z = plane(row.get("z"))
        if isinstance(z, int):
            return z
        planes = {found for _, found in self.mosaics}
        return next(iter(planes)) if len(planes) == 1 else "union"

    def open_boundaries(self, kind: str, files: list[str]) -> BoundarySource:
        """Outlines: one parquet file, or HDF5 a field of view."""
        if not files[0].endswith(".hdf5"):
            return super().open_boundaries(kind, files)
        return Hdf5Boundaries(files, boundary_format(self.entry, kind))

    def find_pixel_size(self) -> float | None:
        """Micrometres a pixel of the mosaic, by the transform."""
        (sx, _, _), (_, sy, _) = self.affine
        return 2 / (sx + sy)


def read_transform(path: str) -> Matrix:
    """First two rows of the transform of micrometres to the mosaic's pixels.

    Raises
    ------
    VitrailError
        If the file is not three rows of three numbers, or turns the mosaic.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").replace(",", " ").split("\n")
        rows = [[float(value) for value in line.split()] for line in lines if line.strip()]
        (sx, a, _), (b, sy, _), last = rows
    except ValueError:
        raise VitrailError(
            f"{path}: is not three rows of three numbers, wanted the transform of micrometres to "
            "pixels of the mosaic; is it truncated or still being copied?"
        ) from None
    straight = max(abs(a), abs(b)) < SQUARE * min(sx, sy) and last == [0.0, 0.0, 1.0]
    if not straight or min(sx, sy) <= 0 or abs(sx - sy) > SQUARE * sx:
        raise VitrailError(
            f"{path}: is {rows}, wanted one scale for both axes and a shift, without a turn."
        )
    return rows[:2]


def _cell_column(row: Mapping[str, Any]) -> dict[str, str]:
    """The vendor's cell of a transcript, which newer tables give."""
    table = paths(row.get("transcripts"))
    there = table and Path(table[0]).is_file() and "cell_id" in column_names(table[0])
    return {"cell": "cell_id"} if there else {}


def _outline_columns(row: Mapping[str, Any]) -> dict[str, str]:
    """Columns of plane and geometry, as old and new tables name them."""
    table = paths(row.get("boundaries"))
    if not table or not table[0].endswith(".parquet") or not Path(table[0]).is_file():
        return {}
    names = column_names(table[0])
    found = {"plane": "ZIndex"} if "ZIndex" in names else {}
    geometry = next((name for name in ("Geometry", "geometry") if name in names), None)
    return found if geometry is None else {**found, "geometry": geometry}
