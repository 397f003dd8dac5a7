import json
import os
import socket
import subprocess
import sys

from vitrail import workflow
from vitrail.job import process_start


def dead_owner():
    process = subprocess.Popen([sys.executable, "-c", ""])
    start = process_start(process.pid)
    process.wait()
    return {"host": socket.gethostname(), "pid": str(process.pid), "start": start}


def lock(state, owner):
    (state / "locks").mkdir(parents=True)
    (state / "locks" / "0.input.lock").write_text("a\n")
    (state / workflow.OWNER_FILE).write_text(json.dumps(owner))


def test_locks_of_a_dead_run_are_removed_and_the_directory_is_ours(tmp_path):
    lock(tmp_path, dead_owner())
    assert workflow.take_over(tmp_path)
    assert not (tmp_path / "locks").exists()
    owner = json.loads((tmp_path / workflow.OWNER_FILE).read_text())
    assert owner["pid"] == str(os.getpid())


def test_locks_of_a_living_run_stay(tmp_path):
    living = {
        "host": socket.gethostname(),
        "pid": str(os.getppid()),
        "start": process_start(os.getppid()),
    }
    lock(tmp_path, living)
    assert not workflow.take_over(tmp_path)
    assert (tmp_path / "locks" / "0.input.lock").exists()
    assert json.loads((tmp_path / workflow.OWNER_FILE).read_text()) == living


def test_locks_of_another_host_stay(tmp_path):
    lock(tmp_path, dead_owner() | {"host": "elsewhere"})
    assert not workflow.take_over(tmp_path)
    assert (tmp_path / "locks" / "0.input.lock").exists()


def test_locks_without_a_known_owner_stay(tmp_path):
    lock(tmp_path, {})
    (tmp_path / workflow.OWNER_FILE).unlink()
    assert not workflow.take_over(tmp_path)
    assert (tmp_path / "locks" / "0.input.lock").exists()


def test_stage_names_become_files():
    stages = {"graph": lambda: ["results/A/graph.npz", "results/B/graph.npz"]}
    assert workflow.expand_stage_targets(["graph", "all"], stages) == [
        "results/A/graph.npz",
        "results/B/graph.npz",
        "all",
    ]
