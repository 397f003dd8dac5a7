"""Samples that have little: each goes through the whole chain beside the others."""

import anndata
import numpy as np
import pandas as pd
import pytest
import spatialdata
import tifffile
from deployment import Deployment
from once import once

rng = np.random.default_rng(5)
SIDE = 160
PIXEL = 0.5


def disc_labels():
    """Nine discs of radius 8 pixels on a grid."""
    y, x = np.mgrid[:SIDE, :SIDE]
    labels = np.zeros((SIDE, SIDE), np.int32)
    for number, (cy, cx) in enumerate(np.ndindex(3, 3), start=1):
        labels[(y - 30 - 50 * cy) ** 2 + (x - 30 - 50 * cx) ** 2 <= 64] = number
    return labels


def disc_image():
    noise = rng.normal(200, 10, (SIDE, SIDE))
    return np.clip(noise + 3000 * (disc_labels() > 0), 0, None).astype(np.uint16)


def transcripts(count):
    x, y = rng.uniform(0, SIDE * PIXEL, (2, count))
    gene = rng.choice(["A", "B", "C", "Blank-1"], count)
    return pd.DataFrame({"x": x, "y": y, "gene": gene})


def square(cell, x, y, side):
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * side + (x, y)
    return pd.DataFrame({"cell_id": cell, "x": corners[:, 0], "y": corners[:, 1]})


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return once(tmp_path_factory, "odd", run) / "results"


def run(folder):
    """Write the samples and run the workflow on them."""
    deployment = Deployment.create(folder)
    tifffile.imwrite(folder / "blank.tif", np.full((SIDE, SIDE), 100, np.uint16))
    tifffile.imwrite(folder / "discs.tif", disc_image())
    tifffile.imwrite(folder / "labels.tif", disc_labels())
    transcripts(3000).to_csv(folder / "transcripts.csv", index=False)
    transcripts(0).to_csv(folder / "none.csv", index=False)
    outlines = pd.concat([square("left", 10, 10, 20), square("right", 40, 10, 20)])
    outlines.to_csv(folder / "outlines.csv", index=False)
    pd.DataFrame({"x": [5.0], "y": [6.0], "cell_type": ["T cell"]}).to_csv(
        folder / "one.csv", index=False
    )
    columns = ["sample", "image", "transcripts", "labels", "boundaries", "table", "pixel_size"]
    rows = [
        ["blank", "blank.tif", "transcripts.csv", "", "", "", "0.5"],
        ["image_only", "discs.tif", "", "", "", "", "0.5"],
        ["no_transcripts_left", "discs.tif", "none.csv", "", "", "", "0.5"],
        ["labels_only", "", "transcripts.csv", "labels.tif", "", "", "0.5"],
        ["outlines_only", "", "transcripts.csv", "", "outlines.csv", "", "0.5"],
        ["one_cell", "", "", "", "", "one.csv", ""],
    ]
    lines = ["\t".join(columns), *("\t".join(row) for row in rows)]
    (folder / "config/samples.tsv").write_text("\n".join(lines) + "\n")
    deployment.run()


def cells(results, sample):
    return anndata.read_h5ad(results / sample / f"{sample}.h5ad")


def test_a_slide_without_cells_is_a_valid_empty_result(results):
    adata = cells(results, "blank")
    assert adata.shape == (0, 3)
    slide = spatialdata.read_zarr(results / "blank/blank.zarr")
    assert len(slide["transcripts"]) == 3000
    assert (slide["transcripts"]["cell"].compute() == 0).all()


def test_without_transcripts_the_matrix_holds_intensities(results):
    adata = cells(results, "image_only")
    assert adata.n_obs == 9
    assert adata.X.min() > 1500


def test_no_transcripts_are_no_counts(results):
    adata = cells(results, "no_transcripts_left")
    assert adata.shape == (9, 0)


def test_labels_alone_are_the_cells(results):
    adata = cells(results, "labels_only")
    assert adata.n_obs == 9
    table = pd.read_csv(results.parent / "transcripts.csv")
    inside = disc_labels()[(table["y"] // PIXEL).astype(int), (table["x"] // PIXEL).astype(int)] > 0
    assert adata.X.sum() == (inside & (table["gene"] != "Blank-1")).sum()


def test_outlines_alone_are_the_cells(results):
    adata = cells(results, "outlines_only")
    assert sorted(adata.obs["area_um2"]) == [400.0, 400.0]
    table = pd.read_csv(results.parent / "transcripts.csv")
    in_x = table["x"].between(10, 30, inclusive="left")
    in_x |= table["x"].between(40, 60, inclusive="left")
    inside = in_x & table["y"].between(10, 30, inclusive="left") & (table["gene"] != "Blank-1")
    assert adata.X.sum() == inside.sum()


def test_a_single_cell_is_a_sample(results):
    adata = cells(results, "one_cell")
    assert adata.n_obs == 1
    assert adata.obsp["spatial_connectivities"].nnz == 0


def test_the_report_names_what_was_not_compared(results):
    page = (results / "cohort/report.html").read_text()
    assert "one_cell" in page
    comparison = pd.read_parquet(results / "cohort/comparison.parquet")
    assert comparison["p"].isna().all()
    assert comparison["note"].notna().all()
