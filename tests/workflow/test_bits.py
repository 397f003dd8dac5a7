"""The same bits, however the work is divided, ordered or interrupted."""

import os
import random
import signal

import pytest

KILLS = int(os.environ.get("VITRAIL_KILLS", "3"))


@pytest.fixture
def fresh(finished, tmp_path):
    """A copy of the finished run without results of the samples; the slides stay."""
    deployment = finished.copy(tmp_path / "run")
    for name in ("A", "B", "cohort"):
        remove(deployment.folder / "results" / name)
    return deployment


def remove(path):
    import shutil

    shutil.rmtree(path)


def differing(one, other):
    return sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))


def test_one_core_gives_the_bits_of_two(finished, fresh):
    fresh.run(cores=1)
    assert differing(finished.results(), fresh.results()) == []


@pytest.mark.parametrize("shards", [3, 8])
def test_any_number_of_shards_gives_the_same_bits(finished, fresh, shards):
    fresh.run("--config", f"tile={{shards: {shards}}}")
    results = fresh.results()
    assert differing(finished.results(), results) == []


def kill_at_random(deployment, seed, kills):
    """Kill Snakemake `kills` times at random moments; give back how many runs were hit."""
    moments = random.Random(seed)
    hit = 0
    for _ in range(kills):
        process = deployment.start()
        try:
            process.communicate(timeout=moments.uniform(2.0, 15.0))
        except Exception:
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stdout.close()
            hit += 1
    return hit


def test_killed_runs_end_with_the_undisturbed_bits(finished, fresh):
    hit = kill_at_random(fresh, seed=1, kills=3)
    assert hit == 3
    fresh.run()
    assert differing(finished.results(), fresh.results()) == []
    left = list((fresh.folder / "results").rglob(".unfinished-*"))
    assert left == []


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(100, 100 + max(1, KILLS // 5)))
def test_many_killed_runs_end_with_the_undisturbed_bits(finished, fresh, seed):
    hit = kill_at_random(fresh, seed, kills=5)
    fresh.run()
    assert differing(finished.results(), fresh.results()) == []
    print(f"seed {seed}: {hit} kills survived, {len(fresh.results())} files equal")
