"""What the report shows of distances, pairs of genes, local patterns and graphs."""

import json
from itertools import combinations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cohort_files import write_cohort
from report_page import text_of
from scipy import sparse

from vitrail.report import build_report, distances, enrichment, local, read_facts


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("cohort"), with_slide=False, size=100)


@pytest.fixture
def divergence(tmp_path):
    """Four samples of three units, one unit with two of them; a type is too rare in the last."""
    rows = []
    for graph, cell_type in (("types", None), ("tissue", None), ("type", "B <b>")):
        for a, b in combinations(range(4), 2):
            rare = graph == "type" and b == 3
            rows.append(
                {
                    "sample_a": f"s{a}", "sample_b": f"s{b}", "graph": graph,
                    "cell_type": cell_type, "cells_a": 100 + a, "cells_b": 4 if rare else 100 + b,
                    "distance": None if rare else 1.0 + a + b,
                    "raw": None if graph == "types" else 0.1 * (a + b),
                    "raw_error": 0.01 if graph == "tissue" else None,
                    "z": None if graph == "types" or rare else float(b - a),
                    "composition": 0.2 if graph == "types" else None,
                    "note": f"fewer than 30 cells of the type: s{b}" if rare else None,
                }
            )  # fmt: skip
    path = tmp_path / "divergence.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def test_measures_of_each_graph_are_read(divergence):
    types, tissue, b_cells = distances.read_distances(divergence, ["s0", "s1", "s2", "s3"])
    assert (types.name, b_cells.name, b_cells.of_type) == ("All cell types together", "B <b>", True)
    assert list(types.measures) == ["composition"]
    assert list(tissue.measures) == ["raw", "raw_error", "z"]
    assert tissue.measures["raw"][1, 2] == tissue.measures["raw"][2, 1] == pytest.approx(0.3)
    assert np.isnan(tissue.measures["raw"][0, 0])
    assert tissue.matrix[3].tolist() == [4.0, 5.0, 6.0, 0.0]
    assert b_cells.cells.tolist() == [100, 101, 102, 4]
    # The names of samples do not make another reason of each pair.
    assert b_cells.notes == {"fewer than 30 cells of the type": 3}
    assert not tissue.notes


def test_rare_types_are_counted(divergence):
    graphs = distances.read_distances(divergence, ["s0", "s1", "s2", "s3"])
    (row,) = distances.type_numbers(graphs)
    assert (row["name"], row["samples"], row["median"]) == ("B <b>", 4, 100.5)
    assert (row["smallest"], row["largest"], row["left_out"]) == (4, 102, 1)
    assert row["reasons"] == ["fewer than 30 cells of the type"]


def test_means_within_and_between_are_over_pairs_of_units(divergence):
    graphs = distances.read_distances(divergence, ["s0", "s1", "s2", "s3"])
    # s0 and s1 are one unit: its own pair counts nowhere, its pairs with others are averaged.
    rows = distances.summaries(graphs, ["p", "p", "q", "r"], ["A", "A", "A", "B"])
    within, between = rows[1]["raw"]
    assert within == pytest.approx((0.2 + 0.3) / 2)
    assert between == pytest.approx(((0.3 + 0.4) / 2 + 0.5) / 2)
    assert np.isnan(rows[0]["raw"]).all()
    assert rows[2]["z"][0] == pytest.approx(1.5)
    assert np.isnan(rows[2]["z"][1])
    # A unit of both conditions is not compared with itself.
    paired = distances.summaries(graphs, ["p", "q", "p", "q"], ["A", "A", "B", "B"])
    assert paired[1]["raw"] == pytest.approx(((0.1 + 0.5) / 2, (0.3 + 0.3) / 2))


def test_distances_are_shown_with_their_nulls(divergence, cohort):
    files = [{**entry, "row": {**entry["row"], "sample": f"s{i}"}}
             for i, entry in enumerate(cohort["files"])]  # fmt: skip
    html = build_report(files, divergence=divergence)
    text = text_of(html)
    for part in ("How far apart samples are", "its standard error", "How much of it is composition",
                 "beyond abundance, as z-score", "Cells of each type"):  # fmt: skip
        assert part in text
    assert "In windows" not in text  # the table has no such column
    assert "B <b>: 3 pairs of samples fewer than 30 cells of the type" in text
    assert "B &lt;b&gt;" in html


