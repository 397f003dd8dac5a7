"""Stage autocorrelation as its script runs it."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from statistics_files import AUTOCORRELATION, GRAPH, run_stage, write_annotated

from vitrail.autocorrelation import bivariate, geary, local, moran
from vitrail.graph import build, interior, knn
from vitrail.io.tables import read_table

RNG = np.random.default_rng(2)
XY = RNG.random((200, 2)) * 100
PASS = RNG.random(200) > 0.1
VALUES = np.column_stack([np.log1p(RNG.poisson(1, 200)), XY[:, 0], np.zeros(200)])
COLUMNS = ["expected", "variance", "z", "p", "variance_normal", "z_normal", "p_normal",
           "p_permutation", "fdr"]  # fmt: skip


def run(folder, xy, values, qc_pass=None, threads=1, name="autocorrelation.parquet", **settings):
    write_annotated(folder / "annotated.h5ad", xy, values=values, qc_pass=qc_pass)
    inputs = {"cells": folder / "annotated.h5ad", "graph": folder / "graph.npz"}
    run_stage("graph", {"cells": inputs["cells"]}, {"graph": inputs["graph"]}, GRAPH)
    outputs = {"autocorrelation": folder / name}
    outputs |= {part: folder / f"{part}.parquet" for part in ("pairs", "local")}
    settings = {**AUTOCORRELATION, **settings}
    run_stage("autocorrelation", inputs, outputs, settings, threads)
    return folder / name


def test_table_is_that_of_the_passing_cells(tmp_path):
    path = run(tmp_path, XY, VALUES, PASS)
    table = read_table(path)
    wanted = ["gene", "cells_expressing", "mean"]
    wanted += ["moran_I"] + [f"moran_{c}" for c in (*COLUMNS, "p_alike")]
    wanted += ["geary_C"] + [f"geary_{c}" for c in (*COLUMNS, "p_alike")] + ["reason"]
    assert list(table.columns) == wanted
    assert table["gene"].tolist() == ["g0", "g1", "g2"]
    assert table["reason"].tolist() == [None, None, "constant"]
    assert table["cells_expressing"].tolist() == (VALUES[PASS] > 0).sum(axis=0).tolist()
    values = VALUES[PASS].astype(np.float32)
    graph = knn(XY[PASS], 6)
    for name, function, side in (("moran", moran, "greater"), ("geary", geary, "less")):
        oracle = function(values, graph, 19, 1)
        alike = function(values, graph, alternative=side)["p"]
        assert np.array_equal(table[f"{name}_p_alike"], alike, equal_nan=True)
        for column in oracle.columns.drop("reason"):
            assert np.array_equal(table[f"{name}_{column}"], oracle[column], equal_nan=True)
    metadata = json.loads(pq.read_schema(path).metadata[b"vitrail"])
    assert metadata["settings"]["layer"] == "lognorm"


def test_same_bytes_with_two_threads(tmp_path):
    one = run(tmp_path, XY, VALUES, PASS).read_bytes()
    assert one == run(tmp_path, XY, VALUES, PASS, threads=2, name="b.parquet").read_bytes()


@pytest.mark.parametrize(("n", "genes"), [(0, 2), (1, 2), (3, 2), (50, 0)])
def test_too_little_for_any_gene(tmp_path, n, genes):
    table = read_table(run(tmp_path, XY[:n], VALUES[:n, :genes]))
    assert len(table) == genes
    assert table["moran_I"].isna().all()
    assert (table["reason"] == "fewer than 4 cells").all()
    assert table["moran_I"].dtype == np.float64


def test_without_permutations(tmp_path):
    table = read_table(run(tmp_path, XY, VALUES, permutations=0))
    assert table["moran_p_permutation"].isna().all()
    p = table["moran_p"].to_numpy()[:2]
    # Benjamini-Hochberg of two tests; the constant gene is none.
    wanted = np.minimum(p * [2 / 2, 2 / 1], 1) if p[0] > p[1] else np.minimum(p * [2, 1], 1)
    assert np.allclose(table["moran_fdr"][:2], np.minimum(wanted, p.max()))


def test_pairs_and_local_genes_of_the_passing_cells(tmp_path):
    pairs = [["g0", "g1"], ["g0", "other"], ["g1", "g2"]]
    run(tmp_path, XY, VALUES, PASS, pairs=pairs, local_genes=["g1", "other"])
    values, graph, names = VALUES[PASS].astype(np.float32), knn(XY[PASS], 6), ["g0", "g1", "g2"]
    found = read_table(tmp_path / "pairs.parquet")
    assert found[["x", "y"]].to_numpy().tolist() == pairs
    assert found["reason"].tolist() == [None, "not measured", "constant"]
    oracle = bivariate(values, graph, [("g0", "g1")], 19, 1, genes=names)
    assert found["I"].iloc[0] == oracle["I"].iloc[0]
    assert found["p_permutation"].iloc[0] == oracle["p_permutation"].iloc[0]
    found = read_table(tmp_path / "local.parquet")
    assert found["gene"].eq("g1").all()
    assert found["cell"].tolist() == (np.flatnonzero(PASS) + 1).tolist()
    oracle = local(values, graph, ["g1"], 19, 1, genes=names)["g1"]
    for column in oracle:
        assert np.array_equal(found[column], oracle[column])


def test_no_pairs_and_no_local_genes_are_valid_tables(tmp_path):
    run(tmp_path, XY, VALUES)
    for name in ("pairs", "local"):
        assert read_table(tmp_path / f"{name}.parquet").empty
    assert read_table(tmp_path / "local.parquet")["quadrant"].dtype == np.int8


def test_statistics_of_pairs_and_cells_are_in_the_anndata(tmp_path):
    import anndata

    from vitrail.assemble import write_anndata

    run(tmp_path, XY, VALUES, PASS, pairs=[["g0", "g1"]], local_genes=["g1", "g0"])
    write_anndata(
        tmp_path / "S.h5ad", tmp_path / "annotated.h5ad", provenance={},
        autocorrelation_pairs=tmp_path / "pairs.parquet",
        autocorrelation_local=tmp_path / "local.parquet",
    )  # fmt: skip
    data = anndata.read_h5ad(tmp_path / "S.h5ad")
    table = read_table(tmp_path / "local.parquet")
    assert list(data.uns["local_moran"]["genes"]) == ["g1", "g0"]
    for name in ("I", "p", "p_permutation", "fdr", "quadrant"):
        array = data.obsm[f"local_moran_{name}"]
        assert np.array_equal(array[PASS].T.ravel(), table[name])
        assert not PASS.all()
        assert (np.isnan(array[~PASS]) if name != "quadrant" else array[~PASS] == 0).all()
    pairs = data.uns["bivariate_moran"]
    assert pairs.index.tolist() == ["g0|g1"]
    assert pairs["I"].iloc[0] == read_table(tmp_path / "pairs.parquet")["I"].iloc[0]


def test_border_cells_are_left_out_where_asked(tmp_path):
    table = read_table(run(tmp_path, XY, VALUES, PASS, leave_out_border=True))
    graph = build(XY, PASS, edge_um=GRAPH["edge_um"])
    kept = np.flatnonzero(PASS & interior(graph))
    assert 0 < len(kept) < PASS.sum()
    values = VALUES[kept].astype(np.float32)
    wanted = moran(values, graph.connectivities[kept][:, kept])
    assert table["moran_I"][:2].tolist() == pytest.approx(wanted["I"][:2].tolist())
    assert table["cells_expressing"].tolist() == (values > 0).sum(axis=0).tolist()
