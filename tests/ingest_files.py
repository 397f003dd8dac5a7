"""A small slide in every kind of file, and a way to ingest it."""

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile

from vitrail.ingest import ingest
from vitrail.io.slide import open_slide

RNG = np.random.default_rng(3)
IMAGE = RNG.integers(0, 60000, (2, 120, 200), dtype=np.uint16)
LABELS = np.zeros((120, 200), np.int32)
LABELS[10:30, 20:50] = 1
LABELS[40:80, 100:160] = 7
TRANSCRIPTS = {
    "x": [12.0, 60.0, 99.99, -5.0, float("nan"), 100.0],
    "y": [6.0, 30.0, 59.9, 3.0, 1.0, 60.0],
    "gene": ["B", "A", "A", "C", "B", "Blank-1"],
}


@pytest.fixture
def files(tmp_path):
    tifffile.imwrite(
        tmp_path / "image.ome.tif",
        IMAGE,
        tile=(64, 64),
        compression="zlib",
        metadata={
            "axes": "CYX",
            "Channel": {"Name": ["DAPI", "polyT"]},
            "PhysicalSizeX": 0.5,
            "PhysicalSizeY": 0.5,
        },
    )
    tifffile.imwrite(tmp_path / "labels.tif", LABELS, compression="zlib")
    pq.write_table(pa.table(TRANSCRIPTS), tmp_path / "transcripts.parquet")
    corners = [("n1", 10, 5), ("n1", 15, 5), ("n1", 15, 10), ("far", 90, 50), ("far", 95, 50)]
    lines = [f"{name},{x},{y}" for name, x, y in [*corners, ("far", 95, 55)]]
    (tmp_path / "nuclei.csv").write_text("\n".join(["cell_id,x,y", *lines]) + "\n")
    return {
        "image": [str(tmp_path / "image.ome.tif")],
        "transcripts": [str(tmp_path / "transcripts.parquet")],
        "labels": [str(tmp_path / "labels.tif")],
        "nucleus_boundaries": [str(tmp_path / "nuclei.csv")],
    }


def run(folder, row, entry=None, settings=None, name="slide"):
    paths = folder / f"{name}.zarr", folder / f"{name}.json"
    if paths[0].exists():
        shutil.rmtree(paths[0])
    ingest({"sample": "A", **row}, entry or {}, settings or {}, *paths, provenance={"stage": "i"})
    return open_slide(*paths)
