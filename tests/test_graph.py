"""Stage graph as its script runs it."""

import numpy as np
import pytest
from statistics_files import GRAPH, run_stage, write_annotated

from vitrail.graph import build
from vitrail.io.graph import read_graph

XY = np.random.default_rng(0).random((150, 2)) * 100
PASS = np.random.default_rng(1).random(150) > 0.1


@pytest.mark.parametrize("kind", ["knn", "radius", "delaunay"])
def test_graph_file(tmp_path, kind):
    write_annotated(tmp_path / "annotated.h5ad", XY, qc_pass=PASS)
    settings = {**GRAPH, "kind": kind}
    inputs = {"cells": tmp_path / "annotated.h5ad"}
    run_stage("graph", inputs, {"graph": tmp_path / "a.npz"}, settings)
    run_stage("graph", inputs, {"graph": tmp_path / "b.npz"}, settings, threads=2)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    found, wanted = read_graph(tmp_path / "a.npz"), build(XY, PASS, kind=kind)
    assert (found.connectivities != wanted.connectivities).nnz == 0
    assert np.array_equal(found.distances.data, wanted.distances.data)
    assert found.meta["provenance"]["settings"]["kind"] == kind


@pytest.mark.parametrize("n", [0, 1])
def test_hardly_any_cells(tmp_path, n):
    write_annotated(tmp_path / "annotated.h5ad", np.zeros((n, 2)))
    outputs = {"graph": tmp_path / "graph.npz"}
    run_stage("graph", {"cells": tmp_path / "annotated.h5ad"}, outputs, GRAPH)
    assert read_graph(tmp_path / "graph.npz").connectivities.shape == (n, n)
