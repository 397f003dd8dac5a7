"""Real slides, by the rows of the sheets under config/examples alone."""

import json
import os

import anndata
import pandas as pd
import pytest
from deployment import Deployment

from vitrail.io.cells import read_cells

pytestmark = pytest.mark.skipif(
    "VITRAIL_TEST_DATA" not in os.environ,
    reason="VITRAIL_TEST_DATA does not name the folder of the real data",
)


def run_example(tmp_path, name, *targets):
    deployment = Deployment.create(tmp_path / name)
    deployment.run("--configfile", f"config/examples/{name}.yaml", "--", *targets)
    return deployment.folder / "results" / name


def assert_conserved(folder, rows):
    account = json.loads((folder / "assignment.json").read_text())
    placed = account["genes_in_cells"] + account["controls_in_cells"]
    assert placed + sum(account["unassigned"].values()) == account["transcripts_in"] == rows
    counts = anndata.read_h5ad(folder / f"{folder.name}.h5ad")
    assert counts.X.sum() == account["genes_in_cells"]
    return account


def test_cosmx_transcripts_get_the_vendors_cells(tmp_path):
    results = run_example(tmp_path, "cosmx_lung")
    account = assert_conserved(results / "cosmx_lung", rows=12_542)
    agreement = account["vendor_agreement"]
    assert agreement["agree"] / account["transcripts_in"] >= 0.998
    assert (results / "cohort/report.html").stat().st_size > 10_000


def test_merscope_brain_in_two_planes(tmp_path):
    results = run_example(tmp_path, "merscope_mouse_brain")
    cells = []
    for sample, plane in (("brain_z0", "z0"), ("brain_z1", "z1")):
        assert_conserved(results / sample, rows=80_343)
        adata = anndata.read_h5ad(results / sample / f"{sample}.h5ad")
        assert {"mean_DAPI", "mean_polyT"} <= set(adata.obs), plane
        cells.append(adata.n_obs)
    # The vendor's polygons, fragmentary as they are, name 488 and 495 cells.
    assert all(350 < count < 800 for count in cells)


def test_xenium_without_an_image_keeps_the_given_nuclei(tmp_path):
    results = run_example(tmp_path, "xenium_lung_crop")
    assert_conserved(results / "xenium_lung", rows=10_000)
    adata = anndata.read_h5ad(results / "xenium_lung/xenium_lung.h5ad")
    assert adata.n_obs == 135
    assert (adata.obs["nuclei"] == 1).all()


def test_codex_cohort_from_tables_to_the_comparison_of_patients(tmp_path):
    # The 140 AnnData and the report would double the time; other tests make those.
    results = run_example(tmp_path, "codex_crc", "compare")
    table = pd.read_parquet(results / "cohort/comparison.parquet")
    primary = table[table["primary"]].iloc[0]
    assert primary["graph"] == "types"
    # Three images share no type of enough cells with the others; the note names them.
    assert (primary["samples"], primary["units"]) == (137, 35)
    assert all(image in primary["note"] for image in ("reg019_B", "reg037_B", "reg055_B"))
    assert 0 < primary["p"] <= 1
    cells = [len(read_cells(path)) for path in results.glob("*/annotated.h5ad")]
    assert (len(cells), sum(cells)) == (140, 258_385)
    pairs = pd.read_parquet(results / "cohort/divergence.parquet")
    assert len(pairs["sample_a"].unique()) == 139
