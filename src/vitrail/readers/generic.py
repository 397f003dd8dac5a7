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
from vitrail.readers.raster_file import open_raster
from vitrail.readers.transcripts import TranscriptSource

LABEL_COLUMNS = {"cells": "labels", "nuclei": "nucleus_labels"}
BOUNDARY_COLUMNS = {"cells": "boundaries", "nuclei": "nucleus_boundaries"}


class GenericSource:
    """A slide in ordinary files (contract: `registry.SlideSource`).

    A vendor's reader overrides the methods that open a part, and hands over an entry with what it
    knows of its files.
    """

    def __init__(self, row: Mapping[str, Any], entry: Mapping[str, Any], threads: int = 1) -> None:
        given = {column: paths(row.get(column)) for column in SLIDE_FILES}
        _check_there(given)
        check_single_source(given)
        self.entry = entry
        self.threads = threads
        self.z = plane(row.get("z"))
        self.files = [file for listed in input_files(row, entry).values() for file in listed]
        self.origin: tuple[float, float] = image_format(entry).origin
        self.image: ImageSource | None = None
        if given["image"]:
            self.image = self.open_image(given["image"])
        self.labels = {
            kind: self.open_labels(kind, given[column])
            for kind, column in LABEL_COLUMNS.items()
            if given[column]
        }
        self.boundaries = {
            kind: self.open_boundaries(kind, given[column])
            for kind, column in BOUNDARY_COLUMNS.items()
            if given[column]
        }
        self.transcripts: TranscriptSource | None = None
        if given["transcripts"]:
            self.transcripts = self.open_transcripts(given["transcripts"])
        self.pixel_size = self.find_pixel_size()

    def open_image(self, files: list[str]) -> ImageSource:
        """Image from the files of the sheet's column."""
        return open_image(files, image_format(self.entry), self.z, self.threads)

    def open_labels(self, kind: str, files: list[str]) -> LabelSource:
        """Label image of ``cells`` or ``nuclei``."""
        path = only(files, LABEL_COLUMNS[kind])
        return LabelSource(open_raster(path, None, self.threads), self.z)

    def open_boundaries(self, kind: str, files: list[str]) -> BoundarySource:
        """Outlines of ``cells`` or ``nuclei``."""
        path = only(files, BOUNDARY_COLUMNS[kind])
        return BoundarySource(path, boundary_format(self.entry, kind), self.z)

    def open_transcripts(self, files: list[str]) -> TranscriptSource:
        """Table of transcripts."""
        return TranscriptSource(only(files, "transcripts"), transcript_format(self.entry))

    def find_pixel_size(self) -> float | None:
        """Micrometres a pixel as the files say it."""
        rasters = [self.image, *self.labels.values()]
        sizes = [raster.pixel_size for raster in rasters if raster is not None]
        return next((size for size in sizes if size is not None), None)


def only(files: list[str], column: str) -> str:
    """The one file of a column."""
    if len(files) > 1:
        raise VitrailError(f"the sample names {len(files)} files in column {column}, wanted one.")
    return files[0]


def _check_there(given: Mapping[str, list[str]]) -> None:
    if not any(given.values()):
        raise VitrailError(f"the sample names no file, wanted one of {', '.join(SLIDE_FILES)}.")
    for column, listed in given.items():
        for path in listed:
            if not os.path.exists(path):
                raise VitrailError(f"{path}: does not exist, wanted the file of column {column}.")
