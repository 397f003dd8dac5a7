"""Reader ``generic``: files in ordinary formats, each named in the sheet."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from vitrail.errors import VitrailError
from vitrail.readers import SLIDE_FILES, check_single_source, input_files, paths, plane
from vitrail.readers.boundaries import BoundarySource
from vitrail.readers.format import boundary_format, image_format, transcript_format
from vitrail.readers.image import ImageSource, open_image
from vitrail.readers.labels import LabelSource
from vitrail.readers.transcripts import TranscriptSource

LABEL_COLUMNS = {"cells": "labels", "nuclei": "nucleus_labels"}
BOUNDARY_COLUMNS = {"cells": "boundaries", "nuclei": "nucleus_boundaries"}


class GenericSource:
    """A slide in ordinary files (contract: `registry.SlideSource`)."""

    def __init__(self, row: Mapping[str, Any], entry: Mapping[str, Any], threads: int = 1) -> None:
        given = {column: paths(row.get(column)) for column in SLIDE_FILES}
        _check_there(given)
        check_single_source(given)
        z = plane(row.get("z"))
        form = image_format(entry)
        self.files = [file for listed in input_files(row, entry).values() for file in listed]
        self.origin = form.origin
        self.image: ImageSource | None = None
        if given["image"]:
            self.image = open_image(given["image"], form, z, threads)
        self.labels = {
            kind: LabelSource(_only(given, column), None, z, threads)
            for kind, column in LABEL_COLUMNS.items()
            if given[column]
        }
        self.boundaries = {
            kind: BoundarySource(_only(given, column), boundary_format(entry, kind), z)
            for kind, column in BOUNDARY_COLUMNS.items()
            if given[column]
        }
        self.transcripts: TranscriptSource | None = None
        if given["transcripts"]:
            table = _only(given, "transcripts")
            self.transcripts = TranscriptSource(table, transcript_format(entry))
        self.pixel_size = self._pixel_size()

    def _pixel_size(self) -> float | None:
        rasters = [self.image, *self.labels.values()]
        sizes = [raster.pixel_size for raster in rasters if raster is not None]
        return next((size for size in sizes if size is not None), None)


def _check_there(given: Mapping[str, list[str]]) -> None:
    if not any(given.values()):
        raise VitrailError(f"the sample names no file, wanted one of {', '.join(SLIDE_FILES)}.")
    for column, listed in given.items():
        for path in listed:
            if not os.path.exists(path):
                raise VitrailError(f"{path}: does not exist, wanted the file of column {column}.")


def _only(given: Mapping[str, list[str]], column: str) -> str:
    if len(given[column]) > 1:
        raise VitrailError(
            f"the sample names {len(given[column])} files in column {column}, wanted one."
        )
    return given[column][0]
