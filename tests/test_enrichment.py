"""Stage enrichment as its script runs it."""

import numpy as np
import pandas as pd
import pytest
from statistics_files import ENRICHMENT, GRAPH, run_stage, write_annotated

from vitrail.enrichment import co_occurrence, neighbourhood_enrichment
from vitrail.graph import build, interior
from vitrail.io.tables import read_table

RNG = np.random.default_rng(3)
XY = RNG.random((200, 2)) * 100
TYPES = RNG.choice(np.array(["a", "b", None], dtype=object), 200)
PASS = RNG.random(200) > 0.1


def run(folder, xy, types, qc_pass=None, threads=1, name="enrichment.parquet", **settings):
    write_annotated(folder / "annotated.h5ad", xy, types, qc_pass=qc_pass)
    inputs = {"cells": folder / "annotated.h5ad", "graph": folder / "graph.npz"}
    graph = {**GRAPH, "edge_um": 12}
    run_stage("graph", {"cells": inputs["cells"]}, {"graph": inputs["graph"]}, graph)
    outputs = {"enrichment": folder / name}
    run_stage("enrichment", inputs, outputs, {**ENRICHMENT, **settings}, threads)
    return folder / name


def test_table_of_the_passing_cells(tmp_path):
    table = read_table(run(tmp_path, XY, TYPES, PASS))
    wanted = neighbourhood_enrichment(build(XY[PASS]), TYPES[PASS], permutations=19, seed=1)
    found = table[table["kind"] == "graph"]
    pd.testing.assert_frame_equal(found[wanted.columns], wanted)
    wanted = co_occurrence(XY[PASS], TYPES[PASS], distances=[5, 10])
    found = table[table["kind"] == "distance"].reset_index(drop=True)
    pd.testing.assert_frame_equal(found[wanted.columns], wanted)


def test_border_cells_are_left_out_where_asked(tmp_path):
    table = read_table(run(tmp_path, XY, TYPES, leave_out_border=True))
    graph = build(XY, edge_um=12)
    inner = interior(graph)
    assert 0 < inner.sum() < 200
    wanted = neighbourhood_enrichment(graph, TYPES, permutations=19, seed=1, focal=inner)
    found = table[table["kind"] == "graph"]
    pd.testing.assert_frame_equal(found[wanted.columns], wanted)


def test_same_bytes_with_two_threads(tmp_path):
    one = run(tmp_path, XY, TYPES).read_bytes()
    assert one == run(tmp_path, XY, TYPES, threads=2, name="b.parquet").read_bytes()


@pytest.mark.parametrize("n", [0, 1, 2])
def test_hardly_any_cells(tmp_path, n):
    table = read_table(run(tmp_path, XY[:n], np.array(["a", "b"], dtype=object)[:n]))
    assert len(table) == 3 * n * n


def test_without_types(tmp_path):
    assert len(read_table(run(tmp_path, XY, None))) == 0
    assert len(read_table(run(tmp_path, XY, [None] * 200))) == 0
