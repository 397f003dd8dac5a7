"""Input that breaks between two stages, or is not what a slide is: named in one sentence.

Run by `make test-faults`.
"""

import os
import random
import shutil
import time
from pathlib import Path

import pytest
from undisturbed import ends_with_undisturbed_bits

pytestmark = pytest.mark.faults


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


CORRUPT = {
    "slide.zarr/images/image/s0/c/0/0/0": "tile",
    "segmentation/labels.zarr": "matrix",
    "segmentation/cells.parquet": "matrix",
    "transcripts.zarr/points/transcripts/points.parquet/part.0.parquet": "matrix",
    "annotated.h5ad": "graph",
    "graph.npz": "portrait",
    "portraits.npz": "compare",
}


@pytest.mark.parametrize("name", CORRUPT)
def test_a_flipped_byte_in_a_file_between_stages(finished, run, name):
    stage = CORRUPT[name]
    path = run.folder / "results/B" / name
    if path.is_dir():
        path = max((file for file in path.rglob("c/*/*")), key=lambda file: file.stat().st_size)
    content = bytearray(path.read_bytes())
    stamp = path.stat()
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    result = run.snakemake("--forcerun", stage, "--until", stage)
    assert result.returncode != 0, "the stage read a broken file as if it were whole"
    store = Path("results/B") / Path(name).parts[0]
    assert f"{stage}: {store}" in result.stdout
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    ends_with_undisturbed_bits(finished, run)
    print(f"flipped byte in {name}: named")


def test_clocks_that_differ_by_an_hour(finished, run):
    """Files that another machine wrote an hour ahead or behind; the run ends, and then rests."""
    moments = random.Random(5)
    files = sorted((run.folder / "results/B").glob("*.*"))
    for path in [*files, run.folder / "results/cohort/comparison.parquet"]:
        if path.is_file():
            stamp = time.time() + moments.choice((-3600, 3600))
            os.utime(path, (stamp, stamp))
    ends_with_undisturbed_bits(finished, run)
