"""What goes wrong on real machines: after each fault one clear sentence, and then the same bits.

Run by `make test-faults`. Faults that need a file system of their own need root to mount it.
"""

import os
import shutil
import subprocess
from contextlib import contextmanager, suppress
from itertools import chain

import pytest
from undisturbed import ends_with_undisturbed_bits, remove

pytestmark = pytest.mark.faults

# Every stage that writes files of a sample or of the cohort, and what it writes.
OF_PIXELS = {
    "synthesize": ["synthetic/P2/image.ome.tif", "synthetic/P2/transcripts.parquet"],
    "ingest": ["B/slide.zarr", "B/slide.json"],
    "tile": ["B/tiles.parquet", "B/normalization.json"],
    "prepare": ["B/prepared.json"],
    "segment": ["B/segmentation/shards/0-of-1.npz"],
    "stitch": ["B/segmentation/labels.zarr", "B/segmentation/cells.parquet"],
}
OF_CELLS = {
    "assign": ["B/transcripts.zarr", "B/assignment.json"],
    "matrix": ["B/counts.h5ad"],
    "annotate": ["B/annotated.h5ad"],
    "graph": ["B/graph.npz"],
    "autocorrelation": ["B/autocorrelation.parquet"],
    "enrichment": ["B/enrichment.parquet"],
    "portrait": ["B/portraits.npz"],
    "topography": ["B/topography.parquet", "B/topography.npz"],
    "assemble": ["B/B.h5ad", "B/B.zarr"],
    "cohort": ["cohort/cohort.h5ad"],
    "compare": ["cohort/divergence.parquet", "cohort/comparison.parquet"],
    "report": ["cohort/report.html"],
    "preview": ["B/preview.png"],
    "explorer": ["B/explorer"],
}
BLOCK = 4096
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system needs root")


@pytest.fixture
def run(by_watershed, tmp_path):
    return by_watershed.copy(tmp_path / "run")


@contextmanager
def own_file_system(run, spare_bytes):
    """Lay the results on a file system of their own that has some bytes to spare."""
    results = run.folder / "results"
    content = run.folder / "content"
    results.rename(content)
    results.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={2 * _bytes(content) + spare_bytes}"]
    if subprocess.run([*mount, "vitrail", str(results)], check=False).returncode != 0:
        pytest.skip("this machine does not let its root mount a file system")
    try:
        shutil.copytree(content, results, symlinks=True, dirs_exist_ok=True)
        yield results
    finally:
        subprocess.run(["umount", "--lazy", str(results)], check=True)


def _bytes(folder):
    blocks = (path.lstat().st_size // BLOCK + 1 for path in folder.rglob("*"))
    return BLOCK * sum(blocks)


def fill(results):
    """Fill a file system; the logs of earlier runs keep their place."""
    filler = results / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * BLOCK)
    return filler


@needs_root
@pytest.mark.parametrize(
    ("undisturbed", "outputs", "later"),
    [("finished", OF_PIXELS, OF_CELLS), ("by_watershed", OF_CELLS, {})],
    ids=["pixels", "cells"],
)
def test_a_disk_that_is_full_in_each_stage(request, tmp_path, undisturbed, outputs, later):
    """From the last stage to the first, each wanted by itself, so that only it has to write."""
    finished = request.getfixturevalue(undisturbed)
    run = finished.copy(tmp_path / "run")
    with own_file_system(run, 64 << 20) as results:
        # What is finished does not ask for what it was made from.
        for name in chain(*later.values()):
            remove(results / name)
        for stage, names in reversed(outputs.items()):
            for name in names:
                remove(results / name)
            filler = fill(results)
            result = run.snakemake(stage)
            assert result.returncode != 0, stage
            said = [line for line in result.stdout.splitlines() if line.startswith(f"{stage}: ")]
            assert said, result.stdout[-3000:]
            full = "could not be written, the disk is full; make room and run again."
            assert all(line.endswith(full) for line in said), said
            assert not [name for name in names if (results / name).exists()]
            filler.unlink()
        ends_with_undisturbed_bits(finished, run)
    print(f"disk full: one sentence in each of {len(outputs)} stages, then the same bits")


@needs_root
def test_results_that_are_read_only(by_watershed, run):
    with own_file_system(run, 64 << 20) as results:
        subprocess.run(["mount", "-o", "remount,ro", str(results)], check=True)
        result = run.snakemake("--forcerun", "graph")
        assert result.returncode != 0
        assert "results: is not writable, wanted a folder for the results." in result.stdout
        subprocess.run(["mount", "-o", "remount,rw", str(results)], check=True)
        ends_with_undisturbed_bits(by_watershed, run)


SLEEPER = """
import time

def segment(image, context):
    time.sleep(3600)
"""


def test_a_worker_that_hangs(by_watershed, run):
    (run.folder / "sleeper.py").write_text(SLEEPER)
    limit = ["--config", "segment={segmenter: sleeper:segment}", "stop_after_runtime=true"]
    path = f"{run.folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    result = run.snakemake(
        "--set-resources", "segment:runtime=1", "--until", "segment", *limit, PYTHONPATH=path
    )
    assert result.returncode != 0
    assert "segment: stopped after its runtime of 1 minutes" in result.stdout
    for name in "AB":
        # What the sleeper wanted to be measured; the watershed wants nothing.
        remove(run.folder / "results" / name / "prepared.json")
    ends_with_undisturbed_bits(by_watershed, run)
