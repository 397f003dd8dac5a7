"""What the stage's table becomes in a sample's AnnData and on the report's page."""

import warnings

import anndata as ad
import numpy as np
import pytest
import squidpy as sq
from statistics_files import ENRICHMENT, GRAPH, run_stage, write_annotated

from vitrail.assemble import write_anndata
from vitrail.report.enrichment import by_condition
from vitrail.report.facts import read_facts

RNG = np.random.default_rng(4)
PROVENANCE = {"vitrail": "0", "stage": "assemble", "settings": {}}
NASTY = "<script>alert(1)</script>"


def assembled(folder, types):
    folder.mkdir()
    xy = RNG.random((len(types), 2)) * 60
    cells, graph, table = folder / "a.h5ad", folder / "g.npz", folder / "e.parquet"
    write_annotated(cells, xy, types)
    run_stage("graph", {"cells": cells}, {"graph": graph}, GRAPH)
    inputs = {"cells": cells, "graph": graph}
    run_stage("enrichment", inputs, {"enrichment": table}, {**ENRICHMENT, "distances_um": [9, 20]})
    write_anndata(folder / "S.h5ad", cells, graph=graph, enrichment=table, provenance=PROVENANCE)
    return folder / "S.h5ad"


@pytest.fixture
def path(tmp_path):
    types = RNG.choice(np.array(["b", "a", NASTY], dtype=object), 80)
    return assembled(tmp_path / "first", types)


def test_squidpy_would_have_written_the_same_keys(path, monkeypatch):
    from squidpy.gr import _ppatterns

    for name in ("_occur_count", "_co_occurrence_helper"):
        monkeypatch.setattr(_ppatterns, name, getattr(_ppatterns, name).py_func)
    ours, theirs = ad.read_h5ad(path), ad.read_h5ad(path)
    interval = np.array([0.0, 9, 20])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sq.gr.nhood_enrichment(theirs, "cell_type", n_perms=2, seed=1, show_progress_bar=False)
        sq.gr.co_occurrence(theirs, "cell_type", interval=interval)
    key = "cell_type_nhood_enrichment"
    assert np.array_equal(ours.uns[key]["count"], theirs.uns[key]["count"])
    key = "cell_type_co_occurrence"
    assert np.allclose(ours.uns[key]["occ"], theirs.uns[key]["occ"], rtol=1e-5)
    assert np.allclose(ours.uns[key]["interval"], interval)
    assert len(ours.uns["enrichment"]) == 3 * 9
    assert ours.obs["border"].dtype == bool
    assert ours.obs["border"].any()


def test_cells_without_types_add_nothing(tmp_path):
    found = ad.read_h5ad(assembled(tmp_path / "S", [None] * 20))
    assert "enrichment" not in found.uns
    assert "cell_type_nhood_enrichment" not in found.uns


def test_report_shows_means_over_units_and_escapes_names(path, tmp_path):
    other = assembled(tmp_path / "T", ["a", "b"] * 30)
    rows = [("S", "sick", "u1", path), ("T", "sick", "u1", path), ("U", "sick", "u2", other)]
    facts = [
        read_facts({"row": {"sample": s, "condition": c, "unit": u}, "anndata": p})
        for s, c, u, p in rows
    ]
    (found,) = by_condition(facts)
    assert (found.condition, found.units) == ("sick", 2)
    score = [ad.read_h5ad(p).uns["cell_type_nhood_enrichment"]["zscore"] for p in (path, other)]
    # Types in order: the nasty one, a, b; the second unit has the last two.
    assert f"a – b: {(score[0][1, 2] + score[1][0, 1]) / 2:.1f}" in found.chart
    assert NASTY not in found.chart
    assert "&lt;script&gt;" in found.chart
    largest = np.nanmax(np.abs([score[0][0, 0], *np.ravel((score[0][1:, 1:] + score[1]) / 2)]))
    assert found.high >= largest


def test_report_without_types_has_no_map(tmp_path):
    path = assembled(tmp_path / "S", [None] * 20)
    facts = read_facts({"row": {"sample": "S"}, "anndata": path})
    assert by_condition([facts]) == []
