"""Reader ``cosmx``: the folder of a CosMx slide, its fields of view laid side by side.

The vendor's whole numbers are the centres of pixels: half a pixel is added, after y is turned. The
vendor numbers cells anew in each field; here a cell's number is `CELLS_PER_FIELD` times its field's
plus its own, in label images, outlines and transcripts alike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vitrail.errors import VitrailError
from vitrail.readers import paths
from vitrail.readers.boundaries import BoundarySource, Geometries, from_corners, joined
from vitrail.readers.delimited import column_names, no_column, read_batches
from vitrail.readers.format import (
    BoundaryFormat,
    TranscriptFormat,
    boundary_format,
    image_format,
    transcript_format,
)
from vitrail.readers.generic import BOUNDARY_COLUMNS, LABEL_COLUMNS, GenericSource, only
from vitrail.readers.image import ImageSource, image_of
from vitrail.readers.labels import LabelSource
from vitrail.readers.mosaic import Mosaic
from vitrail.readers.raster_file import RasterFile, open_raster
from vitrail.readers.tiff import TiffRaster, page_description
from vitrail.readers.transcripts import Float, TranscriptSource, numbers
from vitrail.readers.vendors import with_known
from vitrail.readers.vendors.cosmx import is_field
from vitrail.readers.vendors.cosmx_fields import (
    FIELD_NAMES,
    Frame,
    read_positions,
    read_run_pixel_size,
)

CELLS_PER_FIELD = 100_000
CELL_NAMES = ("cell_ID", "cellID")
PLACED = {"unit": "pixel", "half_pixel": True}
KNOWN: Mapping[str, Any] = {
    "transcripts": {
        "columns": {"x": "x_local_px", "y": "y_local_px", "z": "z", "gene": "target"},
        "flip_y": True,
        **PLACED,
    },
    "boundaries": {"columns": {"x": "x_local_px", "y": "y_local_px"}, **PLACED},
}


class CosmxSource(GenericSource):
    """A CosMx slide (contract: `registry.SlideSource`)."""

    def __init__(self, row: Mapping[str, Any], entry: Mapping[str, Any], threads: int = 1) -> None:
        entry = with_known(entry, KNOWN)
        # The mosaic's builder turns y field by field: nothing is left to turn in the mosaic.
        upwards = bool(entry["transcripts"].pop("flip_y"))
        described = paths(row["described_by"])
        positions = read_positions(described[0])
        in_run = read_run_pixel_size(described[1]) if len(described) > 1 else None
        self.stated_size = positions.pixel_size or in_run
        size = row.get("pixel_size") or entry.get("pixel_size") or self.stated_size
        # Images of one's own are of the whole slide; only the vendor's are of fields.
        images = [path for path in paths(row.get("image")) if is_field(path)]
        labels = [p for p in paths(row.get("labels")) if p.rpartition("/")[2].startswith("CellLab")]
        if not (images or labels):
            raise VitrailError(
                f"{described[0]}: neither images nor label images of its fields are read, wanted "
                "one of them to know the size of a field."
            )
        first = self.open_field((images or labels)[0], threads)
        self.frame = Frame([*images, *labels], positions, first.shape, size, upwards)
        super().__init__(row, entry, threads)

    @staticmethod
    def open_field(path: str, threads: int) -> RasterFile:
        """Image of one field; pages of a TIFF are stains."""
        if not path.lower().endswith((".tif", ".tiff")):
            return open_raster(path, None, threads)
        pages = TiffRaster.unnamed_pages(path)
        file = open_raster(path, "CYX" if pages else None, threads)
        if pages and file.names is None:
            file.names = stains(page_description(path), pages)
        return file

    def open_image(self, files: list[str]) -> ImageSource:
        """Mosaic of the fields' images, or an image of one's own."""
        if not all(is_field(path) for path in files):
            return super().open_image(files)
        mosaic = Mosaic(
            self.frame.fields(files),
            lambda path: self.open_field(path, self.threads),
            self.frame.shape,
        )
        return image_of([mosaic], image_format(self.entry), None)

    def open_labels(self, kind: str, files: list[str]) -> LabelSource:
        """Mosaic of the fields' label images, or one label image of one's own."""
        if kind != "cells" or not files[0].rpartition("/")[2].startswith("CellLabels"):
            return super().open_labels(kind, [only(files, LABEL_COLUMNS[kind])])
        mosaic = Mosaic(
            self.frame.fields(files),
            lambda path: open_raster(path, None, self.threads),
            self.frame.shape,
            numbered=CELLS_PER_FIELD,
        )
        return LabelSource(mosaic, None)

    def open_boundaries(self, kind: str, files: list[str]) -> BoundarySource:
        """Outlines by field, or a file of one's own."""
        path = only(files, BOUNDARY_COLUMNS[kind])
        form = boundary_format(self.entry, kind)
        if not any(name in column_names(path, form.delimiter) for name in FIELD_NAMES):
            return super().open_boundaries(kind, files)
        return CosmxBoundaries(path, form, self.frame)

    def open_transcripts(self, files: list[str]) -> TranscriptSource:
        """Transcripts by field."""
        path = only(files, "transcripts")
        return CosmxTranscripts(path, transcript_format(self.entry), self.frame)

    def find_pixel_size(self) -> float | None:
        """Micrometres a pixel: from positions in both units, else as the run's summary says it."""
        return self.stated_size


