"""What the Snakefile needs beyond the sheet and the settings: who runs, and stage targets.

Called while the workflow is parsed; standard library only.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vitrail.errors import VitrailError
from vitrail.job import RUNTIME_VARIABLE, WORKFLOW_VARIABLE, process_start

# Snakemake's default of --max-jobs-per-timespan: jobs, seconds.
DEFAULT_JOB_RATE = (100, 1)
OWNERS = "vitrail-owners"
HASHES_VARIABLE = "VITRAIL_CODE"


def share_source(source: Path) -> None:
    """Put the library on the import path of all jobs, whose environments do not hold it."""
    others = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    paths = [str(source), *(path for path in others if path and path != str(source))]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)


def announce() -> None:
    """Name this process in the environment, so that its jobs end when it does."""
    pid = os.getpid()
    start = process_start(pid)
    if start is not None:
        os.environ[WORKFLOW_VARIABLE] = f"{pid}:{start}"


def check_writable(results: Path) -> None:
    """Raise where the folder of the results, or the nearest one above it, takes no file."""
    there = next(folder for folder in (results, *results.absolute().parents) if folder.exists())
    if not os.access(there, os.W_OK):
        raise VitrailError(f"{there}: is not writable, wanted a folder for the results.")


def check_results_before(workflow: Any, results: Path) -> None:
    """Let a run begin by asking whether its results can be written; a dry run does not ask.

    Snakemake would find out file by file, and call them write-protected.
    """

    class WithWritableResults(type(workflow)):  # type: ignore[misc]
        def execute(self, executor_plugin: Any, **others: Any) -> Any:
            if not executor_plugin.common_settings.dryrun_exec:
                try:
                    check_writable(results)
                except VitrailError as error:
                    from snakemake.exceptions import WorkflowError

                    raise WorkflowError(str(error)) from None
            return super().execute(executor_plugin=executor_plugin, **others)

    workflow.__class__ = WithWritableResults


def stop_after_runtime(wanted: bool) -> None:
    """Let each job of this machine end when the rule's resource `runtime` is over, or not."""
    os.environ[RUNTIME_VARIABLE] = "yes" if wanted else ""


def keep_locks_of_others() -> None:
    """Let a run that ends remove its own locks alone; ``--unlock`` still removes all.

    Snakemake removes the folder of all locks, which takes those of another run with it, or stops
    one that is about to write its own. Versions that keep locks elsewhere are left as they are.
    """
    try:
        from snakemake.persistence.file import FilePersistence
    except ImportError:
        return
    delete_all = FilePersistence._delete_locks
    if delete_all.__module__ == __name__:
        return

    def delete(persistence: Any) -> None:
        for path in persistence._lockfile.values():
            Path(path).unlink(missing_ok=True)
        persistence._lockfile.clear()

    FilePersistence._delete_locks = delete
    FilePersistence.cleanup_locks = delete_all


def take_over(state: Path) -> bool:
    """Record this process as an owner of a working directory; remove locks that dead ones left.

    Snakemake's lock files do not say who holds them, so that a killed run leaves the directory
    locked. Several runs may work in one directory on different files; the locks are removed where
    all processes that have recorded themselves are known to be dead.

    Parameters
    ----------
    state
        Snakemake's folder ``.snakemake`` of the working directory.

    Returns
    -------
    True where locks of dead runs were removed.
    """
    with _one_at_a_time(state):
        owners = _read_owners(state)
        if not all(_is_gone(owner) for owner in owners.values()):
            return False
        locks = state / "locks"
        stale = bool(owners) and locks.is_dir() and any(locks.iterdir())
        if stale:
            shutil.rmtree(locks, ignore_errors=True)
        for path in owners:
            path.unlink(missing_ok=True)
        claim(state)
    return stale


