"""Columns of divergence.parquet for whole graphs and for composition."""

import numpy as np
import pytest
from tissues import cohort

from vitrail.compare import Sample, compare, compare_portraits
from vitrail.errors import VitrailError
from vitrail.graph import knn
from vitrail.portrait import sampled_divergence, sampled_portrait
from vitrail.portrait.sample import sample_portraits

QUICK = {"shuffles": 0}


@pytest.fixture(scope="module")
def tables():
    every = cohort(1, {"infiltrated": 0.75, "excluded": 0.1})
    kept = list(every["xy_by_image"])[:3]
    return {key: {name: value[name] for name in kept} for key, value in every.items()}


def pairs(tables, **portrait):
    return compare(**tables, portrait={**QUICK, **portrait}, bootstraps=0).divergence


def test_sampled_cohort_has_estimates_with_errors(tables):
    found = pairs(tables, estimator="sampled", sources=400)
    names = list(tables["xy_by_image"])
    graphs = [knn(tables["xy_by_image"][name], 6) for name in names[:2]]
    wanted = sampled_divergence(*(sampled_portrait(graph, 400) for graph in graphs))
    tissue = found[found["graph"] == "tissue"].iloc[0]
    assert (tissue["raw"], tissue["raw_error"]) == pytest.approx(tuple(wanted), abs=1e-12)
    assert tissue["raw_error"] > 0
    # T cells are fewer than the sources: all of them are searched from.
    rare = found[found["cell_type"] == "T cell"]
    assert (rare["cells_a"] < 400).all()
    assert (rare["raw_error"] == 0).all()
    assert (rare["raw"] > 0).all()
    assert found.loc[found["graph"] == "types", "raw"].isna().all()


def test_exact_and_depth_have_no_error(tables):
    exact, shallow = pairs(tables), pairs(tables, estimator="depth", max_depth=4)
    assert exact["raw_error"].isna().all()
    assert shallow["raw_error"].isna().all()
    tissue = exact["graph"] == "tissue"
    assert (shallow.loc[tissue, "raw"] < exact.loc[tissue, "raw"]).all()


def test_estimators_are_never_mixed():
    xy = np.random.default_rng(0).random((200, 2))
    ways = ({}, {"estimator": "sampled", "sources": 100})
    samples = [
        Sample(str(number), sample_portraits(knn(xy, 6), xy, **way))
        for number, way in enumerate(ways)
    ]
    with pytest.raises(VitrailError, match="estimator: found sampled, wanted exact"):
        compare_portraits(samples)


def test_composition_is_told_from_arrangement(tables):
    xy = tables["xy_by_image"]
    types = {name: np.array(value) for name, value in tables["types_by_image"].items()}
    names = list(xy)
    first = names[0]
    random = np.random.default_rng(0)
    shuffled = random.permutation(types[first])
    richer = types[first].copy()
    stroma = np.flatnonzero(richer == "stroma")
    richer[random.choice(stroma, stroma.size // 2, replace=False)] = "T cell"
    found = compare(
        dict.fromkeys(("a", "shuffled", "richer"), xy[first]),
        {"a": types[first], "shuffled": shuffled, "richer": richer},
        portrait=QUICK,
    ).divergence
    rows = found[found["graph"] == "types"].set_index(["sample_a", "sample_b"])
    assert rows.loc[("a", "shuffled"), "composition"] == 0
    assert rows.loc[("a", "richer"), "composition"] > 0.01
    assert rows.loc[("a", "shuffled"), "wl"] > 0.02
    assert found.loc[found["graph"] != "types", ["composition", "wl"]].isna().all(axis=None)
