import json
import os
import socket
import subprocess
import sys

import pytest

from vitrail import workflow
from vitrail.job import process_start


def dead_owner():
    process = subprocess.Popen([sys.executable, "-c", ""])
    start = process_start(process.pid)
    process.wait()
    return {"host": socket.gethostname(), "pid": str(process.pid), "start": start}


def living_owner():
    parent = os.getppid()
    return {"host": socket.gethostname(), "pid": str(parent), "start": process_start(parent)}


def lock(state, *owners):
    (state / "locks").mkdir(parents=True)
    (state / "locks" / "0.input.lock").write_text("a\n")
    folder = state / workflow.OWNERS
    folder.mkdir()
    for number, owner in enumerate(owners):
        (folder / f"{number}.json").write_text(json.dumps(owner))


def owners(state):
    return [json.loads(path.read_text()) for path in (state / workflow.OWNERS).glob("*.json")]


def test_locks_of_dead_runs_are_removed_and_the_directory_is_ours(tmp_path):
    lock(tmp_path, dead_owner(), dead_owner())
    assert workflow.take_over(tmp_path)
    assert not (tmp_path / "locks").exists()
    assert [owner["pid"] for owner in owners(tmp_path)] == [str(os.getpid())]


@pytest.mark.parametrize("last", [False, True])
def test_locks_stay_while_one_of_several_runs_lives(tmp_path, last):
    pair = [living_owner(), dead_owner()]
    lock(tmp_path, *(pair[::-1] if last else pair))
    assert not workflow.take_over(tmp_path)
    assert (tmp_path / "locks" / "0.input.lock").exists()
    assert living_owner() in owners(tmp_path)


def test_a_second_run_does_not_hide_the_first(tmp_path):
    """The second of two runs ends first; a third must leave the first one's locks alone."""
    lock(tmp_path, living_owner())
    workflow.claim(tmp_path)
    (own,) = (path for path in (tmp_path / workflow.OWNERS).glob("*.json") if path.name != "0.json")
    own.write_text(json.dumps(dead_owner()))
    assert not workflow.take_over(tmp_path)
    assert (tmp_path / "locks" / "0.input.lock").exists()


def test_locks_of_another_host_stay(tmp_path):
    lock(tmp_path, dead_owner() | {"host": "elsewhere"})
    assert not workflow.take_over(tmp_path)
    assert (tmp_path / "locks" / "0.input.lock").exists()


@pytest.mark.parametrize("owner", [(), ({},)])
def test_locks_without_a_known_owner_stay(tmp_path, owner):
    lock(tmp_path, *owner)
    assert not workflow.take_over(tmp_path)
    assert (tmp_path / "locks" / "0.input.lock").exists()


def test_stage_names_become_files():
    stages = {"graph": lambda: ["results/A/graph.npz", "results/B/graph.npz"]}
    assert workflow.expand_stage_targets(["graph", "all"], stages) == [
        "results/A/graph.npz",
        "results/B/graph.npz",
        "all",
    ]


def test_a_run_removes_its_own_locks_and_unlocking_removes_all(tmp_path):
    code = """
import sys
from pathlib import Path
from snakemake.persistence.file import FilePersistence
from vitrail.workflow import keep_locks_of_others
keep_locks_of_others()
keep_locks_of_others()
folder = Path(sys.argv[1])
run = FilePersistence.__new__(FilePersistence)
run._lockdir, run._lockfile = str(folder), {}
(folder / "0.input.lock").write_text("another run's\\n")
run._write_locks("input", ["mine"])
assert sorted(path.name for path in folder.iterdir()) == ["0.input.lock", "1.input.lock"]
run.unlock()
assert sorted(path.name for path in folder.iterdir()) == ["0.input.lock"]
run.cleanup_locks()
assert not folder.exists()
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
