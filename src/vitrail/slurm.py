"""Two things that Snakemake's plugin for SLURM does in a way that this workflow cannot live with.

Called while the workflow is parsed; standard library only. Where the plugin is another than the one
that this was written for, nothing is changed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

ARRAY_TASK = "SLURM_ARRAY_TASK_ID"
TARGETS = "--target-jobs"


def adapt(workflow: Any) -> None:
    """Let jobs of SLURM run their rules by themselves, and cancelled ones be seen.

    **Inside of a job.** The plugin starts every rule, and each of a group, by ``srun`` with another
    Snakemake, one after the other: seconds and 300 MB for jobs that take less. The rules here are
    processes of one node, so the Snakemake that SLURM has started runs them itself, on the CPUs
    that the job was given. Only tasks of job arrays need the plugin's way, which finds out by it
    which task they are.

    **Outside.** SLURM's accounting calls a job "CANCELLED by 1000", with the number of who did it.
    The plugin waits for "CANCELLED", and so for ever.

    Parameters
    ----------
    workflow
        Snakemake's workflow, whose method `execute` is yet to be called.
    """

    class OnSlurm(type(workflow)):  # type: ignore[misc]
        def execute(self, executor_plugin: Any, executor_settings: Any, **others: Any) -> Any:
            if executor_plugin.name == "slurm":
                see_cancelled(sys.modules.get(executor_plugin.executor.__module__))
            if executor_plugin.name == "slurm-jobstep" and ARRAY_TASK not in os.environ:
                from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

                executor_plugin = ExecutorPluginRegistry().get_plugin("local")
                executor_settings = None
                # Without it the number of CPUs would not bound the jobs at a time.
                self.global_resources["_nodes"] = None
            return super().execute(
                executor_plugin=executor_plugin, executor_settings=executor_settings, **others
            )

    workflow.__class__ = OnSlurm


def see_cancelled(plugin: Any) -> None:
    """Let the plugin read "CANCELLED by 1000" as the state that it knows.

    Parameters
    ----------
    plugin
        The plugin's module; its `query_job_status` gives the states of jobs and the time it took.
    """
    query = getattr(plugin, "query_job_status", None)
    if query is None:
        return

    async def query_in_words(*arguments: Any, **options: Any) -> Any:
        states, seconds = await query(*arguments, **options)
        if states is None:
            return states, seconds
        return {job: state.partition(" by ")[0] for job, state in states.items()}, seconds

    plugin.query_job_status = query_in_words


def runs_several_jobs(arguments: Sequence[str]) -> bool:
    """Whether a Snakemake that another one has started was given a group of jobs."""
    if TARGETS not in arguments:
        return False
    after = arguments[arguments.index(TARGETS) + 1 :]
    return sum(1 for _ in takewhile(lambda argument: not argument.startswith("-"), after)) > 1
