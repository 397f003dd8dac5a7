"""Stage matrix as its script runs it: files in, counts.h5ad out."""

import json
import warnings

import anndata as ad
import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt
from stage_files import run_script, write_segmentation, write_slide

CELLS = np.zeros((20, 30), dtype=np.int32)
CELLS[2:10, 2:10] = 1
CELLS[2:10, 10:20] = 2
CELLS[15:19, 20:29] = 3
NUCLEI = np.where(np.isin(np.arange(30), (4, 5, 13)), CELLS, 0).astype(np.int32)
IMAGE = np.random.default_rng(0).integers(0, 60000, (2, 20, 30)).astype(np.uint16)
ORIGIN = (100.0, -40.0)
ASSIGN = {"min_quality": None, "planes": "all", "controls": [r"Blank-\d+"]}


def points(n=300):
    rng = np.random.default_rng(5)
    return {
        "x": rng.uniform(0, 15, n) + ORIGIN[0],
        "y": rng.uniform(0, 10, n) + ORIGIN[1],
        "gene": [["ZEB1", "Blank-1", "EPCAM", "ACTB"][k] for k in rng.integers(0, 4, n)],
    }


def stage(
    folder,
    *,
    image=None,
    transcripts=None,
    cells=CELLS,
    nuclei=NUCLEI,
    owner=(1, 2),
    settings=None,
):
    """Run assign (with transcripts) and matrix; give back the account and the file."""
    folder.mkdir(exist_ok=True)
    channels = ("DAPI", "CD3/CD8") if image is not None else ()
    inputs = write_slide(
        folder, cells.shape, origin=ORIGIN, image=image, channels=channels, transcripts=transcripts
    )
    inputs |= write_segmentation(folder, cells, nuclei, owner, origin=ORIGIN)
    account = None
    if transcripts is not None:
        made = {"transcripts": folder / "t.zarr", "account": folder / "a.json"}
        run_script("assign", inputs, made, ASSIGN)
        inputs |= made
        account = json.loads(made["account"].read_text())
    run_script("matrix", inputs, {"counts": folder / "counts.h5ad"}, settings)
    return account, folder / "counts.h5ad"


