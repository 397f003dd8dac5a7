"""Folders of instruments in the sheet, through the workflow to the files that a user takes away."""

import json
import warnings

import anndata
import pyarrow.parquet as pq
import pytest
import spatialdata
from cosmx_files import write_slide
from deployment import Deployment
from merscope_files import write_region
from planted import Planted
from visium_hd_files import write_run as write_bins
from xenium_files import write_run

PLANTED = Planted()
SHEET = """sample\tcondition\tformat\tfolder\tz\tassign.min_quality
xen\ta\txenium\txen\t\t0
mer\ta\tmerscope\tmer\t0\t0
cos\tb\tcosmx\tcos\t\t0
hd\tb\tvisium_hd\thd\t\t
"""
SLIDES = ("xen", "mer", "cos")


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    deployment = Deployment.create(tmp_path_factory.mktemp("vendors") / "run")
    folder = deployment.folder
    write_run(folder / "xen", PLANTED, (3, 0))
    write_region(folder / "mer", PLANTED)
    write_slide(folder / "cos", PLANTED)
    write_bins(folder / "hd")
    (folder / "config/samples.tsv").write_text(SHEET)
    deployment.run("--", *targets())
    return deployment


def targets():
    return [
        *(f"results/{sample}/assignment.json" for sample in SLIDES),
        "results/xen/xen.h5ad",
        "results/hd/hd.h5ad",
        "results/xen/explorer",
    ]


@pytest.mark.parametrize("sample", SLIDES)
def test_transcripts_get_the_vendors_cells(deployment, sample):
    account = json.loads((deployment.folder / f"results/{sample}/assignment.json").read_text())
    assert account["transcripts_in"] == len(PLANTED.xy)
    agreement = account["vendor_agreement"]
    # MERSCOPE's cells differ from plane to plane; plane 0 has the whole ones here.
    assert agreement["compared"] == len(PLANTED.xy)
    assert agreement["agree"] / agreement["compared"] >= 0.995


@pytest.mark.parametrize("sample", ["xen", "hd"])
def test_the_files_open_without_a_warning(deployment, sample):
    folder = deployment.folder / f"results/{sample}"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        adata = anndata.read_h5ad(folder / f"{sample}.h5ad")
    data = spatialdata.read_zarr(folder / f"{sample}.zarr")
    cells = len(PLANTED.boxes) if sample == "xen" else 100
    assert adata.n_obs == data["table"].n_obs == cells
    assert data["table"].uns["spatialdata_attrs"]["region"] == "cells"
    assert len(data["cells"]) == cells


def test_the_viewer_gets_all_that_the_sample_has(deployment):
    folder = deployment.folder / "results/xen/explorer"
    document = json.loads((folder / "experiment.xenium").read_text())
    # The region of all planted transcripts is the image.
    assert document["num_transcripts"] == len(PLANTED.xy)
    assert document["num_cells"] == len(PLANTED.boxes)
    assert (folder / "morphology.ome.tif").is_file()


def test_a_changed_file_of_a_folder_is_seen_and_nothing_else_is(deployment):
    assert deployment.planned("--", *targets()) == set()
    path = deployment.folder / "xen/transcripts.parquet"
    pq.write_table(pq.read_table(path).slice(1), path)
    planned = deployment.planned("--", *targets())
    assert "ingest xen" in planned
    assert not any(job.endswith((" mer", " cos", " hd")) for job in planned)


def test_a_missing_file_ends_the_run_before_it_begins(deployment, tmp_path):
    copy = deployment.copy(tmp_path / "copy")
    (copy.folder / "mer/detected_transcripts.csv").rename(copy.folder / "mer/transcripts.csv")
    result = copy.snakemake("--dry-run", "ingest")
    assert result.returncode != 0
    assert (
        "config/samples.tsv, row 3 (sample mer): mer: has no detected_transcripts.csv or "
        "detected_transcripts.csv.gz or detected_transcripts.parquet (renamed to "
        "transcripts.csv?), wanted the transcripts of merscope."
    ) in result.stdout
