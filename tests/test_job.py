import os
import signal
import subprocess
import sys
import time

import pytest

from vitrail import job


def names(folder):
    return sorted(os.listdir(folder))


def test_outputs_appear_only_when_complete(tmp_path):
    target = tmp_path / "a.txt"
    with job.written_atomically({"a": str(target)}) as output:
        output["a"].write_text("x")
        assert not target.exists()
        assert output["a"].suffix == ".txt"
    assert target.read_text() == "x"
    assert names(tmp_path) == ["a.txt"]


def test_a_failed_job_leaves_nothing(tmp_path):
    def write_and_fail():
        with job.written_atomically({"a": str(tmp_path / "a.zarr")}) as output:
            output["a"].mkdir()
            raise KeyError("x")

    with pytest.raises(KeyError):
        write_and_fail()
    assert names(tmp_path) == []


def test_left_overs_of_a_killed_job_are_removed(tmp_path):
    left_over = tmp_path / ".unfinished-1-ab-a.zarr"
    left_over.mkdir()
    (left_over / "chunk").write_text("x")
    other = tmp_path / ".unfinished-1-ab-b.zarr"
    other.mkdir()
    with job.written_atomically({"a": str(tmp_path / "a.zarr")}) as output:
        output["a"].mkdir()
    assert names(tmp_path) == [".unfinished-1-ab-b.zarr", "a.zarr"]


def test_an_output_that_was_not_written_is_an_error(tmp_path):
    def forget():
        with job.written_atomically({"a": str(tmp_path / "a"), "b": str(tmp_path / "b")}) as out:
            out["a"].write_text("x")

    with pytest.raises(RuntimeError, match="did not write its output 'b'"):
        forget()
    assert names(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")
def test_a_job_ends_with_the_workflow(tmp_path):
    """Kill the process that stands for Snakemake: its job must not go on."""
    worker = tmp_path / "worker.py"
    worker.write_text(
        "import time\nfrom vitrail import job\njob.end_with_workflow()\n"
        "print('ready', flush=True)\ntime.sleep(60)\n"
    )
    parent = tmp_path / "parent.py"
    parent.write_text(
        "import subprocess, sys\nfrom vitrail import workflow\nworkflow.announce()\n"
        "child = subprocess.Popen([sys.executable, sys.argv[1]], stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\nprint(child.pid, flush=True)\nchild.wait()\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(parent), str(worker)], stdout=subprocess.PIPE, text=True
    )
    pid = int(process.stdout.readline())
    assert job.process_start(pid) is not None
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 10
    while job.process_start(pid) is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert job.process_start(pid) is None


def test_a_job_of_a_dead_workflow_does_not_begin(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    environment = os.environ | {job.WORKFLOW_VARIABLE: f"{dead.pid}:1"}
    code = "from vitrail import job; job.end_with_workflow(); print('began')"
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == -signal.SIGKILL
    assert "began" not in result.stdout


def test_the_time_of_imports_is_told_apart(tmp_path, monkeypatch):
    """One slow module, imported by another, and by a function that is called twice."""
    (tmp_path / "slow_module.py").write_text("import time\ntime.sleep(0.2)\n")
    (tmp_path / "outer_module.py").write_text("import slow_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    clock = job._ImportClock()
    before = __import__
    with clock:
        for _ in range(2):
            import outer_module  # noqa: F401
        time.sleep(0.2)
    assert 0.2 <= clock.seconds < 0.39
    # A module that sleeps takes time, and none of the processor's.
    assert clock.cpu_seconds < 0.1
    assert set(clock.usage()) == {"imports_s", "imports_cpu_s"}
    assert __import__ is before