class CosmxTranscripts(TranscriptSource):
    """Transcripts whose positions and cells are those of a field of view."""

    def __init__(self, path: str, form: TranscriptFormat, frame: Frame) -> None:
        names = column_names(path, form.delimiter)
        self.field = _first(path, names, FIELD_NAMES, "the field of view of a transcript")
        columns = dict(form.columns)
        if columns["cell"] is None:
            columns["cell"] = next((name for name in CELL_NAMES if name in names), None)
        if columns["z"] not in names:
            columns["z"] = None
        super().__init__(path, _with_columns(form, columns))
        self.frame = frame

    def columns(self) -> dict[str, pa.DataType]:
        """Columns of the file that are read, and their types."""
        return {**super().columns(), self.field: pa.int64()}

    def positions(self, batch: pa.Table) -> tuple[Float, Float]:
        """Positions in the mosaic's pixels."""
        x, y = super().positions(batch)
        return self.frame.to_mosaic(self.path, batch[self.field].to_numpy(), x, y)

    def source_cells(self, batch: pa.Table) -> pa.Array:
        """Number of the cell in the mosaic's label image; null outside of cells."""
        cells = super().source_cells(batch)
        inside = numbers(cells.cast(pa.float64()))
        number = batch[self.field].to_numpy() * CELLS_PER_FIELD + np.nan_to_num(inside)
        return pa.array(number.astype(np.int64), mask=np.isnan(inside)).cast(pa.string())


class CosmxBoundaries(BoundarySource):
    """Outlines of cells, field by field."""

    def __init__(self, path: str, form: BoundaryFormat, frame: Frame) -> None:
        self.path = path
        self.form = form
        self.frame = frame
        names = column_names(path, form.delimiter)
        self.field = _first(path, names, FIELD_NAMES, "the field of view of a corner")
        self.cell = _first(path, names, CELL_NAMES, "the cell of a corner")

    def outlines(self) -> tuple[list[str], Geometries]:
        """Outlines in the mosaic's pixels; ids are the numbers of the label image."""
        x, y = (str(self.form.columns[axis]) for axis in ("x", "y"))
        wanted = {self.field: pa.int64(), self.cell: pa.int64(), x: pa.float64(), y: pa.float64()}
        empty = pa.schema(list(wanted.items())).empty_table()
        table = pa.concat_tables([empty, *read_batches(self.path, wanted, self.form.delimiter)])
        field: npt.NDArray[np.int64] = table[self.field].to_numpy()
        placed = self.frame.to_mosaic(self.path, field, table[x].to_numpy(), table[y].to_numpy())
        number = field * CELLS_PER_FIELD + table[self.cell].to_numpy()
        codes, shapes = from_corners(self.path, number, np.stack(placed, axis=1))
        return joined([str(code) for code in codes.tolist()], shapes)


def stains(description: str, count: int) -> list[str] | None:
    """Names of the stains of a morphology image, from the JSON in its first page."""
    order = re.search(r'"ChannelOrder"\s*:\s*"(\w+)"', description)
    if order is None or len(order[1]) != count:
        return None
    targets = re.findall(r'"BiologicalTarget"\s*:\s*"([^"]*)"', description)
    letters = re.findall(r'"ChannelId"\s*:\s*"([^"]*)"', description)
    named = dict(zip(letters, targets, strict=False))
    return [named.get(letter) or letter for letter in order[1]]


def _first(path: str, found: list[str], names: tuple[str, ...], purpose: str) -> str:
    chosen = next((name for name in names if name in found), None)
    if chosen is None:
        raise no_column(path, names[0], found, purpose)
    return chosen


def _with_columns(form: TranscriptFormat, columns: Mapping[str, str | None]) -> TranscriptFormat:
    from dataclasses import replace

    return replace(form, columns=columns)
