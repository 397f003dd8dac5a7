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
