"""Stage annotate as its script runs it: counts.h5ad in, annotated.h5ad out."""

import json
import subprocess
import sys
import time
import warnings

import anndata as ad
import numpy as np
import pytest
from scipy import sparse
from stage_files import SCRIPTS, run_script

from vitrail.io.cells import read_cells, read_lognorm
from vitrail.io.h5ad import Categorical, write_h5ad

SETTINGS = {
    "quality": {
        "min_counts": 10,
        "max_counts": None,
        "min_genes": 3,
        "max_control_share": 0.1,
        "min_area_um2": 5,
        "max_area_um2": None,
    },
    "blanks": [r"Blank-\d+"],
    "spillover": {"pairs": [], "min_counts": 1},
    "normalization": {"target": "median"},
    "clustering": {"min_cells": 50, "components": 30, "neighbors": 15, "resolution": 1.0},
    "markers": None,
    "cell_types": {"min_score": 0.2, "margin": 0.2},
    "seed": 0,
}
GENES = [f"{kind}{i}" for kind in "ABC" for i in range(4)] + [f"G{i}" for i in range(20)]
MARKERS = "\n".join(f"{kind} cell: [{', '.join(f'{kind}{i}' for i in range(4))}]" for kind in "ABC")


def write_counts(path, X, var_names, *, obs=None, controls=None):
    n = X.shape[0]
    columns = {
        "cell": np.arange(1, n + 1, dtype=np.int32),
        "region": Categorical.constant("cells", n),
        "sample": Categorical.constant("S", n),
        **(obs or {}),
    }
    xy = np.random.default_rng(0).random((n, 2)) * 100
    parts = {} if controls is None else {"controls": controls}
    names = [f"S_{i}" for i in range(1, n + 1)]
    uns = {"vitrail": "{}"} | ({} if controls is None else {"controls": ["Blank-1"]})
    write_h5ad(path, X, columns, names, var_names, obsm={"spatial": xy, **parts}, uns=uns)


