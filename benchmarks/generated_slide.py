"""A slide of any size on disk, made without a segmenter: cells with outlines, and transcripts.

Cells are stars of 24 corners on a jittered grid; no two touch. Nuclei are the same shapes at 0.6 of
the size. Label images follow the pixel-centre rule. Transcripts lie anywhere on the slide in no
order, which is the hardest case for a look-up by chunk (instruments write them field by field).
Coordinates have the precision of float32, as instruments write them.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vitrail.io import parquet
from vitrail.io.points import begin_points, write_part

PIXEL = 0.2125
GENES = 500
BLANKS = 20
CORNERS = 24
ROWS = 1_000_000
NUCLEUS = 0.6


def gene_names() -> list[str]:
    """The panel: genes, then control probes by a name that the default patterns know."""
    genes = [f"G{i:04d}" for i in range(GENES)]
    return genes + [f"BLANK_{i:04d}" for i in range(BLANKS)]


def outlines(side: int, cells: int, seed: int = 0) -> npt.NDArray[np.float64]:
    """Corners in pixels, float64 (n, CORNERS, 2), of about so many cells; rings are open."""
    rng = np.random.default_rng(seed)
    across = max(1, round(cells**0.5))
    pitch = side / across
    grid = (np.arange(across) + 0.5) * pitch
    centre = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 1, 2)
    centre = centre + rng.uniform(-0.08, 0.08, centre.shape) * pitch
    angle = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    radius = rng.uniform(0.3, 0.42, (len(centre), CORNERS, 1)) * pitch
    return centre + radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def nuclei_of(corners: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Corners of the cells' nuclei."""
    centre = corners.mean(axis=1, keepdims=True)
    return centre + NUCLEUS * (corners - centre)


def write_segmentation(folder: Path, side: int, corners: npt.NDArray[np.float64]) -> None:
    """labels.zarr, cells.parquet and nuclei.parquet, as far as stage assign reads them."""
    import zarr

    group = zarr.open_group(str(folder / "labels.zarr"), mode="w")
    for name, shapes in (("cells", corners), ("nuclei", nuclei_of(corners))):
        _paint(group, name, side, shapes)
    label = np.arange(1, len(corners) + 1, dtype=np.int32)
    centre = corners.mean(axis=1) * PIXEL
    columns = {
        "cell": label,
        "centroid_x": centre[:, 0],
        "centroid_y": centre[:, 1],
        "score": np.ones(len(label), np.float32),
        "seam": np.zeros(len(label), bool),
        "source": pa.nulls(len(label), pa.string()),
    }
    parquet.write(pa.table(columns), folder / "cells.parquet")
    parquet.write(pa.table({"nucleus": label, "cell": label}), folder / "nuclei.parquet")


def _paint(group: Any, name: str, side: int, corners: npt.NDArray[np.float64]) -> None:
    import shapely

    from vitrail import masks
    from vitrail.io.labels import CHUNK
    from vitrail.rasterize import rasterize, to_pixels

    chunk = min(CHUNK, side)
    array = group.create_array(name, shape=(side, side), chunks=(chunk, chunk), dtype="int32")
    polygons = to_pixels(shapely.polygons(corners), 1.0, (0.0, 0.0))
    box = polygons.boxes()
    for y0 in range(0, side, chunk):
        y1 = min(y0 + chunk, side)
        chosen = np.flatnonzero((box[:, 0] < y1) & (box[:, 2] > y0))
        bounds, mask, offset = rasterize(polygons, chosen, (y0, 0, y1, side))
        rows = np.zeros((y1 - y0, side), np.int32)
        members = np.arange(len(chosen))
        masks.paint(rows, y0, 0, members, chosen.astype(np.int32) + 1, bounds, mask, offset)
        array[y0:y1] = rows


def write_transcripts(folder: Path, side: int, rows: int, seed: int = 1) -> None:
    """slide.zarr with the raw transcripts and slide.json; holds a part a thread."""
    element = folder / "slide.zarr" / "points" / "transcripts"
    begin_points(element)
    parts = -(-rows // ROWS)

    def write(part: int) -> None:
        first = part * ROWS
        write_part(element, part, _part(side, first, min(ROWS, rows - first), (seed, part)))

    with ThreadPoolExecutor() as pool:
        list(pool.map(write, range(parts)))
    info = {
        "sample": "generated",
        "pixel_size_um": PIXEL,
        "origin_um": [0.0, 0.0],
        "shape": [side, side],
        "channels": [],
        "elements": ["points/transcripts"],
        "genes": gene_names(),
        "transcripts": {"rows_in_file": rows, "outside_region": 0, "rows": rows},
    }
    (folder / "slide.json").write_text(json.dumps(info), encoding="utf-8")


def _part(side: int, first: int, rows: int, seed: tuple[int, int]) -> pa.Table:
    rng = np.random.default_rng(seed)
    xy = rng.random((2, rows), dtype=np.float32) * np.float32(side * PIXEL)
    # A few genes hold most transcripts, as in every panel.
    names = gene_names()
    gene = (rng.random(rows) ** 2 * len(names)).astype(np.int32)
    columns = {
        "x": xy[0].astype(np.float64),
        "y": xy[1].astype(np.float64),
        "gene": pa.DictionaryArray.from_arrays(pa.array(gene), pa.array(names)),
        "transcript": np.arange(first, first + rows, dtype=np.int64),
        "quality": np.minimum(rng.integers(8, 80, rows), 40).astype(np.float32),
    }
    return pa.table(columns)