def read(path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return ad.read_h5ad(path)


def test_all_that_a_slide_can_have(tmp_path):
    columns = points()
    account, path = stage(tmp_path, image=IMAGE, transcripts=columns)
    adata = read(path)
    assert list(adata.var_names) == ["ACTB", "EPCAM", "ZEB1"]
    assert list(adata.obs_names) == ["S_1", "S_2", "S_3"]
    assert (adata.X.format, adata.X.dtype) == ("csr", np.int32)
    assert adata.X.sum() == account["genes_in_cells"]
    assert adata.layers["nucleus"].sum() == account["genes_in_nuclei"] > 0
    assert adata.obsm["controls"].sum() == account["controls_in_cells"] > 0
    assert list(adata.uns["controls"]) == ["Blank-1"]
    i = np.floor((columns["y"] - ORIGIN[1]) / 0.5).astype(int)
    j = np.floor((columns["x"] - ORIGIN[0]) / 0.5).astype(int)
    for k, gene in enumerate(adata.var_names):
        of_gene = np.array(columns["gene"]) == gene
        expected = np.bincount(CELLS[i, j][of_gene], minlength=4)[1:]
        assert adata.X[:, k].toarray().ravel().tolist() == expected.tolist()
    obs = adata.obs
    assert obs["cell"].tolist() == [1, 2, 3]
    assert obs["area_um2"].tolist() == [64 / 4, 80 / 4, 36 / 4]
    assert obs["nucleus_area_um2"].tolist() == [16 / 4, 8 / 4, 0]
    assert obs["nuclei"].tolist() == [1, 1, 0]
    assert obs["nucleus_share"].tolist() == [16 / 64, 8 / 80, 0]
    assert (obs["circularity"] > 0.8).all()
    assert obs["solidity"].tolist() == [1, 1, 1]
    assert adata.obsm["spatial"][0].tolist() == [ORIGIN[0] + 3, ORIGIN[1] + 3]
    assert obs["mean_DAPI"].iloc[1] == np.float32(IMAGE[0][CELLS == 2].mean())
    assert obs["max_CD3_CD8"].iloc[2] == IMAGE[1][CELLS == 3].max()
    assert set(obs["region"]) == {"cells"}
    assert set(obs["sample"]) == {"S"}
    assert json.loads(adata.uns["vitrail"])["stage"] == "matrix"


def test_layers_and_ambient_transcripts(tmp_path):
    columns = points(4000)
    ambient = {"guard_um": 0.5, "reach_um": 4.0, "layer": True}
    layers = ["nucleus", "cytoplasm", "outside"]
    settings = {"layers": layers, "outside_um": 1.0, "ambient": ambient}
    _, path = stage(tmp_path, transcripts=columns, settings=settings)
    adata = read(path)
    assert set(adata.layers) == {*layers, "ambient"}
    both = adata.layers["nucleus"] + adata.layers["cytoplasm"]
    assert (both != adata.X).nnz == 0
    i = np.floor((columns["y"] - ORIGIN[1]) / 0.5).astype(int)
    j = np.floor((columns["x"] - ORIGIN[0]) / 0.5).astype(int)
    gene = np.array(columns["gene"])
    distance = {
        label: distance_transform_edt(label != CELLS)[i, j] for label in range(1, CELLS.max() + 1)
    }
    nearest = np.min(list(distance.values()), axis=0)
    for row, label in enumerate(distance):
        beside = (CELLS[i, j] == 0) & (distance[label] == nearest) & (nearest <= 2)
        # Pixels at one distance of two cells belong to the lower label.
        for lower in range(1, label):
            beside &= distance[lower] > nearest
        expected = [(beside & (gene == name)).sum() for name in adata.var_names]
        assert adata.layers["outside"][row].toarray().ravel().tolist() == expected
        assert sum(expected) > 0
    assert adata.uns["ambient"]["area_um2"] > 0
    assert adata.var["ambient_counts"].sum() == adata.uns["ambient"]["transcripts"] > 0
    density = adata.var["ambient_density"].to_numpy()
    expected = np.outer(adata.obs["area_um2"], density) * (adata.X.toarray() > 0)
    assert np.allclose(adata.layers["ambient"].toarray(), expected)
    assert np.allclose(adata.obs["ambient_counts"], adata.obs["area_um2"] * density.sum())
    # Transcripts are spread evenly, 3000 genes and 150 square micrometres: cells hold no more.
    assert density.sum() == pytest.approx(20, rel=0.2)
    assert adata.var["ambient_share"].to_numpy() == pytest.approx(1.0, rel=0.3)


def test_no_layers_and_no_ambient_transcripts(tmp_path):
    settings = {"layers": [], "outside_um": 1.0, "ambient": None}
    adata = read(stage(tmp_path, transcripts=points(), settings=settings)[1])
    assert not adata.layers
    assert "ambient_counts" not in adata.obs
    assert adata.var.empty


def test_without_an_image(tmp_path):
    adata = read(stage(tmp_path, transcripts=points())[1])
    assert adata.shape == (3, 3)
    assert not [name for name in adata.obs if name.startswith("mean_")]


def test_without_transcripts_the_intensities_are_the_matrix(tmp_path):
    adata = read(stage(tmp_path, image=IMAGE)[1])
    assert list(adata.var_names) == ["DAPI", "CD3/CD8"]
    assert adata.X.dtype == np.float32
    assert adata.X[0, 1] == np.float32(IMAGE[1][CELLS == 1].mean())


def test_without_both_there_are_no_columns(tmp_path):
    adata = read(stage(tmp_path)[1])
    assert adata.shape == (3, 0)
    assert adata.obs["area_um2"].tolist() == [16, 20, 9]


def test_no_cell_is_a_valid_sample(tmp_path):
    nothing = np.zeros_like(CELLS)
    for name, parts in {"a": {"transcripts": points()}, "b": {"image": IMAGE}}.items():
        path = stage(tmp_path / name, cells=nothing, nuclei=nothing, owner=(), **parts)[1]
        adata = read(path)
        assert adata.n_obs == 0
        assert adata.n_vars > 0
        assert adata.obsm["spatial"].shape == (0, 2)


def test_same_bits_again(tmp_path):
    one = stage(tmp_path / "a", image=IMAGE, transcripts=points())[1]
    other = stage(tmp_path / "b", image=IMAGE, transcripts=points())[1]
    assert one.read_bytes() == other.read_bytes()


def test_an_account_of_another_run_stops_the_stage(tmp_path, caplog):
    stage(tmp_path, transcripts=points())
    account = json.loads((tmp_path / "a.json").read_text())
    account["genes_in_cells"] += 1
    (tmp_path / "a.json").write_text(json.dumps(account))
    names = ("labels.zarr", "cells.parquet", "nuclei.parquet", "t.zarr", "slide.zarr")
    inputs = {name.split(".")[0]: tmp_path / name for name in names}
    inputs |= {"info": tmp_path / "slide.json", "account": tmp_path / "a.json"}
    inputs["transcripts"] = inputs.pop("t")
    with pytest.raises(SystemExit):
        run_script("matrix", inputs, {"counts": tmp_path / "counts.h5ad"})
    said = caplog.records[-1].getMessage()
    assert said.startswith("stopped by a check of its own results: transcripts are not conserved")
