"""One job of the workflow: the frame in which a stage's script runs.

Standard library only, and imported before anything else: it fixes thread counts, which numeric
libraries read once when they are imported.
"""

from __future__ import annotations

import builtins
import json
import logging
import os
import resource
import secrets
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

from vitrail import warm
from vitrail.errors import VitrailError
from vitrail.failure import explain, unreadable
from vitrail.io import seal
from vitrail.progress import Progress
from vitrail.provenance import record

WORKFLOW_VARIABLE = "VITRAIL_WORKFLOW"
RUNTIME_VARIABLE = "VITRAIL_STOP_AFTER_RUNTIME"
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


class Job:
    """What a script's ``main`` sees of its rule.

    Attributes
    ----------
    input, params, wildcards
        Named items of the rule, as attributes.
    output
        Named outputs, as attributes: temporary paths, renamed when the job is complete.
    threads
        Number of threads that the job may use.
    log
        Logger that writes to the rule's log file.
    follow
        Says there how far a loop is, see `vitrail.progress`.
    provenance
        Record to be stored in the outputs.
    """

    def __init__(self, snakemake: Any, output: dict[str, Path], log: logging.Logger) -> None:
        self.input = snakemake.input
        self.params = snakemake.params
        self.wildcards = snakemake.wildcards
        self.threads: int = snakemake.threads
        self.output = SimpleNamespace(**{name: str(path) for name, path in output.items()})
        self.log = log
        self.follow = Progress(log.info)
        self.provenance = record(snakemake.rule, snakemake.params.get("settings") or {})


def run(main: Callable[[Job], None], snakemake: Any) -> None:
    """Run a stage: fixed threads, a log, outputs renamed when complete, no life of its own.

    A `VitrailError` ends the job with its one sentence, anything else with a sentence of
    `vitrail.failure` below its stack trace. HDF5 files are sealed when they are complete and
    compared with their seals before they are read, see `vitrail.io.seal`. A small job is run by
    the workflow's warm interpreter, see `vitrail.warm`.
    """
    warm.hand_over(list(snakemake.input), snakemake.threads)
    started = time.monotonic()
    end_with_workflow()
    _fix_threads(snakemake.threads)
    terminal = _redirect_output(snakemake.log[0] if snakemake.log else None)
    log = _logger(snakemake.rule)
    imports = _ImportClock()
    if os.environ.get(RUNTIME_VARIABLE):
        runtime = snakemake.resources.get("runtime")
        # A user may take it from a rule.
        if runtime is not None:
            _stop_after(runtime, snakemake.rule, log, terminal)
    try:
        with imports, written_atomically(dict(snakemake.output.items())) as output:
            _check_seals(snakemake.input)
            main(Job(snakemake, output, log))
            _seal(output.values())
    except VitrailError as error:
        _fail(str(error), snakemake.rule, log, terminal)
    except Exception as error:
        log.exception("stack trace")
        _fail(explain(error, snakemake.input, snakemake.output), snakemake.rule, log, terminal)
    log.info("usage %s", json.dumps({**_usage(started), **imports.usage()}))


def _check_seals(inputs: Iterable[str]) -> None:
    for path in inputs:
        if str(path).endswith(seal.SUFFIX) and (found := seal.broken_seal(path)):
            raise VitrailError(unreadable(path, found))


def _seal(outputs: Iterable[Path]) -> None:
    for path in outputs:
        if path.suffix == seal.SUFFIX:
            seal.seal(path)


def _stop_after(minutes: int, stage: str, log: logging.Logger, terminal: int | None) -> None:
    """End the process when its time is over: a worker that hangs would hold the run for ever."""

    def stop() -> None:
        try:
            _fail(f"stopped after its runtime of {minutes} minutes.", stage, log, terminal)
        finally:
            os._exit(1)

    timer = threading.Timer(60 * minutes, stop)
    timer.daemon = True
    timer.start()


def _fail(sentence: str, stage: str, log: logging.Logger, terminal: int | None) -> NoReturn:
    log.error("%s", sentence)
    if terminal is not None:
        os.write(terminal, f"{stage}: {sentence}\n".encode())
    raise SystemExit(1)