def claim(state: Path) -> None:
    """Record this process as an owner of a working directory: it may hold Snakemake's lock."""
    folder = state / OWNERS
    folder.mkdir(parents=True, exist_ok=True)
    pid, host = os.getpid(), socket.gethostname()
    owner = {"host": host, "pid": str(pid), "start": process_start(pid)}
    temporary = folder / f".{host}-{pid}"
    temporary.write_text(json.dumps(owner))
    os.replace(temporary, folder / f"{host}-{pid}.json")


@contextmanager
def _one_at_a_time(state: Path) -> Iterator[None]:
    """Let no other process look at the owners: it would not see the one that is about to claim."""
    folder = state / OWNERS
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def accept_stage_targets(workflow: Any, stages: Mapping[str, Callable[[], list[str]]]) -> None:
    """Let the name of a stage be a target that means its files of all samples.

    The rule of that name has wildcards, which Snakemake refuses as a target, and `--forcerun` and
    `--until` need the rule to have that name. The targets become known after the workflow is
    parsed, when Snakemake sets `dag_settings`.
    """

    class StageTargets(type(workflow)):  # type: ignore[misc]
        @property
        def dag_settings(self) -> Any:
            return self.__dict__["dag_settings"]

        @dag_settings.setter
        def dag_settings(self, settings: Any) -> None:
            if settings is not None:
                settings.targets = expand_stage_targets(settings.targets, stages)
            self.__dict__["dag_settings"] = settings

    workflow.__class__ = StageTargets


def poll_no_more(workflow: Any) -> None:
    """Let Snakemake look for jobs when one ends, and not also once a second for each that ended.

    Its default limit of 100 jobs a second makes each look for jobs, with or without a result,
    start a timer for the next; every ended job adds one such chain, so that a run of hundreds of
    short jobs spends its time looking. A limit that the user gives is kept. The settings become
    known after the workflow is parsed, when Snakemake sets `scheduling_settings`.
    """

    class WithoutPolling(type(workflow)):  # type: ignore[misc]
        @property
        def scheduling_settings(self) -> Any:
            return self.__dict__["scheduling_settings"]

        @scheduling_settings.setter
        def scheduling_settings(self, settings: Any) -> None:
            limit = getattr(settings, "max_jobs_per_timespan", None)
            if limit is not None and (limit.max_jobs, limit.timespan) == DEFAULT_JOB_RATE:
                settings.max_jobs_per_timespan = None
            self.__dict__["scheduling_settings"] = settings

    workflow.__class__ = WithoutPolling


def shared_hashes(root: Path, is_first: bool, make: Callable[[], dict[str, str]]) -> dict[str, str]:
    """The stages' code hashes, which the first process of a run makes and the others take over.

    Parameters
    ----------
    root
        Folder of the workflow whose hashes they are; a run may hold several as modules.
    is_first
        Whether this process is the one that the user started.
    make
        Makes them.
    """
    known = json.loads(os.environ.get(HASHES_VARIABLE, "{}"))
    if is_first or str(root) not in known:
        known[str(root)] = make()
        os.environ[HASHES_VARIABLE] = json.dumps(known)
    return dict(known[str(root)])


def expand_stage_targets(
    targets: Iterable[str], stages: Mapping[str, Callable[[], list[str]]]
) -> list[str]:
    """Replace the names of stages among the targets by the files of that stage of all samples."""
    expanded: list[str] = []
    for target in targets:
        expanded += stages[target]() if target in stages else [target]
    return expanded


def _read_owners(state: Path) -> dict[Path, dict[str, str]]:
    """Owners by the file that records them; what cannot be read is an owner nobody knows."""
    owners = {}
    for path in sorted((state / OWNERS).glob("*.json")):
        try:
            owners[path] = dict(json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            owners[path] = {}
    return owners


def _is_gone(owner: Mapping[str, str]) -> bool:
    """Whether the recorded process is dead; unknown on another host, so taken to be alive."""
    if owner.get("host") != socket.gethostname():
        return False
    return process_start(int(owner["pid"])) != owner["start"]
