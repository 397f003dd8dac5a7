"""The same bits, however the work is divided, ordered or interrupted."""

import random
import shutil
import signal
import time

import pytest
from undisturbed import differing, unfinished


@pytest.fixture
def fresh(finished, tmp_path):
    """A copy of the finished run without results of the samples; the slides stay."""
    deployment = finished.copy(tmp_path / "run")
    for name in ("A", "B", "cohort"):
        shutil.rmtree(deployment.folder / "results" / name)
    return deployment


def test_one_core_processes_of_their_own_and_any_shards_give_the_same_bits(finished, fresh):
    """All at once: a difference that any of them makes would show."""
    sheet = fresh.folder / "config/samples.tsv"
    header, *rows = sheet.read_text().splitlines()
    lines = [header + "\ttile.shards"]
    lines += [f"{row}\t{shards}" for row, shards in zip(rows, (3, 8), strict=True)]
    sheet.write_text("\n".join(lines) + "\n")
    fresh.run(cores=1, VITRAIL_WARM="off")
    for sample, shards in (("A", 3), ("B", 8)):
        made = fresh.folder / f"results/{sample}/segmentation/shards"
        assert len(list(made.glob("*.npz"))) == shards
    assert differing(finished.results(), fresh.results()) == []


def kill_at_random(deployment, seed, kills, most_jobs):
    """Kill Snakemake `kills` times, each some jobs and a moment into its run."""
    moments = random.Random(seed)
    for _ in range(kills):
        process = deployment.start()
        jobs = moments.randint(0, most_jobs)
        for line in process.stdout:
            jobs -= line.startswith("Finished jobid")
            if jobs < 0 or (jobs == 0 and line.startswith("Select jobs to execute")):
                break
        time.sleep(moments.uniform(0.0, 1.5))
        assert process.poll() is None, "the run ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()


def test_killed_runs_end_with_the_undisturbed_bits(finished, fresh):
    kill_at_random(fresh, seed=1, kills=3, most_jobs=5)
    fresh.run()
    assert differing(finished.results(), fresh.results()) == []
    assert unfinished(fresh) == []
