"""How often a position of ours falls into the cell that the vendor gave it, by mapping.

    python benchmarks/vendor_agreement.py DATA_FOLDER

DATA_FOLDER holds `insitu/` (docs/demo.md names the public sources). Xenium: transcripts of 135
nuclei, in or out of the nucleus as the vendor flags them, by the pixel that they lie in. CosMx: the
vendor's cell against its label image. MERSCOPE: transcripts of each plane counted in the outlines
of that plane against the vendor's table of counts.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import shapely

from vitrail.coordinates import pixel_index
from vitrail.ingest import ingest
from vitrail.io.slide import Slide, open_slide
from vitrail.settings import merge

XENIUM = {
    "pixel_size": 0.2125,
    "transcripts": {"columns": {"x": "x_location", "y": "y_location", "gene": "feature_name"}},
    "boundaries": {"columns": {"cell": "cell_id", "x": "vertex_x", "y": "vertex_y"}},
}
COSMX = {
    "pixel_size": 0.18,
    "transcripts": {
        "columns": {"x": "x_local_px", "y": "y_local_px", "gene": "target", "cell": "cell_ID"},
        "unit": "pixel",
        "origin": [4800, 3000],
        "flip_y": True,
    },
}


@contextmanager
def opened(row: dict[str, Any], entry: dict[str, Any]) -> Iterator[tuple[Slide, pd.DataFrame]]:
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder) / "slide.zarr", Path(folder) / "slide.json"
        ingest({"sample": "A", **row}, entry, {}, *paths, provenance={})
        slide = open_slide(*paths)
        yield slide, pq.ParquetDataset(slide.transcript_parts()).read().to_pandas()


def pixels(slide: Slide, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    x, y = slide.origin
    size = slide.pixel_size
    return pixel_index(table["y"], size, y), pixel_index(table["x"], size, x)


def xenium(folder: Path) -> None:
    raw = pq.read_table(folder / "transcripts.parquet").to_pandas()
    row = {"transcripts": [str(folder / "transcripts.parquet")]}
    row["nucleus_boundaries"] = [str(folder / "nucleus_boundaries.parquet")]
    cases = {
        "as they are": {},
        "half a pixel added": {"half_pixel": True},
        "and grown by half a pixel": {"half_pixel": True, "grow_px": 0.5},
    }
    for label, keys in cases.items():
        with opened(row, merge(XENIUM, {"boundaries": keys})) as (slide, table):
            ids, shapes = slide.boundaries("nuclei")
        size = slide.pixel_size
        centre = [(np.floor(table[axis] / size) + 0.5) * size for axis in ("x", "y")]
        point, nucleus = shapely.STRtree(shapes).query(
            shapely.points(*centre), predicate="intersects"
        )
        found = np.zeros(len(table), bool)
        found[point[raw["cell_id"].to_numpy()[point] == np.array(ids)[nucleus]]] = True
        these = raw["cell_id"].isin(ids).to_numpy()
        share = (found == (raw["overlaps_nucleus"] == 1))[these].mean()
        print(f"| Xenium outlines {label} | {these.sum()} | {100 * share:.1f} % |")


def cosmx(folder: Path) -> None:
    row = {"image": [str(folder / "CellComposite_F002.jpg")]}
    row["labels"] = [str(folder / "CellLabels_F002.tif")]
    row["transcripts"] = [str(folder / "Lung12_tx_file.csv")]
    for label, half in (("as they are", False), ("half a pixel added", True)):
        with opened(row, merge(COSMX, {"transcripts": {"half_pixel": half}})) as (slide, table):
            labels = slide.labels("cells")[:]
        y, x = pixels(slide, table)
        height, width = slide.shape
        inside = (y >= 0) & (x >= 0) & (y < height) & (x < width)
        found = np.zeros(len(table), int)
        found[inside] = labels[y[inside], x[inside]]
        share = (found == table["source_cell"].fillna("0").astype(int)).mean()
        print(f"| CosMx positions {label} | {len(table)} | {100 * share:.1f} % |")


def merscope(folder: Path) -> None:
    vendor = pd.read_csv(folder / "cell_by_gene.csv", index_col=0)
    counted = dict.fromkeys((str(cell) for cell in vendor.index), 0)
    entry = {
        "pixel_size": 0.108,
        "transcripts": {
            "columns": {"x": "global_x", "y": "global_y", "z": "global_z", "gene": "gene"}
        },
        "boundaries": {"columns": {"cell": "EntityID", "geometry": "Geometry", "plane": "ZIndex"}},
    }
    row = {"transcripts": [str(folder / "detected_transcripts.csv")]}
    row["boundaries"] = [str(folder / "cells_cellpose.parquet")]
    for z in range(7):
        with opened({**row, "z": z}, entry) as (slide, table):
            ids, shapes = slide.boundaries("cells")
        table = table[table["z"] == z]
        _, cell = shapely.STRtree(shapes).query(
            shapely.points(table["x"], table["y"]), predicate="intersects"
        )
        for k in cell.tolist():
            counted[ids[k]] += 1
    equal = sum(counted[str(cell)] == total for cell, total in vendor.sum(axis=1).items())
    total = int(vendor.to_numpy().sum())
    print(
        f"| MERSCOPE cells with the vendor's count ({total} transcripts) | {len(vendor)} | "
        f"{100 * equal / len(vendor):.1f} % |"
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    data = Path(sys.argv[1]) / "insitu"
    print("| mapping | compared | agree |\n|---|---|---|")
    xenium(data / "xenium_lung_crop")
    cosmx(data / "cosmx_lung")
    merscope(data / "merscope_liver_tile")
