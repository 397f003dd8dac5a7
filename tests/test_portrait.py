"""Stage portrait as its script runs it."""

import numpy as np
import pytest
from statistics_files import GRAPH, PORTRAIT, run_stage, write_annotated

from vitrail.errors import VitrailError
from vitrail.graph import build, interior, knn
from vitrail.io.portraits import read_portraits
from vitrail.portrait import portrait, stored

RNG = np.random.default_rng(3)
XY = RNG.random((200, 2)) * 100
TYPES = RNG.choice(np.array(["a", "b", None], dtype=object), 200)
PASS = RNG.random(200) > 0.1


def run(folder, xy, types, qc_pass=None, threads=1, name="portraits.npz", kind="knn", **settings):
    write_annotated(folder / "annotated.h5ad", xy, types, qc_pass=qc_pass)
    inputs = {"cells": folder / "annotated.h5ad", "graph": folder / "graph.npz"}
    outputs = {"graph": inputs["graph"]}
    run_stage("graph", {"cells": inputs["cells"]}, outputs, {**GRAPH, "kind": kind, "edge_um": 20})
    run_stage("portrait", inputs, {"portraits": folder / name}, {**PORTRAIT, **settings}, threads)
    return folder / name


def test_portraits_of_the_passing_cells(tmp_path):
    found = read_portraits(run(tmp_path, XY, TYPES, PASS))
    assert found.types == ("a", "b")
    assert found.cells.tolist() == [(TYPES[PASS] == t).sum() for t in "ab"]
    assert (found.whole.portrait(0) != portrait(knn(XY[PASS], 6))).nnz == 0
    assert found.meta["graph"] == {"k": 6, "kind": "knn", "symmetric": True}
    assert found.meta["cells"] == PASS.sum()


def test_stored_portraits_are_those_of_the_graphs(tmp_path):
    graph = knn(XY[PASS], 6)
    own = np.flatnonzero(TYPES[PASS] == "b")
    with np.load(run(tmp_path, XY, TYPES, PASS)) as arrays:
        for cell_type, wanted in ((None, graph), ("b", graph[own][:, own])):
            found = stored(arrays, cell_type)
            assert found.shape == portrait(wanted).shape
            assert (found != portrait(wanted)).nnz == 0
        with pytest.raises(VitrailError, match="found no type 'c', wanted one of a, b"):
            stored(arrays, "c")
    settings = {"estimator": "depth", "max_depth": 2}
    with np.load(run(tmp_path, XY, TYPES, PASS, name="depth.npz", **settings)) as arrays:
        assert (stored(arrays) != portrait(graph, 2)).nnz == 0
    settings = {"estimator": "sampled", "sources": 32}
    path = run(tmp_path, XY, TYPES, PASS, name="sampled.npz", **settings)
    with np.load(path) as arrays, pytest.raises(VitrailError, match="found sampled ones"):
        stored(arrays)


def test_same_bytes_with_two_threads(tmp_path):
    one = run(tmp_path, XY, TYPES).read_bytes()
    assert one == run(tmp_path, XY, TYPES, threads=2, name="b.npz").read_bytes()


@pytest.mark.parametrize("n", [0, 1, 5])
@pytest.mark.parametrize("kind", ["knn", "radius", "delaunay"])
def test_hardly_any_cells(tmp_path, n, kind):
    found = read_portraits(run(tmp_path, XY[:n], TYPES[:n], kind=kind))
    assert found.meta["cells"] == n
    assert found.windows.key.size == 0


def test_without_types(tmp_path):
    assert read_portraits(run(tmp_path, XY, None)).types == ()
    assert read_portraits(run(tmp_path, XY, [None] * 200, name="b.npz")).types == ()


def test_border_cells_are_left_out_where_asked(tmp_path):
    found = read_portraits(run(tmp_path, XY, TYPES, PASS, leave_out_border=True))
    graph = build(XY, PASS, edge_um=20)
    kept = np.flatnonzero(PASS & interior(graph))
    assert 0 < len(kept) < PASS.sum()
    assert (found.whole.portrait(0) != portrait(graph.connectivities[kept][:, kept])).nnz == 0