def end_with_workflow() -> None:
    """Let the process die with the Snakemake process that scheduled it.

    A killed Snakemake leaves its jobs running, and a job that outlives it would write beside the
    next run's. The workflow leaves its process id and start time in the environment; a thread
    waits for that process to end.
    """
    owner = os.environ.get(WORKFLOW_VARIABLE)
    if not owner or not hasattr(os, "pidfd_open"):
        return
    pid, start = owner.split(":")
    try:
        handle = os.pidfd_open(int(pid))
    except OSError:
        handle = -1
    if handle < 0 or process_start(int(pid)) != start:
        os.kill(os.getpid(), signal.SIGKILL)
    threading.Thread(target=_wait_and_die, args=(handle,), daemon=True).start()


def process_start(pid: int) -> str | None:
    """Start time of a process in clock ticks since boot, or None where there is none.

    With the process id it names one process for good: ids are used again, start times are not.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


def _wait_and_die(handle: int) -> None:
    import select

    poll = select.poll()
    poll.register(handle, select.POLLIN)
    poll.poll()
    os.kill(os.getpid(), signal.SIGKILL)


def _fix_threads(threads: int) -> None:
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(threads)


def _redirect_output(log: str | None) -> int | None:
    """Send everything that the process prints to the log; give back the terminal's descriptor."""
    if log is None:
        return None
    sys.stdout.flush()
    sys.stderr.flush()
    terminal = os.dup(2)
    os.set_inheritable(terminal, False)
    with open(log, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    return terminal


def _logger(stage: str) -> logging.Logger:
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    # Libraries announce their own steps at this level; a stage's log is the stage's.
    for chatty in ("numba", "matplotlib", "fontTools"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return logging.getLogger(f"vitrail.{stage}")


@contextmanager
def written_atomically(targets: dict[str, str]) -> Iterator[dict[str, Path]]:
    """Temporary paths beside the targets, renamed to them if the block ends without an error.

    What an earlier attempt at the same target left behind is removed first.
    """
    marker = f"{os.getpid()}-{secrets.token_hex(4)}"
    temporary: dict[str, Path] = {}
    for name, target in targets.items():
        path = Path(target)
        path.parent.mkdir(parents=True, exist_ok=True)
        for left_over in path.parent.glob(f".unfinished-*-{_escape(path.name)}"):
            _remove(left_over)
        # The target's own suffix stays last: writers choose the format by it.
        temporary[name] = path.with_name(f".unfinished-{marker}-{path.name}")
    try:
        yield temporary
        for name, path in temporary.items():
            if not path.exists():
                raise RuntimeError(f"the stage did not write its output '{name}'")
        for name, path in temporary.items():
            _replace(path, Path(targets[name]))
    finally:
        for path in temporary.values():
            _remove(path)


def _escape(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _replace(path: Path, target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    os.replace(path, target)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


class _ImportClock:
    """Measures the time that import statements of the main thread take, while it is entered."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.cpu_seconds = 0.0
        self._depth = 0
        self._import = builtins.__import__

    def __enter__(self) -> None:
        builtins.__import__ = self._timed

    def __exit__(self, *error: object) -> None:
        builtins.__import__ = self._import

    def usage(self) -> dict[str, float]:
        """What the imports took, for the log."""
        return {
            "imports_s": round(self.seconds, 2),
            "imports_cpu_s": round(self.cpu_seconds, 2),
        }

    def _timed(self, *arguments: Any, **options: Any) -> Any:
        if self._depth or threading.current_thread() is not threading.main_thread():
            return self._import(*arguments, **options)
        self._depth += 1
        start, cpu_start = time.monotonic(), time.thread_time()
        try:
            return self._import(*arguments, **options)
        finally:
            self._depth -= 1
            self.seconds += time.monotonic() - start
            self.cpu_seconds += time.thread_time() - cpu_start


def _usage(started: float) -> dict[str, float]:
    own = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "wall_s": round(time.monotonic() - started, 2),
        "cpu_s": round(own.ru_utime + own.ru_stime, 2),
        "peak_mb": round(own.ru_maxrss / 1024),
    }
