"""What rules ask a cluster for: memory and time, and more of both when a job is tried again."""

import json

import pytest
from deployment import Deployment

PROBE = """
include: "workflow/Snakefile"


def asked(rule, attempt):
    from types import SimpleNamespace

    wildcards = SimpleNamespace(**({"sample": "A"} if "sample" in rule.wildcard_names else {}))
    found = {}
    for name in ("mem_mb", "runtime"):
        resource = rule.resources.get(name)
        found[name] = resource and resource.evaluate(wildcards, attempt=attempt).value
    return found


found = {rule.name: [asked(rule, attempt) for attempt in (1, 2, 3)] for rule in workflow.rules}
Path("asked.json").write_text(json.dumps(found))
"""


@pytest.fixture(scope="module")
def asked(make_small, tmp_path_factory):
    """Memory and minutes of each rule at its first three attempts."""
    deployment = make_small(Deployment.create(tmp_path_factory.mktemp("resources")))
    (deployment.folder / "probe.smk").write_text(PROBE)
    deployment.run("--snakefile", "probe.smk", "--list-rules")
    return json.loads((deployment.folder / "asked.json").read_text())


def test_every_rule_asks_for_memory_and_time_and_for_twice_as_much_again(asked):
    rules = set(asked) - {"all"}
    assert {"ingest", "prepare", "segment", "score", "evaluate", "train", "report"} <= rules
    for rule in rules:
        for name, least in (("mem_mb", 500), ("runtime", 5)):
            first, second, third = (attempt[name] for attempt in asked[rule])
            assert first is not None, f"{rule} does not state {name}"
            assert first >= least, rule
            # Rounded to whole numbers each time.
            assert abs(second - 2 * first) <= 1, rule
            assert abs(third - 4 * first) <= 2, rule
