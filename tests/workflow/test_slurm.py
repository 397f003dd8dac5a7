"""Runs on a SLURM of one node: jobs go through, get more memory, and survive being cancelled."""

import os
import re
import subprocess
import time
from typing import NamedTuple

import pytest
from deployment import REPOSITORY, Deployment
from undisturbed import differing, unfinished

pytestmark = pytest.mark.slurm

NODE = REPOSITORY / "tests/slurm/one_node.sh"
SUBMITTED = re.compile(r"submitted with SLURM jobid (\d+)")
PROFILE = ("--workflow-profile", "workflow/profiles/slurm")
# What a user fills into the profile, and shorter waits than a shared cluster would like. The
# node has two processors; a group's jobs share them.
HERE = (
    *("--default-resources", "slurm_account=test", "slurm_partition=main"),
    *("mem_mb=1000", "runtime=20"),
    *("--slurm-init-seconds-before-status-checks", "5"),
    *("--seconds-between-status-checks", "5"),
    *("--jobs", "2"),
)
# What SLURM sees: groups of the profile, and rules that stand alone.
GROUPS = {"slide", "counts", "cells"}
ALONE = {"segment", "cohort", "compare", "report"}


class Entry(NamedTuple):
    """A job in SLURM's accounting."""

    id: str
    state: str
    memory: str
    name: str


@pytest.fixture(scope="module", autouse=True)
def node():
    """SLURM, unless there is one that the tests did not start and shall not end."""
    if os.geteuid() != 0:
        pytest.skip("needs root to start SLURM's daemons")
    subprocess.run([NODE, "up"], check=True)
    yield
    if "VITRAIL_KEEP_SLURM" not in os.environ:
        subprocess.run([NODE, "down"], check=True)


def accounted(output):
    """What SLURM's accounting says of the jobs that a run has submitted."""
    ids = SUBMITTED.findall(output)
    assert ids, output[-3000:]
    command = ["sacct", "--allocations", "--noheader", "--parsable2", "--jobs", ",".join(ids)]
    command += ["--format", "JobID,State,ReqMem,Comment"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [Entry(*line.split("|")) for line in lines]


def of_rule(entries, rule):
    return [entry for entry in entries if re.match(rf"rule_{rule}(_|$)", entry.name)]


def summary(entries):
    states = sorted(entry.state.split()[0] for entry in entries)
    return ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))


def fresh_copy(finished, folder):
    """A copy of a local run without results of the samples; the slides stay."""
    deployment = finished.copy(folder)
    for name in ("A", "B", "cohort"):
        subprocess.run(["rm", "-r", deployment.folder / "results" / name], check=True)
    return deployment


def test_a_cohort_goes_through_slurm_with_the_bits_of_a_local_run(finished, tmp_path):
    deployment = fresh_copy(finished, tmp_path / "run")
    output = deployment.run(*PROFILE, *HERE)
    entries = accounted(output)
    assert {entry.state for entry in entries} == {"COMPLETED"}
    assert all(of_rule(entries, name) for name in GROUPS | ALONE)
    # Both samples' stages in cell space are one job of SLURM's.
    assert len(of_rule(entries, "cells")) == 1
    logs = deployment.folder / "results/logs"
    assert all((logs / sample / "assemble.log").is_file() for sample in ("A", "B"))
    assert differing(finished.results(), deployment.results()) == []
    jobs = output.count("Finished jobid")
    files = len(deployment.results())
    print(f"\n{jobs} jobs in {len(entries)} of SLURM: {summary(entries)}; {files} files equal")


def test_the_demo_cohort_goes_through_slurm_with_the_bits_of_a_local_run(tmp_path):
    demo = ("--config", "samples=config/demo/samples.tsv")
    local, remote = (Deployment.create(tmp_path / name) for name in ("local", "remote"))
    local.run(*demo)
    entries = accounted(remote.run(*PROFILE, *HERE, *demo))
    assert {entry.state for entry in entries} == {"COMPLETED"}
    assert differing(local.results(), remote.results()) == []
    samples = len(list((remote.folder / "results").glob("P?/P?.h5ad")))
    print(f"\ndemo: {samples} samples, {summary(entries)}; {len(local.results())} files equal")


def test_a_job_killed_for_memory_is_retried_with_twice_as_much(finished, tmp_path):
    deployment = finished.copy(tmp_path / "run")
    deployment.own_code()
    rule = deployment.folder / "workflow/rules/matrix.smk"
    # Snakemake's own process needs more than this; the stage, less than eight times as much.
    rule.write_text(rule.read_text().replace("memory(2000, 0.3)", "memory(100)"))
    (deployment.folder / "results/A/counts.h5ad").unlink()
    output = deployment.run(*PROFILE, *HERE, "--retries", "3", "--", "results/A/counts.h5ad")
    first, *others = of_rule(accounted(output), "counts")
    assert first.state in ("FAILED", "OUT_OF_MEMORY")
    assert first.memory == "100M"
    assert others[-1].state == "COMPLETED"
    asked = [int(entry.memory.rstrip("M")) for entry in (first, *others)]
    assert asked == [100 * 2**attempt for attempt in range(len(asked))]
    assert differing(finished.results(), deployment.results()) == []
    print(f"\nasked for {asked} MB: {summary([first, *others])}")


def test_a_run_whose_jobs_were_cancelled_is_finished_by_the_next(finished, tmp_path):
    deployment = fresh_copy(finished, tmp_path / "run")
    process = deployment.start(*PROFILE, *HERE, "--retries", "0")
    lines = []
    cancelled = []
    for line in process.stdout:
        lines.append(line)
        found = SUBMITTED.search(line)
        if found and len(SUBMITTED.findall("".join(lines))) > 4 and len(cancelled) < 2:
            wait_until_running(found[1])
            subprocess.run(["scancel", found[1]], check=True)
            cancelled.append(found[1])
    assert process.wait() != 0
    entries = accounted("".join(lines))
    assert {e.id for e in entries if e.state.startswith("CANCELLED")} == set(cancelled)
    assert not (deployment.folder / "results/cohort/report.html").exists()
    again = accounted(deployment.run(*PROFILE, *HERE))
    assert {entry.state for entry in again} == {"COMPLETED"}
    assert differing(finished.results(), deployment.results()) == []
    assert unfinished(deployment) == []
    print(f"\nfirst run: {summary(entries)}; second run: {summary(again)}; same bits")


def wait_until_running(job):
    end = time.monotonic() + 120
    command = ["squeue", "--noheader", "--format", "%T", "--jobs", job]
    while time.monotonic() < end:
        state = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        if state == "RUNNING":
            # Snakemake's own start takes longer than this, so that the job is not over yet.
            time.sleep(0.5)
            return
        time.sleep(0.2)
    raise AssertionError(f"job {job} did not start")
