"""Files of a synthetic slide: image and transcripts like a vendor's, the truth in its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from vitrail.errors import VitrailError
from vitrail.io import parquet
from vitrail.io.tiled_tiff import TileSpool, ome_metadata
from vitrail.progress import Follow, silent
from vitrail.provenance import to_json
from vitrail.synthesize.cohort import Slide, find_slide
from vitrail.synthesize.image import Renderer
from vitrail.synthesize.masks import measure
from vitrail.synthesize.panel import Panel, make_panel, relative_size
from vitrail.synthesize.spec import Spec
from vitrail.synthesize.tissue import Cells, place_cells, shape_cells
from vitrail.synthesize.transcripts import Sprinkler, Transcripts

TILE = 512
ROW_GROUP = 1 << 18
COMPARTMENTS = ("none", "cytoplasm", "nucleus")


@dataclass(frozen=True)
class SlideFiles:
    """Where the parts of one slide go."""

    image: str
    transcripts: str
    labels: str
    nuclei: str
    cells: str
    genes: str
    truth: str


def write_slide(
    spec: Spec,
    name: str,
    files: SlideFiles,
    provenance: Mapping[str, Any],
    window: int = 2 * TILE,
    threads: int = 1,
    follow: Follow[Any] = silent,
) -> dict[str, int]:
    """Make one slide of a cohort and write its files.

    Pixels and transcripts pass by region; memory holds one window and what a cell needs.

    Parameters
    ----------
    spec
        The cohort.
    name
        The slide's name.
    files
        Paths to write.
    provenance
        Record to store in the tables.
    window
        Edge in pixels of what is rendered at once, a multiple of 512. No bit depends on it.
    threads
        Windows rendered at the same time. No bit depends on it.
    follow
        Follows the windows and the blocks of transcripts, see `vitrail.progress`.

    Returns
    -------
    Numbers of cells and transcripts.
    """
    if window < TILE or window % TILE:
        raise ValueError(f"window is {window}; it must be a multiple of {TILE}")
    slide = find_slide(spec, name)
    sites = place_cells(spec, slide)
    renderer = Renderer(spec, slide, shape_cells(spec, slide, sites))
    pixels = measure(renderer.plan)
    _check_pixels(spec, pixels)
    _write_pixels(renderer, files, window, threads, follow)
    panel = make_panel(spec)
    sprinkler = Sprinkler(renderer, panel, sites, relative_size(pixels[:, 0].astype(np.float64)))
    planted, rows = _write_transcripts(sprinkler, files, provenance, follow)
    _write_table(files.cells, _cell_columns(spec, slide, renderer.cells, pixels), provenance)
    _write_table(files.genes, _gene_columns(panel, planted), provenance)
    return {"cells": len(pixels), "transcripts": rows}


def _check_pixels(spec: Spec, pixels: npt.NDArray[np.int64]) -> None:
    missing = int((pixels[:, :2] == 0).any(axis=1).sum())
    if missing:
        raise VitrailError(
            f"the spec's tissue leaves {missing} of {len(pixels)} cells without a pixel of their "
            "own or of their nucleus; raise tissue.spacing or a type's radius, or lower pixel_size"
        )


def _write_pixels(
    renderer: Renderer, files: SlideFiles, window: int, threads: int, follow: Follow[Any]
) -> None:
    spec, shape = renderer.spec, renderer.spec.shape
    folder = Path(files.image).parent
    with ExitStack() as stack:
        image = stack.enter_context(TileSpool(folder, 2, shape, np.uint16, TILE))
        labels = stack.enter_context(TileSpool(folder, 1, shape, np.int32, TILE))
        nuclei = stack.enter_context(TileSpool(folder, 1, shape, np.int32, TILE))
        pool = stack.enter_context(ThreadPoolExecutor(threads))
        batches = list(_batched(_boxes(shape, window), threads))
        for boxes in follow(batches, "windows of the image"):
            for (y0, x0, _, _), seen in zip(boxes, pool.map(renderer.window, boxes), strict=True):
                for channel in range(2):
                    image.add(channel, y0, x0, seen.image[channel])
                labels.add(0, y0, x0, seen.labels)
                nuclei.add(0, y0, x0, seen.nuclei)
        name = f"{renderer.slide.name} seed {spec.seed}"
        image.write(files.image, ome_metadata(spec.image.channels, spec.pixel_size, name))
        labels.write(files.labels)
        nuclei.write(files.nuclei)


def _boxes(shape: tuple[int, int], edge: int) -> list[tuple[int, int, int, int]]:
    return [
        (y0, x0, min(y0 + edge, shape[0]), min(x0 + edge, shape[1]))
        for y0 in range(0, shape[0], edge)
        for x0 in range(0, shape[1], edge)
    ]


def _batched(items: list[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _write_transcripts(
    sprinkler: Sprinkler,
    files: SlideFiles,
    provenance: Mapping[str, Any],
    follow: Follow[Any],
) -> tuple[npt.NDArray[np.int64], int]:
    """Write transcripts and their truth, row by row alike; gives the planted counts by gene."""
    panel = sprinkler.panel
    names = pa.array([*panel.genes, *panel.controls], pa.string())
    planted = np.zeros(len(names), dtype=np.int64)
    rows = 0
    with ExitStack() as stack:
        table = stack.enter_context(_TableWriter(files.transcripts, provenance))
        truth = stack.enter_context(_TableWriter(files.truth, provenance))
        for block in follow(sprinkler.blocks(), "blocks of transcripts"):
            planted += np.bincount(block.gene[block.cell > 0], minlength=len(names))
            rows += block.x.size
            table.add(_vendor_columns(block, names))
            truth.add(_truth_columns(block))
    return planted, rows


def _vendor_columns(block: Transcripts, names: pa.Array) -> pa.Table:
    gene = pa.DictionaryArray.from_arrays(pa.array(block.gene), names)
    return pa.table({"x": block.x, "y": block.y, "gene": gene, "quality": block.quality})


def _truth_columns(block: Transcripts) -> pa.Table:
    compartment = pa.array(block.compartment.astype(np.int32))
    names = pa.array(COMPARTMENTS)
    coded = pa.DictionaryArray.from_arrays(compartment, names)
    return pa.table({"cell": block.cell, "compartment": coded})


def _cell_columns(
    spec: Spec, slide: Slide, cells: Cells, pixels: npt.NDArray[np.int64]
) -> dict[str, Any]:
    n, s = len(pixels), spec.pixel_size
    names = list(spec.types)
    return {
        "cell": np.arange(1, n + 1, dtype=np.int32),
        "x": (pixels[:, 3] / pixels[:, 0] + 0.5) * s,
        "y": (pixels[:, 2] / pixels[:, 0] + 0.5) * s,
        "cell_type": pa.DictionaryArray.from_arrays(pa.array(cells.type), pa.array(names)),
        "area_um2": pixels[:, 0] * s * s,
        "nucleus_area_um2": pixels[:, 1] * s * s,
        "nest_distance_um": cells.nest,
        "slide": pa.array([slide.name] * n).dictionary_encode(),
        "unit": pa.array([slide.unit] * n).dictionary_encode(),
        "condition": pa.array([slide.condition] * n).dictionary_encode(),
    }


def _gene_columns(panel: Panel, planted: npt.NDArray[np.int64]) -> dict[str, Any]:
    extra = len(panel.controls)
    return {
        "gene": [*panel.genes, *panel.controls],
        "kind": [*panel.kind, *["control"] * extra],
        "driver": [*(d or None for d in panel.driver), *[None] * extra],
        "share": [*panel.share.tolist(), *[None] * extra],
        "transcripts_in_cells": planted,
    }


def _write_table(path: str, columns: dict[str, Any], provenance: Mapping[str, Any]) -> None:
    with _TableWriter(path, provenance) as writer:
        writer.add(pa.table(columns))


class _TableWriter:
    """Parquet file whose row groups do not depend on the pieces that its rows came in."""

    def __init__(self, path: str, provenance: Mapping[str, Any]) -> None:
        self._path = path
        self._record = {"vitrail": to_json(provenance)}
        self._file: pq.ParquetWriter | None = None
        self._waiting: list[pa.Table] = []
        self._rows = 0

    def __enter__(self) -> _TableWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self._waiting:
            self._flush()
        if self._file is not None:
            self._file.close()

    def add(self, table: pa.Table) -> None:
        """Add rows; at least one piece is needed to know the columns."""
        self._waiting.append(table)
        self._rows += table.num_rows
        if self._rows >= ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        table = pa.concat_tables(self._waiting)
        if self._file is None:
            schema = table.schema.with_metadata(self._record)
            self._file = pq.ParquetWriter(self._path, schema, **parquet.WRITING)
        self._file.write_table(table.replace_schema_metadata(self._record), max(len(table), 1))
        self._waiting, self._rows = [], 0
