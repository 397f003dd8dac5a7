"""What the Snakefile needs beyond the sheet and the settings: who runs, and stage targets.

Called while the workflow is parsed; standard library only.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from vitrail.errors import VitrailError
from vitrail.job import RUNTIME_VARIABLE, WORKFLOW_VARIABLE, process_start

# Snakemake's default of --max-jobs-per-timespan: jobs, seconds.
DEFAULT_JOB_RATE = (100, 1)
OWNER_FILE = "vitrail-owner.json"


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


def stop_after_runtime(wanted: bool) -> None:
    """Let each job of this machine end when the rule's resource `runtime` is over, or not."""
    os.environ[RUNTIME_VARIABLE] = "yes" if wanted else ""


def take_over(state: Path) -> bool:
    """Record this process as the owner of a working directory, unless another one lives.

    Snakemake's lock files do not say who holds them, so that a killed run leaves the directory
    locked. Where the recorded owner is known to be dead, its locks are removed.

    Parameters
    ----------
    state
        Snakemake's folder ``.snakemake`` of the working directory.

    Returns
    -------
    True where locks of a dead run were removed.
    """
    owner = _read_owner(state)
    if owner is not None and not _is_gone(owner):
        return False
    locks = state / "locks"
    stale = owner is not None and locks.is_dir() and any(locks.iterdir())
    if stale:
        shutil.rmtree(locks, ignore_errors=True)
    claim(state)
    return stale


def claim(state: Path) -> None:
    """Record this process as the owner of a working directory: it holds Snakemake's lock."""
    state.mkdir(parents=True, exist_ok=True)
    pid = os.getpid()
    owner = {"host": socket.gethostname(), "pid": str(pid), "start": process_start(pid)}
    temporary = state / f"{OWNER_FILE}.{pid}"
    temporary.write_text(json.dumps(owner))
    os.replace(temporary, state / OWNER_FILE)


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


def expand_stage_targets(
    targets: Iterable[str], stages: Mapping[str, Callable[[], list[str]]]
) -> list[str]:
    """Replace the names of stages among the targets by the files of that stage of all samples."""
    expanded: list[str] = []
    for target in targets:
        expanded += stages[target]() if target in stages else [target]
    return expanded


def _read_owner(state: Path) -> dict[str, str] | None:
    try:
        return dict(json.loads((state / OWNER_FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _is_gone(owner: Mapping[str, str]) -> bool:
    """Whether the recorded process is dead; unknown on another host, so taken to be alive."""
    if owner.get("host") != socket.gethostname():
        return False
    return process_start(int(owner["pid"])) != owner["start"]
