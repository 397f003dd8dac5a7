"""The stages that run a segmenter: what they read, and what makes them stale."""

import json
import shutil

import pytest
import yaml
import zarr
from deployment import Deployment
from once import once

STAGES = ("prepare", "segment", "stitch")


def jobs(samples=("A", "B"), stages=STAGES):
    return {f"{stage} {sample}" for stage in stages for sample in samples}


@pytest.fixture(scope="module")
def segmented(tmp_path_factory, make_small, tiny_weights):
    """The small cohort, segmented by flow networks up to its label images."""

    def make(folder):
        run(make_small(Deployment.create(folder)), tiny_weights)

    return Deployment(once(tmp_path_factory, "flows", make))


def run(deployment, weights):
    shutil.copytree(weights, deployment.folder / "weights")
    deployment.set("segment.segmenter", "flows")
    for kind, key in (("nuclei", "nuclei_weights"), ("cells", "cell_weights")):
        deployment.set(f"segment.flows.{key}", f"weights/{kind}.pt")
    deployment.run("stitch")


@pytest.fixture
def deployment(segmented, tmp_path):
    return segmented.copy(tmp_path / "run")


def test_cells_and_nuclei_are_found(segmented):
    for sample in ("A", "B"):
        folder = segmented.folder / "results" / sample
        labels = zarr.open_group(str(folder / "segmentation/labels.zarr"), mode="r")
        assert labels["nuclei"][:].any()
        assert labels["cells"][:].any()
        values = json.loads((folder / "prepared.json").read_text())["values"]
        assert sorted(values["flows"]) == ["cells", "nuclei"]


def test_nothing_changed_nothing_runs(deployment):
    assert deployment.planned("stitch") == set()


def test_a_key_of_another_segmenter_reruns_nothing(deployment):
    deployment.set("segment.watershed.level", 0.4)
    deployment.set("segment.cellpose.diameter_um", 12.0)
    assert deployment.planned("stitch") == set()


def test_its_own_key_reruns_its_stages(deployment):
    deployment.set("segment.flows.flow_error", 0.6)
    assert deployment.planned("stitch") == jobs()


def test_other_weights_rerun_its_stages(deployment):
    path = deployment.folder / "weights/cells.pt"
    path.write_bytes(path.read_bytes() + b"\0")
    assert deployment.planned("stitch") == jobs()


def test_a_diameter_for_one_sample_reruns_that_sample(deployment):
    sheet = deployment.folder / "config/samples.tsv"
    header, first, second = sheet.read_text().splitlines()
    key = "segment.flows.cell_diameter_um"
    sheet.write_text(f"{header}\t{key}\n{first}\t\n{second}\t9.5\n")
    assert deployment.planned("stitch") == jobs(["B"])


def test_watershed_measures_nothing_unless_channels_are_merged(deployment):
    deployment.set("segment.segmenter", "watershed")
    assert deployment.planned("stitch") == jobs(stages=("segment", "stitch"))
    deployment.set("segment.channels.cytoplasm", ["polyT", "DAPI"])
    assert deployment.planned("stitch") == jobs()
    assert deployment.planned("prepare") == jobs(stages=("prepare",))


def test_missing_weights_stop_the_run_before_it_starts(deployment):
    shutil.rmtree(deployment.folder / "weights")
    shutil.rmtree(deployment.folder / "results")
    result = deployment.snakemake("stitch")
    assert result.returncode != 0
    assert (
        "segment.flows.nuclei_weights is 'weights/nuclei.pt', where no weight file is; wanted"
    ) in result.stdout
    assert not (deployment.folder / "results").exists()


def test_a_sheet_with_given_cells_needs_no_weights_in_its_jobs(deployment):
    config = yaml.safe_load((deployment.folder / "config/config.yaml").read_text())
    assert config["segment"]["segmenter"] == "flows"
    sheet = deployment.folder / "config/samples.tsv"
    header, first, second = sheet.read_text().splitlines()
    labels = "results/synthetic/P2/labels.tif"
    sheet.write_text(f"{header}\tlabels\n{first}\t\n{second}\t{labels}\n")
    assert deployment.planned("segment") == {"ingest B", "tile B", "segment B"}
