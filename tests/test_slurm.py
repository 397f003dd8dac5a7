"""What is done about Snakemake's plugin for SLURM."""

import asyncio
from types import SimpleNamespace

import pytest

from vitrail import slurm


class Executing:
    """A workflow that remembers what it was to be executed with."""

    def __init__(self):
        self.global_resources = {"_nodes": 1, "_cores": 4}
        self.given = None

    def execute(self, executor_plugin, executor_settings, **others):
        self.given = (executor_plugin.name, executor_settings, others)
        return True


def executed(name):
    workflow = Executing()
    slurm.adapt(workflow)
    plugin = SimpleNamespace(name=name, executor=Executing)
    assert workflow.execute(executor_plugin=plugin, executor_settings="own", updated_files=None)
    return workflow


def test_a_job_of_slurm_runs_its_rules_by_itself(monkeypatch):
    monkeypatch.delenv(slurm.ARRAY_TASK, raising=False)
    workflow = executed("slurm-jobstep")
    assert workflow.given == ("local", None, {"updated_files": None})
    # The number of CPUs bounds the jobs at a time, since that of nodes no longer does.
    assert workflow.global_resources == {"_nodes": None, "_cores": 4}


def test_a_task_of_an_array_and_other_executors_are_left_alone(monkeypatch):
    monkeypatch.delenv(slurm.ARRAY_TASK, raising=False)
    for name in ("slurm", "local", "cluster-generic"):
        assert executed(name).given[:2] == (name, "own")
    monkeypatch.setenv(slurm.ARRAY_TASK, "3")
    workflow = executed("slurm-jobstep")
    assert workflow.given[:2] == ("slurm-jobstep", "own")
    assert workflow.global_resources["_nodes"] == 1


@pytest.mark.parametrize(
    ("arguments", "several"),
    [
        ("snakemake --cores 2 --target-jobs a:s=1 b:s=1 --cores 2", True),
        ("snakemake --target-jobs a:s=1 --allowed-rules a b", False),
        ("snakemake --target-jobs a:s=1 b:s=2", True),
        ("snakemake --cores 2 all", False),
    ],
)
def test_a_group_is_several_jobs(arguments, several):
    assert slurm.runs_several_jobs(arguments.split()) == several


def states_seen(states):
    """What the plugin sees of what SLURM's accounting says."""

    async def query(command, logger):
        return states, 0.1

    plugin = SimpleNamespace(query_job_status=query)
    slurm.see_cancelled(plugin)
    return asyncio.run(plugin.query_job_status("sacct", None))


def test_a_cancelled_job_is_seen_whoever_cancelled_it():
    states = {"1": "CANCELLED by 1000", "2": "RUNNING", "3": "CANCELLED", "4": "COMPLETED"}
    seen = {"1": "CANCELLED", "2": "RUNNING", "3": "CANCELLED", "4": "COMPLETED"}
    assert states_seen(states) == (seen, 0.1)
    assert states_seen(None) == (None, 0.1)


def test_a_plugin_that_works_otherwise_is_left_alone():
    plugin = SimpleNamespace(other=1)
    slurm.see_cancelled(plugin)
    slurm.see_cancelled(None)
    assert vars(plugin) == {"other": 1}
