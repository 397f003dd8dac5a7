"""Kill -9 of Snakemake, of a stage, of both, of the interpreter they share: then the same bits.

Run by `make test-faults`; VITRAIL_KILLS says how many kills there are.
"""

import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from undisturbed import ends_with_undisturbed_bits, remove

from vitrail.job import process_start

pytestmark = pytest.mark.faults
KILLS = int(os.environ.get("VITRAIL_KILLS", "100"))
# Kills of one run before it may end, and jobs at most that end between two of them.
IN_A_ROW = 10
MOST_JOBS = 3
# The first seed's slides are segmented by the network of the default; the others' by the watershed,
# which leaves more of the same time to all other stages.
SEEDS = range(100, 100 + max(1, KILLS // IN_A_ROW))
VICTIMS = ("snakemake", "stage", "both", "interpreter")


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


def start_over(run):
    """Take away the results of the samples and of the cohort; the slides stay."""
    for name in ("A", "B", "cohort"):
        remove(run.folder / "results" / name)


def kill_once(run, moments):
    """Start a run and kill a part of it at a random moment; the part, or None if it ended first."""
    process = run.start()
    jobs = moments.randint(0, MOST_JOBS)
    for line in process.stdout:
        jobs -= line.startswith("Finished jobid")
        if jobs < 0 or (jobs == 0 and line.startswith("Select jobs to execute")):
            break
    time.sleep(moments.uniform(0.0, 1.5))
    victim = moments.choice(VICTIMS)
    interpreters, stages = stage_processes(process.pid)
    chosen = {"interpreter": interpreters, "stage": stages[:1], "both": stages[:1]}
    pids = [*chosen.get(victim, ()), *([process.pid] if victim in ("snakemake", "both") else ())]
    ended = process.poll() is not None or not pids
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.stdout.read()
    process.wait()
    wait_for_end(interpreters | set(stages))
    return None if ended else victim


def wait_for_end(pids):
    """Wait until processes are gone: a stage notices a moment later that its Snakemake is dead."""
    deadline = time.monotonic() + 30
    while any(process_start(pid) for pid in pids):
        assert time.monotonic() < deadline, "a stage outlives the Snakemake that started it"
        time.sleep(0.05)


def wrong_files(finished, run):
    """Files that look finished and are not those of the undisturbed run."""
    right = finished.results()
    return [
        path
        for path, content in run.results().items()
        if ".unfinished-" not in path and right.get(path) != content
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_kills_at_random_moments(request, tmp_path, seed):
    finished = request.getfixturevalue("finished" if seed == SEEDS[0] else "by_watershed")
    run = finished.copy(tmp_path / "run")
    moments = random.Random(seed)
    start_over(run)
    killed = Counter()
    while killed.total() < IN_A_ROW:
        victim = kill_once(run, moments)
        assert wrong_files(finished, run) == []
        if victim:
            killed[victim] += 1
        elif (run.folder / "results/cohort/report.html").exists():
            start_over(run)
    ends_with_undisturbed_bits(finished, run)
    parts = ", ".join(f"{count} {victim}" for victim, count in sorted(killed.items()))
    files = len(run.results())
    print(f"seed {seed}: {killed.total()} kills survived ({parts}), {files} files equal")
