"""What goes wrong on real machines: after each fault one clear sentence, and then the same bits.

Run by `make test-faults`. Faults that need a file system of their own need root to mount it.
"""

import os
import random
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

pytestmark = pytest.mark.faults

# Every stage that writes files of a sample or of the cohort, and what it writes.
OUTPUTS = {
    "synthesize": ["synthetic/P2/image.ome.tif", "synthetic/P2/transcripts.parquet"],
    "ingest": ["B/slide.zarr", "B/slide.json"],
    "tile": ["B/tiles.parquet", "B/normalization.json"],
    "segment": ["B/segmentation/shards/0-of-2.npz"],
    "stitch": ["B/segmentation/labels.zarr", "B/segmentation/cells.parquet"],
    "assign": ["B/transcripts.zarr", "B/assignment.json"],
    "matrix": ["B/counts.h5ad"],
    "annotate": ["B/annotated.h5ad"],
    "graph": ["B/graph.npz"],
    "autocorrelation": ["B/autocorrelation.parquet"],
    "enrichment": ["B/enrichment.parquet"],
    "portrait": ["B/portraits.npz"],
    "assemble": ["B/B.h5ad", "B/B.zarr"],
    "cohort": ["cohort/cohort.h5ad"],
    "compare": ["cohort/divergence.parquet", "cohort/comparison.parquet"],
    "report": ["cohort/report.html"],
}
BLOCK = 4096
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system needs root")


@pytest.fixture
def run(finished, tmp_path):
    return finished.copy(tmp_path / "run")


def differing(one, other):
    return sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))


def ends_with_undisturbed_bits(finished, run):
    """A second run finishes, leaves nothing unfinished, equals the undisturbed run, and rests."""
    run.run()
    assert differing(finished.results(), run.results()) == []
    assert list((run.folder / "results").rglob(".unfinished-*")) == []
    assert run.planned() == set()


def remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_outputs(run, stage):
    for name in OUTPUTS[stage]:
        remove(run.folder / "results" / name)


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
@pytest.mark.parametrize("stage", OUTPUTS)
def test_a_disk_that_is_full_in_a_stage(finished, run, stage):
    with own_file_system(run, 64 << 20) as results:
        remove_outputs(run, stage)
        filler = fill(results)
        result = run.snakemake("--forcerun", stage)
        assert result.returncode != 0
        assert "could not be written, the disk is full; make room and run again." in result.stdout
        for name in OUTPUTS[stage]:
            assert not (results / name).exists()
        filler.unlink()
        ends_with_undisturbed_bits(finished, run)
    print(f"disk full in {stage}: survived")


@needs_root
def test_results_that_are_read_only(finished, run):
    with own_file_system(run, 64 << 20) as results:
        subprocess.run(["mount", "-o", "remount,ro", str(results)], check=True)
        result = run.snakemake("--forcerun", "graph")
        assert result.returncode != 0
        assert "results: is not writable, wanted a folder for the results." in result.stdout
        subprocess.run(["mount", "-o", "remount,rw", str(results)], check=True)
        ends_with_undisturbed_bits(finished, run)


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


SLEEPER = """
import time

def segment(image, context):
    time.sleep(3600)
"""


def test_a_worker_that_hangs(finished, run):
    (run.folder / "sleeper.py").write_text(SLEEPER)
    limit = ["--config", "segment={segmenter: sleeper:segment}", "stop_after_runtime=true"]
    path = f"{run.folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    result = run.snakemake(
        "--set-resources", "segment:runtime=1", "--until", "segment", *limit, PYTHONPATH=path
    )
    assert result.returncode != 0
    assert "segment: stopped after its runtime of 1 minutes" in result.stdout
    ends_with_undisturbed_bits(finished, run)


def stage_processes(snakemake):
    """Processes in which a stage runs: children of the run's warm interpreter."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            parents[int(folder.name)] = int(fields[1])
    interpreters = {pid for pid, parent in parents.items() if parent == snakemake and warm(pid)}
    return interpreters, [pid for pid, parent in parents.items() if parent in interpreters]


def warm(pid):
    try:
        return b"vitrail.warm" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


@pytest.mark.parametrize("seed", range(200, 210))
@pytest.mark.parametrize("victim", ["stage", "both", "interpreter"])
def test_killed_stages_and_interpreters(finished, run, victim, seed):
    moments = random.Random(seed)
    for name in ("A", "B", "cohort"):
        remove(run.folder / "results" / name)
    process = run.start()
    jobs = moments.randint(1, 20)
    for line in process.stdout:
        jobs -= line.startswith("Finished jobid")
        if jobs < 0:
            break
    deadline = time.monotonic() + 20
    interpreters, stages = stage_processes(process.pid)
    while not stages and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
        interpreters, stages = stage_processes(process.pid)
    victims = {"stage": stages[:1], "both": stages[:1], "interpreter": interpreters}[victim]
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    if victim == "both":
        process.kill()
    process.stdout.read()
    process.wait()
    ends_with_undisturbed_bits(finished, run)
    print(f"seed {seed}, killed {victim}: {len(run.results())} files equal")
