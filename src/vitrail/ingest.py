"""Stage ingest: a sample's raw files become one SpatialData store in micrometres.

Everything is read and written in strips and batches: memory follows a row of chunks (the slide's
width times the chunk's edge) and a batch of transcripts, not the slide. Exceptions, set by the file
formats: a PNG or JPEG is decoded whole, and so is a page of a TIFF whose page is one compressed
strip. Given outlines are held as a whole, since they are few.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitrail.io.boundaries import write_boundaries
from vitrail.io.label_names import write_names
from vitrail.io.points import PointsWriter
from vitrail.io.raster import RasterElement
from vitrail.io.spatialdata_store import new_store, shapes_element
from vitrail.readers.extent import (
    Grid,
    PixelBox,
    check_rasters,
    grid_of_extent,
    pixel_box,
    settle_pixel_size,
)
from vitrail.readers.placement import Frame
from vitrail.readers.registry import SlideSource, open_source
from vitrail.readers.transcripts import TranscriptCount, schema
from vitrail.readers.watch import Watch

Region = tuple[float, float, float, float]


@dataclass(frozen=True)
class Layout:
    """How the store is divided; set by the config's section ``ingest``.

    Attributes
    ----------
    chunk
        Edge of an image chunk in pixels.
    levels
        Levels of the pyramid; None for as many as it takes until one chunk holds a level.
    rows_per_part
        Transcripts in each parquet part.
    """

    chunk: int = 1024
    levels: int | None = None
    rows_per_part: int = 1_000_000

    def levels_of(self, shape: tuple[int, int]) -> int:
        """Number of levels for an image of (height, width) pixels."""
        if self.levels is not None:
            return self.levels
        needed = (max(shape) - 1).bit_length() - (self.chunk - 1).bit_length() + 1
        # At least two, so that spatialdata sees a multiscale image whatever its size.
        return max(2, needed)


def ingest(
    row: Mapping[str, Any],
    entry: Mapping[str, Any],
    settings: Mapping[str, Any],
    slide: str | Path,
    info: str | Path,
    *,
    provenance: Mapping[str, Any],
    threads: int = 1,
    names: Mapping[str, str] | None = None,
    log: logging.Logger | None = None,
) -> None:
    """Write ``slide.zarr`` and ``slide.json`` of one sample.

    Parameters
    ----------
    row
        Row of the sample sheet.
    entry
        Its format entry.
    settings
        The config's section ``ingest`` (see `Layout`).
    slide, info
        Paths to be written.
    provenance
        Record to be stored.
    threads
        Threads that decode images.
    names
        What to call files in ``slide.json`` whose path is that of a local copy.
    log
        Where remarks go.

    Raises
    ------
    VitrailError
        One sentence on what is wrong with the input.
    """
    log = log or logging.getLogger(__name__)
    source = open_source(row, entry, threads)
    watch = Watch(source.files)
    pixel_size, remark = settle_pixel_size(row, entry, source.pixel_size)
    if remark:
        log.warning("%s", remark)
    with new_store(slide) as store:
        writer = _Writer(store, source, pixel_size, row.get("region"), Layout(**settings))
        facts = writer.write_all()
    watch.check_unchanged()
    document = {
        "sample": row["sample"],
        **facts,
        "region_um": list(row["region"]) if row.get("region") else None,
        "files": watch.files(names),
        "remarks": [remark] if remark else [],
        "provenance": dict(provenance),
    }
    Path(info).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")
    _report(document, log)


class _Writer:
    """Writes the elements of one slide, in the order in which each needs the one before."""

    def __init__(
        self,
        store: Path,
        source: SlideSource,
        pixel_size: float,
        region: Sequence[float] | None,
        layout: Layout,
    ) -> None:
        self.store = store
        self.source = source
        self.layout = layout
        self.region: Region | None = None
        if region is not None:
            x0, y0, x1, y1 = region
            self.region = (x0, y0, x1, y1)
        whole = check_rasters(source)
        height = None if whole is None else whole[0]
        self.frame = Frame(pixel_size, source.origin, height)
        self.box: PixelBox | None = None
        if whole is not None:
            self.box = pixel_box(self.frame, whole, self.region)
        self.elements: list[str] = []
        self._extents: list[Region] = []

    def write_all(self) -> dict[str, Any]:
        """Write every element that the sample has; gives the facts for slide.json."""
        facts: dict[str, Any] = {}
        if self.source.image is not None:
            self._write_image()
            if self.source.image.not_finite:
                facts["not_finite_pixels"] = self.source.image.not_finite
        for kind in self.source.labels:
            self._write_labels(kind)
        genes, transcripts = self._write_transcripts()
        boundaries = {kind: self._write_boundaries(kind) for kind in self.source.boundaries}
        grid = self._grid(transcripts)
        facts = {
            "pixel_size_um": self.frame.pixel_size,
            "origin_um": list(grid.origin),
            "shape": list(grid.shape),
            "channels": [] if self.source.image is None else self.source.image.channels,
            "elements": self.elements,
            "genes": genes,
            **facts,
        }
        if transcripts is not None:
            facts["transcripts"] = {
                "rows_in_file": transcripts.rows_in_file,
                "outside_region": transcripts.outside_region,
                "rows": transcripts.rows,
            }
        if boundaries:
            facts["boundaries"] = boundaries
        return facts

    def _element(self, name: str) -> Path:
        self.elements.append(name)
        return self.store / name

    def _raster(
        self, name: str, dtype: Any, channels: Sequence[str] | None
    ) -> tuple[RasterElement, PixelBox]:
        assert self.box is not None  # a slide with a raster has a box
        box = self.box
        shape = box.shape if channels is None else (len(channels), *box.shape)
        element = RasterElement(
            self._element(name),
            shape,
            dtype,
            self.frame.pixel_size,
            box.origin(self.frame),
            channels=channels,
            chunk=self.layout.chunk,
            levels=self.layout.levels_of(box.shape),
        )
        return element, box

    def _write_image(self) -> None:
        image = self.source.image
        assert image is not None
        element, box = self._raster("images/image", image.dtype, image.channels)
        first = 0
        for index, layer in enumerate(image.layers):
            strips = element.strips(slice(first, first + layer.channels))
            for y0, y1 in box.strips(self.layout.chunk):
                strips.write(image.read(index, y0, y1, box.x0, box.x1))
            strips.close()
            image.release(index)
            first += layer.channels

    def _write_labels(self, kind: str) -> None:
        labels = self.source.labels[kind]
        element, box = self._raster(f"labels/{kind}", "int32", None)
        strips = element.strips()
        for y0, y1 in box.strips(self.layout.chunk):
            strips.write(labels.read(y0, y1, box.x0, box.x1))
        strips.close()
        if labels.names is not None:
            write_names(self.store / f"labels/{kind}", labels.names())

    def _write_transcripts(self) -> tuple[list[str], TranscriptCount | None]:
        source = self.source.transcripts
        if source is None:
            return [], None
        count = TranscriptCount()
        writer = PointsWriter(
            self._element("points/transcripts"),
            schema(source.form),
            rows_per_part=self.layout.rows_per_part,
        )
        with writer:
            for batch in source.read(self.frame, self.region, count):
                writer.write(batch)
        return sorted(count.genes), count

    def _write_boundaries(self, kind: str) -> dict[str, int]:
        boundaries = self.source.boundaries[kind].read(self.frame, self.region)
        path = shapes_element(self.store, kind)
        self.elements.append(f"shapes/{kind}")
        write_boundaries(path, boundaries.ids, boundaries.geometry)
        self._extents.append(boundaries.bounds())
        return boundaries.account()

    def _grid(self, transcripts: TranscriptCount | None) -> Grid:
        """Where the slide's pixels lie: the image's, or those that the extent asks for."""
        if self.box is not None:
            return Grid(self.box.origin(self.frame), self.box.shape)
        extents = list(self._extents)
        if transcripts is not None:
            extents.append((*transcripts.low.tolist(), *transcripts.high.tolist()))
        return grid_of_extent(extents, self.frame.pixel_size, self.region)


def _report(document: Mapping[str, Any], log: logging.Logger) -> None:
    height, width = document["shape"]
    log.info("slide of %d x %d pixels, %s", height, width, ", ".join(document["elements"]))
    if "not_finite_pixels" in document:
        log.warning("%d pixels were not finite and became 0", document["not_finite_pixels"])
    transcripts = document.get("transcripts")
    if transcripts:
        log.info("transcripts %s", json.dumps(transcripts))
        if transcripts["rows"] == 0:
            log.warning("the transcript table has no row")
    for kind, account in document.get("boundaries", {}).items():
        log.info("boundaries of %s %s", kind, json.dumps(account))
