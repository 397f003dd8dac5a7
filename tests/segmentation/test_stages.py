"""The scripts of the stages tile, segment, stitch and preview, file by file."""

import json
import runpy
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from stage_files import SCRIPTS, Named, write_slide
from test_segment import noisy_tissue

from vitrail.io.labels import open_labels
from vitrail.segmentation import score

TILE = {"size_px": 112, "halo_um": 40.0, "stride_px": 16, "percentiles": [1.0, 99.0]}
SEGMENT = {"segmenter": "watershed", "channels": {"nucleus": "auto"}, "watershed": {}}
STITCH = {"overlap": "nearest", "max_seam_excess": 0.2}


def run(stage, inputs, outputs, settings, **wildcards):
    snakemake = SimpleNamespace(
        rule=stage,
        input=Named(inputs),
        output=Named({name: str(path) for name, path in outputs.items()}),
        params=Named(settings=settings),
        wildcards=Named(sample="S", **wildcards),
        threads=1,
        log=[],
    )
    runpy.run_path(str(SCRIPTS / f"{stage}.py"), init_globals={"snakemake": snakemake})


def segmentation_of(slide, folder, shards):
    """Run tile, segment and stitch; returns what stitch wrote."""
    folder.mkdir()
    tiled = {"tiles": folder / "tiles.parquet", "normalization": folder / "normalization.json"}
    run("tile", slide, tiled, TILE | {"shards": shards})
    parts = [folder / f"shards/{shard}-of-{shards}.npz" for shard in range(shards)]
    for shard, part in enumerate(parts):
        run("segment", slide | tiled, {"candidates": part}, SEGMENT, shard=str(shard))
    out = {
        "labels": folder / "labels.zarr",
        "cells": folder / "cells.parquet",
        "nuclei": folder / "nuclei.parquet",
        "seams": folder / "seams.json",
    }
    run("stitch", slide | tiled | {"candidates": parts}, out, STITCH)
    return out | tiled


def files_of(path):
    """All bytes below a path."""
    if path.is_file():
        return {"": path.read_bytes()}
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    image, cells, _ = noisy_tissue((300, 320), seed=11)
    folder = tmp_path_factory.mktemp("slide")
    slide = write_slide(
        folder, cells.shape, image=image, channels=["DAPI", "polyT"], chunks=(128, 128)
    )
    return slide, cells, segmentation_of(slide, folder / "one", 1)


def test_the_cells_are_found_and_the_files_agree(planted, tmp_path):
    slide, cells, out = planted
    labels = open_labels(out["labels"])
    found = labels.cells[:]
    assert score([cells], [found], (0.5,)).f1[0] > 0.97
    table = pq.read_table(out["cells"])
    assert table["cell"].to_pylist() == list(range(1, int(found.max()) + 1))
    assert np.allclose(table["area_um2"].to_numpy(), np.bincount(found.ravel())[1:] * 0.25)
    seams = json.loads(out["seams"].read_text())
    assert seams["cells"] == int(found.max())
    assert seams["tiles"] == 9
    assert seams["larger_than_overlap"] == []
    picture = tmp_path / "preview.png"
    run("preview", slide | out, {"picture": picture}, {"region_um": None, "side_um": 60.0})
    assert Image.open(picture).size == (960, 960)


@pytest.mark.parametrize("shards", [3, 8, 12])
def test_any_number_of_shards_gives_the_same_bytes(planted, tmp_path, shards):
    slide, _, expected = planted
    found = segmentation_of(slide, tmp_path / "many", shards)
    for name in ("labels", "cells", "nuclei", "seams", "normalization"):
        assert files_of(found[name]) == files_of(expected[name]), name


def test_a_slide_without_cells_goes_through(tmp_path):
    image = np.zeros((1, 150, 130), np.uint8)
    slide = write_slide(tmp_path, (150, 130), image=image, channels=["DAPI"])
    out = segmentation_of(slide, tmp_path / "none", 2)
    assert not open_labels(out["labels"]).cells[:].any()
    assert pq.read_table(out["cells"]).num_rows == 0
    assert json.loads(out["seams"].read_text())["cells"] == 0
    run("preview", slide | out, {"picture": tmp_path / "preview.png"}, {})
