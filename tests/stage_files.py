"""A slide and its segmentation in the files of earlier stages, and a way to run scripts."""

import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zarr

from vitrail.io.points import PointsWriter

SCRIPTS = Path(__file__).parent.parent / "scripts"


class Named(dict):
    """Items as Snakemake gives them: as attributes and by name."""

    __getattr__ = dict.__getitem__

    def __iter__(self):
        return iter(self.values())


def run_script(stage, inputs, outputs, settings=None, *, threads=1, **params):
    """Run a stage's script in this process."""
    snakemake = SimpleNamespace(
        rule=stage,
        input=Named({name: str(path) for name, path in inputs.items()}),
        output=Named({name: str(path) for name, path in outputs.items()}),
        params=Named(settings=settings or {}, **params),
        wildcards=Named(sample="S"),
        threads=threads,
        resources=Named(runtime=60),
        log=[],
    )
    runpy.run_path(str(SCRIPTS / f"{stage}.py"), init_globals={"snakemake": snakemake})


def write_slide(
    folder,
    shape,
    *,
    pixel_size=0.5,
    origin=(0.0, 0.0),
    image=None,
    channels=(),
    transcripts=None,
    chunks=(16, 16),
):
    """Write slide.zarr and slide.json; `transcripts` are columns with gene as strings."""
    info = {
        "sample": "S",
        "pixel_size_um": pixel_size,
        "origin_um": list(origin),
        "shape": list(shape),
        "channels": list(channels),
        "elements": [],
        "genes": [],
    }
    if image is not None:
        info["elements"].append("images/image")
        path = folder / "slide.zarr/images/image/s0"
        zarr.create_array(str(path), data=image, chunks=(1, *chunks))
    if transcripts is not None:
        info["elements"].append("points/transcripts")
        gene = pa.array(transcripts["gene"], pa.string()).dictionary_encode()
        table = pa.table({**transcripts, "gene": gene})
        path = folder / "slide.zarr/points/transcripts"
        with PointsWriter(path, table.schema, rows_per_part=50) as writer:
            writer.write(table)
        info["genes"] = sorted(set(transcripts["gene"]))
        info["transcripts"] = {"rows_in_file": len(gene), "outside_region": 0, "rows": len(gene)}
    (folder / "slide.json").write_text(json.dumps(info))
    return {"slide": folder / "slide.zarr", "info": folder / "slide.json"}


def write_segmentation(
    folder, cells, nuclei=None, owner=(), *, pixel_size=0.5, origin=(0.0, 0.0), chunks=(8, 8)
):
    """Write labels.zarr and the tables of cells and nuclei, without outlines."""
    group = zarr.open_group(str(folder / "labels.zarr"), mode="w")
    nuclei = np.zeros_like(cells) if nuclei is None else nuclei
    for name, labels in (("cells", cells), ("nuclei", nuclei)):
        group.create_array(name, data=labels.astype(np.int32), chunks=chunks)
    n = int(cells.max(initial=0))
    places = [np.argwhere(cells == label).mean(axis=0)[::-1] for label in range(1, n + 1)]
    centroid = (np.array(places).reshape(-1, 2) + 0.5) * pixel_size + origin
    table = {
        "cell": np.arange(1, n + 1, dtype=np.int32),
        "centroid_x": centroid[:, 0],
        "centroid_y": centroid[:, 1],
        "score": np.ones(n, dtype=np.float32),
        "seam": np.zeros(n, dtype=bool),
        "source": pa.array([f"v{i}" for i in range(1, n + 1)], pa.string()),
    }
    pq.write_table(pa.table(table), folder / "cells.parquet")
    m = len(owner)
    inner = [np.argwhere(nuclei == label).mean(axis=0)[::-1] for label in range(1, m + 1)]
    middle = (np.array(inner).reshape(-1, 2) + 0.5) * pixel_size + origin
    owned = {
        "nucleus": np.arange(1, m + 1),
        "cell": np.array(owner, dtype=np.int32),
        "centroid_x": middle[:, 0],
        "centroid_y": middle[:, 1],
        "source": pa.array([f"w{i}" for i in range(1, m + 1)], pa.string()),
    }
    pq.write_table(pa.table(owned), folder / "nuclei.parquet")
    return {
        "labels": folder / "labels.zarr",
        "cells": folder / "cells.parquet",
        "nuclei": folder / "nuclei.parquet",
    }