@pytest.fixture(scope="module")
def patterned(tmp_path_factory):
    """Two units, the first with two samples; pairs, local statistics and co-occurrence."""
    from vitrail.io.h5ad import Categorical, write_h5ad

    folder = tmp_path_factory.mktemp("patterned")
    files = []
    for i, (unit, value) in enumerate((("p", 0.1), ("p", 0.3), ("q", 0.6))):
        n = 20
        obs = {
            "cell": np.arange(n, dtype=np.int32), "qc_pass": np.ones(n, bool),
            "cell_type": Categorical.of(["a", "b"] * (n // 2)), "border": np.arange(n) < 5,
        }  # fmt: skip
        quadrant = np.array([[1], [1], [2], [3], [4]] * 4, np.int8)
        fdr = np.where(np.arange(n) < 10, 0.01, np.nan)[:, None]
        occ = np.full((2, 2, 3), 1.0 + i)
        uns = {
            "bivariate_moran": {
                "x": np.array(["L <i>", "L <i>"], dtype=object),
                "y": np.array(["R", "S"], dtype=object),
                "I": np.array([value, np.nan]), "fdr": np.array([0.04 * (i + 1), np.nan]),
            },
            "local_moran": {"genes": np.array(["L <i>"], dtype=object)},
            "cell_type_co_occurrence": {"occ": occ, "interval": np.array([0.0, 10, 20, 30])},
            "spatial_neighbors": {"params": {"kind": "knn", "k": 6, "cells": 20, "edges": 60}},
            "portraits": {"meta": json.dumps({"estimator": "sampled", "sources": 4096})},
        }  # fmt: skip
        obsm = {
            "spatial": np.random.default_rng(i).random((n, 2)) * 100,
            "local_moran_quadrant": quadrant, "local_moran_fdr": fdr,
        }  # fmt: skip
        path = folder / f"{i}.h5ad"
        names = [str(cell) for cell in range(n)]
        write_h5ad(path, sparse.csr_matrix((n, 0)), obs, names, [], obsm=obsm, uns=uns)
        row = {"sample": f"s{i}", "unit": unit, "condition": "A" if unit == "p" else "B"}
        files.append({"row": row, "anndata": path})
    return files


def test_pairs_of_genes_are_averaged_over_units(patterned):
    facts = [read_facts(entry) for entry in patterned]
    found, missing = local.gene_pairs(facts, ["A", "B"], 0.05)
    assert (found["x"], found["y"], found["samples"], found["found"]) == ("L <i>", "R", 3, 1)
    assert found["by_condition"] == pytest.approx({"A": 0.2, "B": 0.6})
    assert (found["mean"], found["low"], found["high"]) == pytest.approx((0.4, 0.1, 0.6))
    assert (missing["samples"], missing["found"]) == (0, 0)
    assert np.isnan(missing["mean"])


def test_local_patterns_count_what_is_significant(patterned):
    facts = [read_facts(entry) for entry in patterned]
    found = {sample.name: local.local_genes(sample, 0.05) for sample in facts}
    assert found["s0"]["L <i>"].tolist() == [1, 1, 2, 3, 4] * 2 + [0] * 10
    first, second = local.local_shares(facts, found, ["A", "B"])
    assert (first["condition"], first["samples"], second["samples"]) == ("A", 2, 1)
    assert first["high among high"] == pytest.approx(0.2)
    assert second["low among low"] == pytest.approx(0.1)


def test_patterns_graphs_and_co_occurrence_are_shown(patterned):
    html = build_report(patterned)
    text = text_of(html)
    for part in ("Pairs of genes", "local Moran's I", "By distance", "Spatial graphs", "25.0 %",
                 "knn, k 6"):  # fmt: skip
        assert part in text
    assert "L &lt;i&gt;" in html
    assert "L <i>" not in html
    assert html.count('class="lines"') == 4
    assert "estimated from" not in text  # there is no table of divergences to say it of


def test_co_occurrence_is_the_mean_over_units(patterned):
    facts = [read_facts(entry) for entry in patterned]
    rows = enrichment.by_distance(facts, {"a": "#000000"})
    assert [row.name for row in rows] == ["a", "b"]
    # Means are 1.5 of the two samples of p, and 3 of q: the axis ends at the larger.
    assert [(condition, units) for condition, units, _ in rows[0].charts] == [("A", 1), ("B", 1)]
    assert ">3</text>" in rows[0].charts[0][2]
