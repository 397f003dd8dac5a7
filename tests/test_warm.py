"""Scripts handed over to a warm interpreter behave as scripts that run by themselves."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from vitrail import warm

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")

HAND_OVER = """
import os, sys
from vitrail import warm
warm.hand_over({inputs!r}, {threads})
"""
# What a script can see of the process that it runs in.
TELL = """
import json
loaded = "colorsys" in sys.modules
import colorsys
print(json.dumps({
    "pid": os.getpid(), "folder": os.getcwd(), "loaded": loaded, "name": __name__,
    "argument": sys.argv[0], "variable": os.environ.get("FACT"),
    "threads": os.environ.get("NUMBA_NUM_THREADS"),
}))
"""


@pytest.fixture
def server(monkeypatch):
    """A warm interpreter that ends with the test."""
    monkeypatch.setenv(warm.SOCKET_VARIABLE, "")
    monkeypatch.delenv("VITRAIL_WORKFLOW", raising=False)
    started = []
    popen = subprocess.Popen

    def remember(*arguments, **options):
        started.append(popen(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", remember)
    warm.serve_workflow()
    monkeypatch.setattr(subprocess, "Popen", popen)
    yield started[0]
    started[0].kill()
    started[0].wait()


def script(folder, body, inputs=(), threads=1):
    path = folder / "script.py"
    path.write_text(HAND_OVER.format(inputs=list(inputs), threads=threads) + body)
    return [sys.executable, str(path)]


def told(command, **options):
    process = subprocess.run(command, capture_output=True, text=True, check=True, **options)
    return json.loads(process.stdout)


def test_a_fork_sees_what_its_script_would_see(server, tmp_path):
    command = script(tmp_path, TELL)
    environment = {**os.environ, "FACT": "a b\nc"}
    seen = told(command, cwd=tmp_path, env=environment)
    alone = told(command, cwd=tmp_path, env={**environment, warm.SOCKET_VARIABLE: "off"})
    for fact in ("folder", "name", "argument", "variable"):
        assert seen[fact] == alone[fact]
    assert seen["threads"] == "1"


def test_a_module_that_a_fork_imported_is_there_for_the_next(server, tmp_path):
    command = script(tmp_path, TELL)
    assert told(command)["loaded"] is False
    assert told(command)["loaded"] is True


def test_forks_run_at_the_same_time(server, tmp_path):
    """Each of two scripts waits for a file of the other's."""
    body = """
from pathlib import Path
import time
mine, other = os.environ["MINE"], os.environ["OTHER"]
Path(mine).touch()
while not Path(other).exists():
    time.sleep(0.01)
"""
    command = script(tmp_path, body)
    names = (str(tmp_path / "a"), str(tmp_path / "b"))
    both = [
        subprocess.Popen(command, env={**os.environ, "MINE": mine, "OTHER": other})
        for mine, other in (names, names[::-1])
    ]
    assert [process.wait(timeout=60) for process in both] == [0, 0]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("raise SystemExit(3)", 3),
        ("raise SystemExit", 0),
        ("raise SystemExit('a sentence')", 1),
        ("raise KeyError('lost')", 1),
        ("os.kill(os.getpid(), 9)", 137),
    ],
)
def test_the_exit_status_is_the_scripts(server, tmp_path, body, status):
    process = subprocess.run(
        script(tmp_path, body), capture_output=True, text=True, check=False, timeout=60
    )
    assert process.returncode == status
    if "lost" in body:
        assert "KeyError: 'lost'" in process.stderr


def test_a_fork_ends_when_its_script_is_killed(server, tmp_path):
    body = """
from pathlib import Path
import time
Path("pid").write_text(str(os.getpid()))
while True:
    time.sleep(0.01)
"""
    process = subprocess.Popen(script(tmp_path, body), cwd=tmp_path)
    place = tmp_path / "pid"
    wait_until(lambda: place.is_file() and place.read_text())
    fork = int(place.read_text())
    assert fork != process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: not alive(fork))


def test_the_interpreter_ends_with_the_workflow(tmp_path):
    """Kill the process that stands for Snakemake: the warm interpreter must not stay."""
    program = """
import os, time
from vitrail import warm, workflow
workflow.announce()
warm.serve_workflow()
print(open(f"/proc/self/task/{os.getpid()}/children").read().split()[0], flush=True)
time.sleep(600)
"""
    environment = {**os.environ, warm.SOCKET_VARIABLE: ""}
    workflow = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment
    )
    interpreter = int(workflow.stdout.readline())
    assert alive(interpreter)
    time.sleep(0.5)
    workflow.kill()
    workflow.wait()
    wait_until(lambda: not alive(interpreter))


def test_much_data_and_more_threads_stay_with_the_script(server, tmp_path):
    large = tmp_path / "folder/large"
    large.parent.mkdir()
    with large.open("wb") as file:
        file.truncate(warm.LARGEST_INPUT + 1)
    for options in ({"inputs": [str(large.parent)]}, {"threads": 2}):
        process = subprocess.Popen(
            script(tmp_path, TELL, **options), stdout=subprocess.PIPE, text=True
        )
        assert json.loads(process.communicate()[0])["pid"] == process.pid


def test_without_an_interpreter_a_script_runs_by_itself(tmp_path):
    gone = f"vitrail-nobody:{sys.executable}"
    process = subprocess.Popen(
        script(tmp_path, TELL),
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, warm.SOCKET_VARIABLE: gone},
    )
    assert json.loads(process.communicate()[0])["pid"] == process.pid


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(holds):
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)
