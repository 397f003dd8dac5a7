"""Input that breaks between two stages, or is not what a slide is: named in one sentence.

Run by `make test-faults`.
"""

import hashlib
import json
import os
import random
import shutil
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tifffile
from tiny_network import write_weights
from undisturbed import differing, ends_with_undisturbed_bits

from vitrail.io.slide import open_slide

pytestmark = pytest.mark.faults


@pytest.fixture
def finished(by_watershed):
    """Most of these faults make a slide anew, which shall not take long."""
    return by_watershed


@pytest.fixture
def run(finished, tmp_path):
    return finished.copy(tmp_path / "run")


def test_a_raw_file_that_is_deleted_between_stages(finished, run):
    raw = run.folder / "results/synthetic/P2/transcripts.parquet"
    kept = run.folder / "raw.parquet"
    sheet = run.folder / "config/samples.tsv"
    shutil.copy2(raw, kept)
    named = sheet.read_text()
    sheet.write_text(named.replace("results/synthetic/P2/transcripts.parquet", "raw.parquet"))
    run.run("ingest")
    content = kept.read_bytes()
    kept.unlink()
    result = run.snakemake()
    assert result.returncode != 0
    assert "transcripts 'raw.parquet' does not exist, wanted a readable file" in result.stdout
    kept.write_bytes(content)
    run.run()
    sheet.write_text(named)
    ends_with_undisturbed_bits(finished, run)


def test_a_raw_file_that_is_truncated_between_stages(finished, run):
    raw = run.folder / "results/synthetic/P2/transcripts.parquet"
    content = raw.read_bytes()
    raw.write_bytes(content[: len(content) // 2])
    result = run.snakemake("--forcerun", "ingest", "--until", "ingest")
    assert result.returncode != 0
    assert "results/synthetic/P2/transcripts.parquet" in result.stdout
    raw.write_bytes(content)
    ends_with_undisturbed_bits(finished, run)


def test_a_raw_file_that_is_changed_between_stages(finished, run):
    """Half of the transcripts: what reads them is made anew, and again when they are back."""
    raw = run.folder / "results/synthetic/P2/transcripts.parquet"
    content = raw.read_bytes()
    table = pq.read_table(raw)
    half = table.num_rows // 2
    pq.write_table(table.slice(0, half), raw)
    planned = run.planned()
    assert {"ingest B", "matrix B", "assemble B", "report"} <= planned
    assert "ingest A" not in planned
    run.run()
    assert slide_info(run)["transcripts"]["rows_in_file"] == half
    raw.write_bytes(content)
    ends_with_undisturbed_bits(finished, run)


def slide_info(run):
    return json.loads((run.folder / "results/B/slide.json").read_text())


def image_of(run):
    """Path of B's image, its content, and its pixels (c, y, x)."""
    path = run.folder / "results/synthetic/P2/image.ome.tif"
    return path, path.read_bytes(), tifffile.imread(path)


def rewrite(path, pixels):
    names = {"axes": "CYX", "Channel": {"Name": ["DAPI", "polyT"]}}
    tifffile.imwrite(path, pixels, ome=True, metadata=names)


def test_pixels_that_are_no_number_or_negative(finished, run):
    """Documented: what is not finite becomes 0 and is counted, what is negative stays."""
    path, content, pixels = image_of(run)
    pixels = pixels.astype(np.float32)
    pixels[0, 10:15, 20:30] = np.nan
    pixels[1, 100:103, 50] = np.inf
    pixels[:, 200:210, 300:310] = -7.0
    rewrite(path, pixels)
    run.run()
    info = slide_info(run)
    assert info["not_finite_pixels"] == 53
    log = (run.folder / "results/logs/B/ingest.log").read_text()
    assert "53 pixels were not finite and became 0" in log
    stored = open_slide(run.folder / "results/B/slide.zarr", run.folder / "results/B/slide.json")
    assert not stored.read(10, 20, 15, 30)[0].any()
    assert (stored.read(200, 300, 210, 310) == -7.0).all()
    path.write_bytes(content)
    ends_with_undisturbed_bits(finished, run)
    print("53 pixels without a number, 200 negative ones: counted, and the run ends")


def test_an_image_of_signed_numbers_is_refused(finished, run):
    path, content, pixels = image_of(run)
    rewrite(path, (pixels.astype(np.int64) - 1000).clip(-1000, 1000).astype(np.int16))
    result = run.snakemake("--until", "ingest")
    assert result.returncode != 0
    assert "ingest: results/synthetic/P2/image.ome.tif" in result.stdout
    assert "int16" in result.stdout
    path.write_bytes(content)
    ends_with_undisturbed_bits(finished, run)


def test_a_flipped_byte_in_a_weight_file(run):
    run.set("segment.segmenter", "flows")
    for kind, path in write_weights(run.folder).items():
        run.set(f"segment.flows.{'nuclei' if kind == 'nuclei' else 'cell'}_weights", path)
    run.run("stitch")
    undisturbed = run.results()
    weights = run.folder / "cells.pt"
    flip(weights)
    result = run.snakemake("--forcerun", "segment", "--until", "segment")
    assert result.returncode != 0, "the stage took a broken weight file"
    found = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert "cells.pt is damaged: " in result.stdout
    assert f"(the file hashes to {found})" in result.stdout
    flip(weights)
    run.run("stitch")
    assert differing(undisturbed, run.results()) == []
    print("flipped byte in a weight file: named, with its hash")


def flip(path):
    """Flip the byte in the middle of a file, unseen by its time."""
    content = bytearray(path.read_bytes())
    stamp = path.stat()
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))


