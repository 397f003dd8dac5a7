"""Reader ``xenium``: the folder of a Xenium run.

Positions of transcripts are micrometres from the image's outer corner: the vendor gives a
transcript the mask's cell in pixel floor(x / s), so that pixel i covers [i s, (i + 1) s) as in this
program's frame. Outlines run through the centres of a mask's outermost pixels and name these by
their indices: half a pixel is added, and they are grown by half a pixel. docs/formats.md has the
vendor's own assignment with and without these two steps.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from vitrail.errors import VitrailError
from vitrail.readers import paths
from vitrail.readers.boundaries import BoundarySource
from vitrail.readers.delimited import column_names
from vitrail.readers.format import boundary_format, image_format
from vitrail.readers.generic import BOUNDARY_COLUMNS, LABEL_COLUMNS, GenericSource, only
from vitrail.readers.image import ImageSource, image_of
from vitrail.readers.labels import LabelSource
from vitrail.readers.raster_file import open_raster
from vitrail.readers.vendors import with_known
from vitrail.readers.vendors.xenium_masks import XeniumMask, cell_names

KNOWN: Mapping[str, Any] = {
    "transcripts": {
        "columns": {
            "x": "x_location",
            "y": "y_location",
            "z": "z_location",
            "gene": "feature_name",
            "quality": "qv",
            "cell": "cell_id",
        },
    },
    "boundaries": {
        "columns": {"cell": "cell_id", "x": "vertex_x", "y": "vertex_y"},
        "half_pixel": True,
        "grow_px": 0.5,
    },
}
# Stains of the multimodal segmentation kit, where files of its first version do not name them.
STAINS = ("DAPI", "ATP1A1/CD45/E-Cadherin", "18S", "AlphaSMA/Vimentin")


class XeniumSource(GenericSource):
    """A Xenium run (contract: `registry.SlideSource`)."""

    def __init__(self, row: Mapping[str, Any], entry: Mapping[str, Any], threads: int = 1) -> None:
        self.experiment = read_experiment(only(paths(row["described_by"]), "folder"))
        super().__init__(row, with_known(entry, KNOWN), threads)

    def open_image(self, files: list[str]) -> ImageSource:
        """The image: one file, or one a stain that each hold the whole."""
        form = image_format(self.entry)
        first = open_raster(files[0], form.axes, self.threads)
        if len(files) > 1 and sum(first.groups) == 1:
            rasters = [first, *(open_raster(path, form.axes, self.threads) for path in files[1:])]
        elif sum(first.groups) == len(files) or len(files) == 1:
            rasters = [first]
        else:
            raise VitrailError(
                f"{files[0]}: names {sum(first.groups)} channels, but {len(files)} files of "
                "stains lie beside it; wanted as many."
            )
        channels = sum(sum(raster.groups) for raster in rasters)
        if channels <= len(STAINS) and any(raster.names is None for raster in rasters):
            for raster, name in zip(rasters, STAINS, strict=False):
                raster.names = list(STAINS[:channels]) if len(rasters) == 1 else [name]
        return image_of(rasters, form, self.z)

    def open_labels(self, kind: str, files: list[str]) -> LabelSource:
        """The vendor's mask, or a label image of one's own."""
        path = only(files, LABEL_COLUMNS[kind])
        if not path.endswith(".zarr.zip"):
            return super().open_labels(kind, files)
        labels = LabelSource(XeniumMask(path, kind, self.experiment["pixel_size"]), None)
        if kind == "cells":
            labels.names = partial(cell_names, path)
        return labels

    def open_boundaries(self, kind: str, files: list[str]) -> BoundarySource:
        """The vendor's outlines; from analysis 2 on a cell may have several nuclei."""
        form = boundary_format(self.entry, kind)
        path = only(files, BOUNDARY_COLUMNS[kind])
        if kind == "nuclei" and "label_id" in column_names(path, form.delimiter):
            form = boundary_format(
                {**self.entry, "nucleus_boundaries": {"columns": {"cell": "label_id"}}}, kind
            )
        return BoundarySource(path, form, self.z)

    def find_pixel_size(self) -> float | None:
        """Micrometres a pixel as the run's description says it."""
        return float(self.experiment["pixel_size"])


def read_experiment(path: str) -> dict[str, Any]:
    """Description of a run, ``experiment.xenium``.

    Raises
    ------
    VitrailError
        If it is not JSON, or does not say the pixel size.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        size = document["pixel_size"]
    except (ValueError, KeyError, TypeError):
        raise VitrailError(
            f"{path}: is not a complete description of a Xenium run, wanted JSON with the key "
            "'pixel_size'; is it truncated or still being copied?"
        ) from None
    if not isinstance(size, (int, float)) or not 0 < size < 100:
        raise VitrailError(f"{path}: pixel_size is {size!r}, wanted micrometres a pixel.")
    return dict(document)
