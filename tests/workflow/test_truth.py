"""Where the demo's planted transcripts end up."""

import anndata
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import zarr
from deployment import Deployment
from once import once

from vitrail.io.points import part_paths


@pytest.fixture(scope="module")
def deployment(finished, tmp_path_factory):
    """The small cohort with a third sample: the first slide with its planted labels given."""
    return Deployment(once(tmp_path_factory, "truth", lambda folder: run(finished, folder)))


def run(finished, folder):
    deployment = finished.copy(folder)
    planted = "results/synthetic/P1"
    columns = ["sample", "format", "image", "transcripts", "labels", "nucleus_labels", "pixel_size"]
    files = [f"{planted}/{name}" for name in ("image.ome.tif", "transcripts.parquet")]
    given = [f"{planted}/{name}" for name in ("labels.tif", "nuclei.tif")]
    row = ["planted", "synthetic", *files, *given, "0.5"]
    sheet = deployment.folder / "config/samples.tsv"
    sheet.write_text("\t".join(columns) + "\n" + "\t".join(row) + "\n")
    deployment.run("matrix")


def assigned(folder):
    table = pd.concat([pq.read_table(path).to_pandas() for path in part_paths(folder)])
    return table.sort_values("transcript").reset_index(drop=True)


def test_with_planted_labels_every_transcript_goes_where_it_was_planted(deployment):
    results = deployment.folder / "results"
    table = assigned(results / "planted/transcripts.zarr")
    truth = pd.read_parquet(results / "synthetic/P1/truth.parquet")
    source = pd.read_parquet(results / "planted/segmentation/cells.parquet")["source"]
    given = np.concatenate([[0], source.astype(int)])
    counted = table["status"] != "quality"
    assert counted.mean() > 0.9
    assert (given[table["cell"]] == truth["cell"])[counted].all()
    in_cell = counted & (truth["cell"] > 0)
    compartment = table["compartment"].astype(str)
    assert (compartment == truth["compartment"].astype(str))[in_cell].all()


def test_ambient_transcripts_are_as_dense_as_they_were_planted(deployment):
    """Those in no cell are planted evenly: all ground outside of cells tells their density."""
    results = deployment.folder / "results"
    table = assigned(results / "planted/transcripts.zarr")
    labels = zarr.open(results / "planted/segmentation/labels.zarr", mode="r")["cells"][:]
    counts = anndata.read_h5ad(results / "planted/counts.h5ad")
    outside = (table["status"] == "background") & table["gene"].astype(str).isin(counts.var_names)
    planted = outside.sum() / ((labels == 0).sum() * 0.5**2)
    found = counts.uns["ambient"]
    assert found["area_um2"] > 1000
    error = np.sqrt(found["transcripts"]) / found["area_um2"]
    assert counts.var["ambient_density"].sum() == pytest.approx(planted, abs=4 * error)
    assert (counts.layers["nucleus"] + counts.layers["cytoplasm"] != counts.X).nnz == 0


def test_with_watershed_the_result_is_a_look_up(deployment):
    results = deployment.folder / "results/A"
    table = assigned(results / "transcripts.zarr")
    labels = zarr.open(results / "segmentation/labels.zarr", mode="r")["cells"][:]
    column, row = (np.floor(table[axis] / 0.5).astype(int) for axis in ("x", "y"))
    inside = (row >= 0) & (row < labels.shape[0]) & (column >= 0) & (column < labels.shape[1])
    looked_up = np.where(inside, labels[row * inside, column * inside], 0)
    kept = table["status"].isin(["cell", "control", "background", "outside"])
    assert (table["cell"] == looked_up)[kept].all()
    assert (table["cell"] == 0)[~kept].all()
    assert (table["status"] == "cell").mean() > 0.5
