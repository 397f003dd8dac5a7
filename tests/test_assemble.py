import json
import os
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import spatialdata as sd
import squidpy as sq
from sample_files import ORIGIN, PIXEL_SIZE, TYPES, write_sample
from scipy import sparse

from vitrail.assemble import write_anndata, write_spatialdata
from vitrail.errors import VitrailError
from vitrail.io.h5ad import write_h5ad

PROVENANCE = {"vitrail": "0", "stage": "assemble", "settings": {}}
PARTS = ("slide", "info", "labels", "outlines", "nuclei", "transcripts")


def assemble(sample, folder):
    folder.mkdir(parents=True, exist_ok=True)
    files = sample.files
    h5ad, store = folder / "S.h5ad", folder / "S.zarr"
    statistics = {k: files[k] for k in ("graph", "autocorrelation", "portraits")}
    known = {**statistics, "info": files.get("info")}
    write_anndata(h5ad, files["cells"], **known, provenance=PROVENANCE)
    linked = write_spatialdata(store, h5ad, **{k: files.get(k) for k in PARTS})
    return h5ad, store, linked


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return write_sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def made(sample, tmp_path_factory):
    return assemble(sample, tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def adata(made):
    return ad.read_h5ad(made[0])


@pytest.fixture(scope="module")
def sdata(made):
    return sd.read_zarr(made[1])


def tree(root):
    return {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def assert_same(one, other):
    """Equal in all parts; an AnnData has no equality of its own."""
    pd.testing.assert_frame_equal(one.obs, other.obs)
    pd.testing.assert_frame_equal(one.var, other.var)
    assert (one.X != other.X).nnz == 0
    for part in ("layers", "obsp", "obsm"):
        ours, theirs = getattr(one, part), getattr(other, part)
        assert set(ours) == set(theirs)
        assert all(np.all(_dense(ours[key]) == _dense(theirs[key])) for key in ours)
    assert set(one.uns) == set(other.uns)


def _dense(matrix):
    return matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)


def test_anndata_keeps_the_annotated_cells(sample, adata):
    before = ad.read_h5ad(sample.files["cells"])
    pd.testing.assert_frame_equal(adata.obs, before.obs)
    assert (adata.layers["lognorm"] != before.layers["lognorm"]).nnz == 0
    assert (adata.X.toarray() == sample.counts).all()


def test_graph_is_where_squidpy_looks_for_it(sample, adata):
    graph = np.load(sample.files["graph"])
    assert (adata.obsp["spatial_connectivities"].indices == graph["connectivities_indices"]).all()
    assert (adata.obsp["spatial_distances"].data == graph["distances_data"]).all()
    copy = adata[adata.obs["cell_type"].notna()].copy()
    sq.gr.nhood_enrichment(
        copy, cluster_key="cell_type", n_perms=5, seed=0, show_progress_bar=False
    )
    assert (
        copy.uns["cell_type_nhood_enrichment"]["count"].sum()
        == copy.obsp["spatial_connectivities"].sum()
    )


def test_statistics_are_columns_of_var_and_tables_of_squidpy(adata):
    np.testing.assert_allclose(adata.var["moran_I"], [0.1, 0.2, 0.3])
    # The file's statistics are hundredths, in this order.
    assert adata.var["moran_z"].tolist() == [0.03] * 3
    assert adata.var["moran_p_alike"].tolist() == [0.1] * 3
    assert adata.var["geary_p_alike"].tolist() == [0.1] * 3
    assert list(adata.uns["moranI"].index) == ["GeneC", "GeneB", "GeneA"]
    assert list(adata.uns["moranI"]["I"]) == pytest.approx([0.3, 0.2, 0.1])
    assert list(adata.uns["gearyC"].index) == ["GeneA", "GeneB", "GeneC"]
    assert {"pval_norm", "var_norm", "pval_sim"} <= set(adata.uns["moranI"].columns)


def test_provenance_tells_of_this_stage_and_the_one_before(adata):
    record = json.loads(adata.uns["vitrail"])
    assert record["stage"] == "assemble"
    assert record["inputs"]["cells"]["stage"] == "annotate"
    assert record["inputs"]["files"] == [{"path": "image.tif", "bytes": 12345}]


def test_table_of_the_store_is_the_anndata(adata, sdata):
    table = sdata.tables["table"]
    assert table.uns["spatialdata_attrs"] == {
        "region": "cells",
        "region_key": "region",
        "instance_key": "cell",
    }
    assert_same(table, adata)


def test_store_has_all_elements(sdata):
    assert set(sdata.images) == {"image"}
    assert set(sdata.labels) == {"cell_labels", "nucleus_labels"}
    assert set(sdata.shapes) == {"cells", "nuclei"}
    assert set(sdata.points) == {"transcripts"}
    assert sdata.coordinate_systems == ["global"]


def test_outlines_are_indexed_by_label_and_cover_their_pixels(sample, sdata):
    shapes = sd.transform(sdata.shapes["cells"], to_coordinate_system="global")
    assert list(shapes.index) == list(range(1, sample.labels.max() + 1))
    assert shapes.index.name == "cell"
    area = np.bincount(sample.labels.ravel())[1:] * PIXEL_SIZE**2
    np.testing.assert_allclose(shapes.area, area)


@pytest.mark.parametrize("element", ["cell_labels", "nucleus_labels"])
def test_labels_lie_under_their_outlines(element, sample, sdata):
    labels = sdata.labels[element]
    planted = sample.labels if element == "cell_labels" else sample.nuclei
    assert (labels.to_numpy() == planted).all()
    shapes = sdata.shapes["cells" if element == "cell_labels" else "nuclei"]
    matrix = sd.transformations.get_transformation(labels, "global").to_affine_matrix(
        ("x", "y"), ("x", "y")
    )
    for label in (1, 17, int(planted.max())):
        y, x = np.nonzero(planted == label)
        centroid = matrix @ [x.mean() + 0.5, y.mean() + 0.5, 1]
        middle = shapes.geometry.loc[label].centroid
        np.testing.assert_allclose(centroid[:2], [middle.x, middle.y])


def test_points_carry_their_cells(sample, sdata):
    points = sdata.points["transcripts"].compute()
    assert (points["cell"].to_numpy() == sample.transcripts["cell"]).all()
    assert set(points["compartment"].unique()) == {"nucleus", "cytoplasm", "none"}
    assert set(points["status"].unique()) == {"cell", "background"}


def test_transcripts_aggregate_to_the_count_matrix(sample, sdata):
    result = sd.aggregate(
        values=sdata.points["transcripts"],
        by=sdata.shapes["cells"],
        value_key="gene",
        agg_func="count",
    )
    counts = result.tables["table"]
    counts = counts[:, ["GeneA", "GeneB", "GeneC"]].X
    assert (sparse.csr_matrix(counts).toarray() == sample.counts).all()


def test_image_lies_under_the_nuclei(sdata):
    image = sdata.images["image"]["scale0"]["image"]
    to_global = sd.transformations.get_transformation(image, "global").to_affine_matrix(
        ("x", "y"), ("x", "y")
    )
    middle = sdata.shapes["nuclei"].centroid
    x, y, _ = np.linalg.inv(to_global) @ [middle.x, middle.y, np.ones(len(middle))]
    values = image.to_numpy()[:, y.astype(int), x.astype(int)]
    assert (values[0] >= 3400).all()
    assert np.median(image.to_numpy()[0]) < 600
    assert (values[1] >= 1800).all()
    coarse = sdata.images["image"]["scale1"]["image"]
    matrix = sd.transformations.get_transformation(coarse, "global").to_affine_matrix(
        ("x", "y"), ("x", "y")
    )
    np.testing.assert_allclose(matrix, to_global @ np.diag([2.0, 2.0, 1.0]))


def test_bounding_box_cuts_every_element_alike(sample, sdata):
    low, high = np.array(ORIGIN) + 20, np.array(ORIGIN) + 70
    part = sd.bounding_box_query(
        sdata,
        axes=("x", "y"),
        min_coordinate=low,
        max_coordinate=high,
        target_coordinate_system="global",
    )
    pixels = slice(40, 140)
    assert (part.labels["cell_labels"].to_numpy() == sample.labels[pixels, pixels]).all()
    cut = part.images["image"]["scale0"]["image"].to_numpy()
    assert (cut == sample.image[:, pixels, pixels]).all()
    t = sample.transcripts
    inside = (t["x"] >= low[0]) & (t["x"] <= high[0]) & (t["y"] >= low[1]) & (t["y"] <= high[1])
    assert len(part.points["transcripts"]) == inside.sum()
    assert set(part.tables["table"].obs["cell"]) == set(part.shapes["cells"].index)
    assert set(np.unique(sample.labels[pixels, pixels])) - {0} <= set(part.shapes["cells"].index)


def test_files_are_linked_and_time_stamps_left_behind(sample, made):
    _, store, linked = made
    part = "points.parquet/part.0.parquet"
    assert linked
    assert os.path.samefile(store / "points/transcripts" / part, sample.files["transcripts"] / part)
    assert os.path.samefile(
        store / "labels/cell_labels/s0/c/0/0", sample.files["labels"] / "cells/c/0/0"
    )
    assert not list(store.rglob(".snakemake_timestamp"))


def test_files_are_copied_where_the_file_system_cannot_link(sample, made, tmp_path, monkeypatch):
    def refuse(self, _):
        raise OSError("no links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    _, store, linked = assemble(sample, tmp_path)
    assert not linked
    assert tree(store) == tree(made[1])


def test_same_bits_again(sample, made, tmp_path):
    h5ad, store, _ = assemble(sample, tmp_path)
    assert h5ad.read_bytes() == made[0].read_bytes()
    assert tree(store) == tree(made[1])


def test_table_sample_has_circles_to_select_by(tmp_path):
    sample = write_sample(tmp_path / "in", with_slide=False)
    h5ad, store, _ = assemble(sample, tmp_path / "out")
    adata, sdata = ad.read_h5ad(h5ad), sd.read_zarr(store)
    assert adata.shape == (len(sample.xy), 0)
    assert list(sdata.shapes) == ["cells"]
    assert set(sdata.shapes["cells"].radius) == {5.0}
    part = sd.bounding_box_query(
        sdata,
        axes=("x", "y"),
        min_coordinate=[100, 40],
        max_coordinate=[150, 90],
        target_coordinate_system="global",
    )
    chosen = (sample.xy <= [150, 90]).all(axis=1)
    assert chosen.sum() <= len(part.tables["table"]) < len(sample.xy)
    assert list(adata.obs["cell_type"].cat.categories) == list(TYPES)


def test_sample_without_cells_is_a_valid_pair(tmp_path):
    cells = tmp_path / "annotated.h5ad"
    obs = {"cell": np.zeros(0, np.int32), "region": _no_region()}
    write_h5ad(
        cells, sparse.csr_matrix((0, 2)), obs, [], ["a", "b"], obsm={"spatial": np.zeros((0, 2))}
    )
    write_anndata(tmp_path / "S.h5ad", cells, provenance=PROVENANCE)
    write_spatialdata(tmp_path / "S.zarr", tmp_path / "S.h5ad")
    assert ad.read_h5ad(tmp_path / "S.h5ad").shape == (0, 2)
    assert sd.read_zarr(tmp_path / "S.zarr").tables["table"].shape == (0, 2)


def _no_region():
    from vitrail.io.h5ad import Categorical

    return Categorical(np.zeros(0, np.int8), ["cells"])


def test_graph_of_other_cells_is_refused(sample, tmp_path):
    other = write_sample(tmp_path / "other", size=100)
    with pytest.raises(VitrailError, match=r"graph.npz: the graph has 16 nodes, wanted the 64"):
        write_anndata(
            tmp_path / "S.h5ad",
            sample.files["cells"],
            graph=other.files["graph"],
            provenance=PROVENANCE,
        )


def test_annotated_cells_are_not_changed(sample, made):
    with h5py.File(sample.files["cells"]) as file:
        assert "spatial_neighbors" not in file["uns"]
    assert Path(made[0]).stat().st_ino != sample.files["cells"].stat().st_ino