# Zarr, Parquet and archives of numpy keep checksums; HDF5 files have a seal.
CORRUPT = {
    "slide.zarr/images/image/s0/c/0/0/0": "tile",
    "segmentation/labels.zarr": "matrix",
    "transcripts.zarr/points.parquet/part.0.parquet": "matrix",
    "counts.h5ad": "annotate",
    "annotated.h5ad": "graph",
    "graph.npz": "portrait",
    # Its middle are the outlines.
    "segmentation/cells.parquet": "assemble",
    "portraits.npz": "compare",
    "B.h5ad": "cohort",
}


def test_a_flipped_byte_in_each_file_between_stages(finished, run):
    """From the last stage to the first, so that what a failed stage leaves out is never read."""
    for name, stage in reversed(CORRUPT.items()):
        path = run.folder / "results/B" / name
        if path.is_dir():
            path = max(path.rglob("c/*/*"), key=lambda file: file.stat().st_size)
        flip(path)
        result = run.snakemake("--forcerun", stage, "--until", stage)
        assert result.returncode != 0, f"{stage} read a broken {name} as if it were whole"
        store = Path("results/B") / Path(name).parts[0]
        assert f"{stage}: {store}" in result.stdout
        flip(path)
    # Stitch has finished and does not ask for the tiles, which the failed stage took away.
    run.run("tile")
    ends_with_undisturbed_bits(finished, run)
    print(f"flipped byte: named in each of {len(CORRUPT)} files, then the same bits")


def test_a_clock_that_is_an_hour_behind(finished, run):
    """Half of B's files were written by a machine whose clock differs."""
    moments = random.Random(5)
    files = sorted(path for path in (run.folder / "results/B").glob("*.*") if path.is_file())
    for path in [*files, run.folder / "results/cohort/comparison.parquet"]:
        if moments.random() < 0.5:
            shift_time(path, -3600)
    ends_with_undisturbed_bits(finished, run)


def test_a_clock_that_is_an_hour_ahead(finished, run):
    """Snakemake names the file from the future, whose readers run again when it is touched.

    By itself it would be taken for what it is, unchanged; but a stage that reads it has to run.
    """
    shift_time(run.folder / "results/B/slide.json", 3600)
    shift_time(run.folder / "results/B/tiles.parquet", -3600)
    result = run.snakemake()
    assert result.returncode != 0
    assert "than input results/B/slide.json" in result.stdout
    assert "This could indicate a clock skew problem" in result.stdout
    shift_time(run.folder / "results/B/slide.json", 0)
    run.run("tile")
    ends_with_undisturbed_bits(finished, run)


def shift_time(path, seconds):
    stamp = time.time() + seconds
    os.utime(path, (stamp, stamp))
