"""One folder of results for several cohorts, several runs at once, and in another place."""

import json
import os
import shutil
import signal

import pytest
from small_cohort import COLUMNS, sheet_row

from vitrail.workflow import OWNERS

COHORT = {"cohort", "compare", "report"}
OTHER = ("--config", "samples=config/other.tsv", "cohort_name=other")


@pytest.fixture
def deployment(finished, tmp_path):
    return finished.copy(tmp_path / "run")


def write_other_sheet(deployment, *rows):
    """A second sheet; its samples may be those of the first."""
    lines = ["\t".join(COLUMNS), *(sheet_row(*row) for row in rows), ""]
    (deployment.folder / "config/other.tsv").write_text("\n".join(lines))


def differing(one, other):
    return sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))


def test_a_second_cohort_takes_over_the_samples_and_leaves_the_first(deployment):
    write_other_sheet(
        deployment, ("A", "control", "patient1", "P1"), ("B", "treated", "patient2", "P2")
    )
    assert deployment.planned(*OTHER) == COHORT
    before = deployment.results()
    deployment.run(*OTHER)
    after = deployment.results()
    assert {path: after[path] for path in before} == before
    assert {path.split("/")[0] for path in after.keys() - before.keys()} == {"other"}
    # Each cohort is finished, whichever was made last.
    assert deployment.planned() == set()
    assert deployment.planned(*OTHER) == set()


def test_the_folder_of_a_cohort_is_no_sample_s(deployment):
    result = deployment.snakemake("--dry-run", "--config", "cohort_name=B")
    assert result.returncode != 0
    assert (
        "config: key 'cohort_name' is 'B', which is the folder of sample 'B'; "
        "wanted a name of its own."
    ) in result.stdout


def wait_for(process, text):
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"the run ended without a line '{text}'")


def started(deployment, *arguments):
    process = deployment.start(*arguments, cores=1)
    wait_for(process, "Select jobs to execute")
    return process


def test_two_runs_that_would_write_the_same_files_are_kept_apart(finished, deployment):
    shutil.rmtree(deployment.folder / "results/A")
    first = started(deployment)
    second = deployment.snakemake()
    assert second.returncode != 0
    assert "make sure that no other Snakemake process is trying to create the same files" in (
        " ".join(second.stdout.split())
    )
    assert "Removed the locks" not in second.stdout
    first.communicate()
    assert first.returncode == 0
    assert differing(finished.results(), deployment.results()) == []


def test_two_runs_that_write_different_files_work_side_by_side(finished, deployment):
    shutil.rmtree(deployment.folder / "results/A")
    write_other_sheet(deployment, ("C", "control", "patient1", "P1"))
    first = started(deployment, "ingest")
    deployment.run(*OTHER, "--", "ingest")
    third = deployment.snakemake("ingest", "--dry-run")
    assert "Removed the locks" not in third.stdout
    first.communicate()
    assert first.returncode == 0
    results = deployment.results()
    same = {p: h for p, h in finished.results().items() if p.startswith("A/slide")}
    assert {path: results[path] for path in same} == same
    assert results["C/slide.zarr/zarr.json"] == results["A/slide.zarr/zarr.json"]


def test_a_killed_run_beside_a_living_one_leaves_no_lock_behind_for_long(deployment):
    """Locks of the dead stay while another run lives, and go with the next run after it."""
    shutil.rmtree(deployment.folder / "results/A")
    write_other_sheet(deployment, ("C", "control", "patient1", "P1"))
    first = started(deployment, "ingest")
    second = started(deployment, *OTHER, "--", "ingest")
    second.send_signal(signal.SIGKILL)
    second.communicate()
    first.communicate()
    assert first.returncode == 0
    output = deployment.run(*OTHER, "--", "ingest")
    assert "Removed the locks" in output
    owners = (deployment.folder / ".snakemake" / OWNERS).glob("*.json")
    assert len([json.loads(path.read_text()) for path in owners]) == 1


# Another place.


@pytest.fixture
def moved(deployment, tmp_path):
    """The results in another folder, with a link where they were."""
    shutil.move(deployment.folder / "results", tmp_path / "elsewhere")
    (deployment.folder / "results").symlink_to(tmp_path / "elsewhere")
    return deployment


def test_moved_results_behind_a_link_keep_what_they_were_made_with(moved):
    assert moved.planned() == set()
    moved.set("graph.k", 9)
    assert "graph A" in moved.planned()
    assert "annotate A" not in moved.planned()


def test_moved_results_named_in_the_config_rerun_nothing(deployment, tmp_path):
    """Without the link, Snakemake has times alone to go by."""
    shutil.move(deployment.folder / "results", tmp_path / "elsewhere")
    place = str(tmp_path / "elsewhere")
    sheet = deployment.folder / "config/samples.tsv"
    sheet.write_text(sheet.read_text().replace("results/", f"{place}/"))
    deployment.set("results", place)
    assert deployment.planned() == set()


def test_a_copy_of_the_results_with_its_times_reruns_nothing(deployment, tmp_path):
    shutil.copytree(deployment.folder / "results", tmp_path / "copy", copy_function=shutil.copy2)
    shutil.rmtree(deployment.folder / "results")
    os.symlink(tmp_path / "copy", deployment.folder / "results")
    assert deployment.planned() == set()
