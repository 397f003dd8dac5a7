"""What the Snakefile needs beyond the sheet and the settings."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from vitrail import workflow as support
from vitrail.workflow import poll_no_more


class Workflow:
    """A workflow as far as settings are concerned."""


@pytest.mark.parametrize(
    ("given", "kept"), [((100, 1), False), ((100, 60), True), ((50, 1), True), (None, False)]
)
def test_only_the_default_rate_of_jobs_is_taken_away(given, kept):
    workflow = Workflow()
    poll_no_more(workflow)
    limit = given and SimpleNamespace(max_jobs=given[0], timespan=given[1])
    workflow.scheduling_settings = SimpleNamespace(max_jobs_per_timespan=limit)
    assert (workflow.scheduling_settings.max_jobs_per_timespan is limit) == (kept or given is None)


def test_no_settings_are_no_error():
    workflow = Workflow()
    poll_no_more(workflow)
    workflow.scheduling_settings = None
    assert workflow.scheduling_settings is None


class Executing(Workflow):
    """A workflow that remembers what it was to be executed with."""

    def __init__(self):
        self.global_resources = {"_nodes": 1, "_cores": 4}
        self.given = None

    def execute(self, executor_plugin, executor_settings, **others):
        self.given = (executor_plugin.name, executor_settings, others)
        return True


def executed(name):
    workflow = Executing()
    support.run_in_place(workflow)
    plugin = SimpleNamespace(name=name)
    assert workflow.execute(executor_plugin=plugin, executor_settings="own", updated_files=None)
    return workflow


def test_a_job_of_slurm_runs_its_rules_by_itself(monkeypatch):
    monkeypatch.delenv(support.ARRAY_TASK, raising=False)
    workflow = executed("slurm-jobstep")
    assert workflow.given == ("local", None, {"updated_files": None})
    # The number of CPUs bounds the jobs at a time, since that of nodes no longer does.
    assert workflow.global_resources == {"_nodes": None, "_cores": 4}


def test_a_task_of_an_array_and_other_executors_are_left_alone(monkeypatch):
    monkeypatch.delenv(support.ARRAY_TASK, raising=False)
    for name in ("slurm", "local", "cluster-generic"):
        assert executed(name).given[:2] == (name, "own")
    monkeypatch.setenv(support.ARRAY_TASK, "3")
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
    assert support.runs_several_jobs(arguments.split()) == several


def test_code_hashes_are_made_once_a_run_and_a_workflow(monkeypatch):
    monkeypatch.setenv(support.HASHES_VARIABLE, json.dumps({"/w": {"graph": "stale"}}))
    made = []

    def make():
        made.append(1)
        return {"graph": f"hash{len(made)}"}

    def hashes(root, is_first):
        return support.shared_hashes(Path(root), is_first, make)["graph"]

    assert hashes("/w", True) == "hash1"
    assert hashes("/w", False) == "hash1"
    assert hashes("/other", False) == "hash2"
    assert hashes("/w", False) == "hash1"
    assert hashes("/w", True) == "hash3"
