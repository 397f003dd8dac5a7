"""Stage autocorrelation as its script runs it."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from statistics_files import AUTOCORRELATION, GRAPH, run_stage, write_annotated

from vitrail.autocorrelation import geary, moran
from vitrail.graph import knn
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
    settings = {**AUTOCORRELATION, **settings}
    run_stage("autocorrelation", inputs, outputs, settings, threads)
    return folder / name


def test_table_is_that_of_the_passing_cells(tmp_path):
    path = run(tmp_path, XY, VALUES, PASS)
    table = read_table(path)
    wanted = ["gene", "cells_expressing", "mean"]
    wanted += ["moran_I"] + [f"moran_{c}" for c in COLUMNS]
    wanted += ["geary_C"] + [f"geary_{c}" for c in COLUMNS] + ["reason"]
    assert list(table.columns) == wanted
    assert table["gene"].tolist() == ["g0", "g1", "g2"]
    assert table["reason"].tolist() == [None, None, "constant"]
    assert table["cells_expressing"].tolist() == (VALUES[PASS] > 0).sum(axis=0).tolist()
    values = VALUES[PASS].astype(np.float32)
    graph = knn(XY[PASS], 6)
    for name, function in (("moran", moran), ("geary", geary)):
        oracle = function(values, graph, 19, 1)
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