def planted(n=300, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    rate = np.ones((n, len(GENES)))
    rate[:, :12] *= np.where(truth[:, None] == np.repeat(np.arange(3), 4), 10.0, 0.8)
    counts = rng.poisson(60 * rate / rate.sum(axis=1, keepdims=True)).astype(np.int32)
    counts[:5] = 0
    counts[0, 3] = 4
    return sparse.csr_matrix(counts), truth


def run(folder, markers=None, settings=SETTINGS, name="annotated.h5ad"):
    inputs = {"counts": folder / "counts.h5ad"}
    if markers is not None:
        (folder / "markers.yaml").write_text(markers)
        inputs["markers"] = folder / "markers.yaml"
    run_script("annotate", inputs, {"cells": folder / name}, settings)
    return folder / name


@pytest.fixture
def counts(tmp_path):
    X, truth = planted()
    controls = np.zeros((300, 1), dtype=np.int32)
    controls[7] = 30
    area = np.full(300, 50.0)
    area[9] = 3.0
    write_counts(
        tmp_path / "counts.h5ad",
        X,
        GENES,
        obs={"area_um2": area},
        controls=sparse.csr_matrix(controls),
    )
    return tmp_path, X, truth


def test_cells_are_flagged_clustered_and_named(counts):
    folder, X, truth = counts
    path = run(folder, MARKERS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        adata = ad.read_h5ad(path)
    obs = adata.obs
    assert (X != adata.X).nnz == 0
    assert adata.X.dtype == np.int32
    expected = {0: "few counts", 4: "few counts", 7: "control probes", 9: "small area"}
    assert {i: obs["qc_reason"].iloc[i] for i in expected} == expected
    failed = [0, 1, 2, 3, 4, 7, 9]
    assert np.flatnonzero(~obs["qc_pass"]).tolist() == failed
    assert obs["qc_reason"].notna().tolist() == (~obs["qc_pass"]).tolist()
    assert adata.uns["qc"]["passed"] == 293
    assert adata.uns["qc"]["failed"] == {"few counts": 5, "control probes": 1, "small area": 1}
    passed = obs["qc_pass"].to_numpy()
    assert obs["cluster"].isna().tolist() == (~passed).tolist()
    assert obs["cluster"].nunique() == 3
    assert obs["cell_type"][~passed].isna().all()
    named = np.array(["A cell", "B cell", "C cell"])[truth]
    assert (obs["cell_type"].astype(object) == named)[passed].mean() > 0.97
    assert adata.obsm["X_pca"].dtype == np.float32
    assert adata.layers["lognorm"].dtype == np.float32
    assert (adata.layers["lognorm"].indices == adata.X.indices).all()
    assert json.loads(adata.uns["vitrail"])["settings"]["seed"] == 0
    cells = read_cells(path)
    assert cells.cell_type.names == ("A cell", "B cell", "C cell")
    assert read_lognorm(path)[0].shape == (300, 32)


def test_controls_and_spill_over_are_counted(counts):
    folder, X, _ = counts
    adata = ad.read_h5ad(run(folder, MARKERS))
    assert adata.obs["blank_counts"].tolist() == [0] * 7 + [30] + [0] * 292
    assert (adata.obs["control_probe_counts"] == 0).all()
    found = adata.uns["spillover"]
    # Three types of four markers each: 48 pairs of genes of different types.
    assert len(found["pairs"]["gene_a"]) == 48
    has = X.toarray()[:, :12] > 0
    kind = np.repeat(np.arange(3), 4)
    exclude = kind[:, None] != kind
    assert (
        adata.obs["exclusive_pairs"].tolist()
        == (((has.astype(int) @ exclude) * has).sum(axis=1) // 2).tolist()
    )
    passed = adata.obs["qc_pass"].to_numpy()
    assert found["observed"] == adata.obs["exclusive_pairs"][passed].sum()
    assert 0 < found["ratio"] < 1
    assert "spillover" not in ad.read_h5ad(run(folder, name="without.h5ad")).uns
    off = run(folder, MARKERS, SETTINGS | {"spillover": None}, name="off.h5ad")
    assert "exclusive_pairs" not in ad.read_h5ad(off).obs


def test_same_bits_again_and_another_seed_does_not_change_the_input(counts):
    folder, X, _ = counts
    one = run(folder, MARKERS).read_bytes()
    assert one == run(folder, MARKERS, name="again.h5ad").read_bytes()
    other = ad.read_h5ad(run(folder, MARKERS, SETTINGS | {"seed": 5}))
    assert (X != other.X).nnz == 0


def test_given_types_stay(tmp_path):
    X, _ = planted()
    kind = Categorical(np.arange(300) % 2, ["given", "other"])
    write_counts(tmp_path / "counts.h5ad", X, GENES, obs={"cell_type": kind})
    adata = ad.read_h5ad(run(tmp_path, MARKERS))
    assert adata.obs["cell_type"].tolist()[:2] == ["given", "other"]
    assert adata.obs["cell_type"].notna().all()


def test_without_a_list_there_are_no_types(counts):
    assert "cell_type" not in ad.read_h5ad(run(counts[0])).obs


def test_a_type_without_markers_ends_in_one_sentence(counts, caplog):
    with pytest.raises(SystemExit):
        run(counts[0], MARKERS + "\nZ cell: [Z1, Z2]")
    assert "type 'Z cell' has no marker in the panel of 32 genes (found Z1, Z2)" in caplog.text


def test_markers_that_the_panel_lacks_are_logged(counts, caplog):
    run(counts[0], MARKERS + "\nD cell: [G1, Z1]")
    assert "markers that the panel lacks: Z1" in caplog.text


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (1, 0), (1, 5), (3, 2), (60, 1)])
def test_small_samples_are_defined(tmp_path, shape):
    X = sparse.csr_matrix(np.full(shape, 20, dtype=np.int32))
    write_counts(tmp_path / "counts.h5ad", X, GENES[: shape[1]])
    path = run(tmp_path, "A cell: [A0]" if shape[1] else MARKERS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        adata = ad.read_h5ad(path)
    assert adata.shape == shape
    assert adata.obs["cluster"].isna().all()
    assert "X_pca" not in adata.obsm
    assert len(read_cells(path)) == shape[0]
    assert adata.layers["lognorm"].shape == shape


def test_one_constant_gene_beside_others_does_no_harm(tmp_path):
    X, _ = planted()
    X = X.tolil()
    X[:, 0] = 0
    write_counts(tmp_path / "counts.h5ad", X.tocsr(), GENES)
    adata = ad.read_h5ad(run(tmp_path, MARKERS))
    assert np.isfinite(adata.obsm["X_pca"]).all()
    assert adata.obs["cluster"].nunique() == 3


def test_intensities_are_clustered_and_named(tmp_path):
    rng = np.random.default_rng(1)
    truth = np.repeat([0, 1, 2], 60)
    X = rng.lognormal(0, 0.2, (180, 3)) * np.where(truth[:, None] == np.arange(3), 2000, 200)
    X = (X * [1, 1, 0.01]).astype(np.float32)
    area = np.full(180, 50.0)
    X[0], area[0] = np.nan, 0.0
    write_counts(tmp_path / "counts.h5ad", X, ["CD3", "CD20", "panCK"], obs={"area_um2": area})
    adata = ad.read_h5ad(run(tmp_path, "B: [CD20]\nT: [CD3]\nE: [panCK]"))
    assert "total_counts" not in adata.obs
    assert adata.obs["qc_reason"].iloc[0] == "no pixels"
    named = np.array(["T", "B", "E"])[truth]
    assert adata.obs["cell_type"].tolist()[1:] == named.tolist()[1:]
    kinds_a_cluster = adata.obs[1:].groupby("cluster", observed=True)["cell_type"].nunique()
    assert (kinds_a_cluster == 1).all()


def test_a_table_without_genes_is_quick_and_imports_little(tmp_path):
    X = sparse.csr_matrix((2000, 0), dtype=np.int32)
    kind = Categorical(np.arange(2000) % 3, ["a", "b", "c"])
    write_counts(tmp_path / "counts.h5ad", X, [], obs={"cell_type": kind})
    probe = (
        "import sys, runpy; from types import SimpleNamespace as N\n"
        "class D(dict): __getattr__ = dict.__getitem__\n"
        f"s = {SETTINGS!r}\n"
        "j = N(rule='annotate', input=D(counts=sys.argv[1]), output=D(cells=sys.argv[2]),"
        " params=D(settings=s), wildcards=D(), threads=1, log=[])\n"
        "runpy.run_path(sys.argv[3], init_globals={'snakemake': j})\n"
        "assert not {'anndata', 'pandas', 'scanpy', 'igraph', 'sklearn'} & set(sys.modules)\n"
    )
    start = time.monotonic()
    paths = [tmp_path / "counts.h5ad", tmp_path / "annotated.h5ad", SCRIPTS / "annotate.py"]
    subprocess.run([sys.executable, "-c", probe, *map(str, paths)], check=True)
    assert time.monotonic() - start < 5
    assert read_cells(tmp_path / "annotated.h5ad").qc_pass.all()
