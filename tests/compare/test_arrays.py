"""compare() as it is called from a notebook: on arrays, series and AnnData."""

from itertools import permutations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from tissues import cohort

from vitrail.compare import compare
from vitrail.compare.permanova import permanova
from vitrail.errors import VitrailError
from vitrail.inference.design import make_design

QUICK = {"portrait": {"shuffles": 3, "windows": 4}, "bootstraps": 20}


@pytest.fixture(scope="module")
def tables():
    return cohort(3, {"a": 0.8, "b": 0.1}, patients=3, cells=(500, 550))


def annotated(xy):
    adata = ad.AnnData(np.zeros((len(xy), 1), np.float32))
    adata.obsm["spatial"] = xy
    return adata


def test_lists_series_categories_and_anndata_give_the_same(tables):
    wanted = compare(**tables, **QUICK)
    shapes = {
        "xy_by_image": [
            {name: xy.tolist() for name, xy in tables["xy_by_image"].items()},
            {name: annotated(xy) for name, xy in tables["xy_by_image"].items()},
        ],
        "types_by_image": [
            {name: pd.Categorical(types) for name, types in tables["types_by_image"].items()},
            {name: list(types) for name, types in tables["types_by_image"].items()},
        ],
        "unit_by_image": [pd.Series(tables["unit_by_image"])],
        "condition_by_image": [pd.Series(tables["condition_by_image"])],
    }
    for key, others in shapes.items():
        for other in others:
            found = compare(**{**tables, key: other}, **QUICK)
            for one, two in zip(found, wanted, strict=True):
                pd.testing.assert_frame_equal(one, two, check_exact=True)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("types_by_image", "found types of image 'P9', wanted one of the 6 images"),
        ("unit_by_image", "found a unit of image 'P9', wanted one of the 6 images"),
        ("condition_by_image", "found a condition of image 'P9', wanted one of the 6 images"),
    ],
)
def test_an_image_that_has_no_positions_is_named(tables, key, message):
    with pytest.raises(VitrailError, match=message):
        compare(**{**tables, key: {**tables[key], "P9": "x"}}, **QUICK)


def test_positions_that_are_not_finite_name_the_image():
    with pytest.raises(VitrailError, match=r"image x: positions, row 1: found \[nan, 1.0\]"):
        compare({"x": [[0, 0], [np.nan, 1]]})


def test_an_image_without_types_stays_in_the_comparison_of_tissues(tables):
    types = dict(list(tables["types_by_image"].items())[1:])
    found = compare(**{**tables, "types_by_image": types}, **QUICK).comparison
    assert found.loc[found["graph"] == "tissue", "samples"].item() == 6
    together = found[found["graph"] == "types"].iloc[0]
    assert together["samples"] == 5
    assert "left out for no type of at least 30 cells: " in together["note"]


def pseudo_f(squared, groups):
    """Pseudo-F of Anderson 2001 in sums over pairs, as scikit-bio computes it."""
    upper = np.triu(squared, 1)
    total = upper.sum() / len(groups)
    names, sizes = np.unique(groups, return_counts=True)
    within = 0.0
    for name, size in zip(names, sizes, strict=True):
        own = groups == name
        within += upper[np.ix_(own, own)].sum() / size
    return (total - within) / (len(names) - 1) / (within / (len(groups) - len(names)))


def test_three_conditions_against_a_hand_written_permanova():
    tables = cohort(4, {"a": 0.8, "b": 0.4, "c": 0.1}, patients=2, cells=(500, 550))
    divergence, tests = compare(**tables, **QUICK)
    names = list(tables["xy_by_image"])
    condition = np.array([tables["condition_by_image"][name] for name in names])
    for graph, row in tests[tests["statistic"] != "portrait divergence beyond abundance"].groupby(
        ["graph", "cell_type"], dropna=False, observed=True
    ):
        pairs = divergence[
            (divergence["graph"] == graph[0])
            & (divergence["cell_type"].astype("object").eq(graph[1]) | pd.isna(graph[1]))
        ]
        squared = np.zeros((6, 6))
        for a, b, distance in zip(
            pairs["sample_a"], pairs["sample_b"], pairs["distance"], strict=True
        ):
            i, j = names.index(a), names.index(b)
            squared[i, j] = squared[j, i] = distance**2
        assert np.isfinite(squared).all()
        row = row.iloc[0]
        observed = pseudo_f(squared, condition)
        assert row["pseudo_f"] == pytest.approx(observed)
        others = [pseudo_f(squared, np.array(p)) for p in set(permutations(condition))]
        assert (row["permutations"], row["exact"], row["paired"]) == (90, True, False)
        assert row["p"] == pytest.approx(np.mean(np.array(others) >= observed * (1 - 1e-9)))


def test_distances_that_are_not_euclidean_against_a_hand_written_permanova():
    random = np.random.default_rng(8)
    squared = random.random((11, 11)) ** 2
    squared = np.triu(squared, 1) + np.triu(squared, 1).T
    groups = np.array(list("aaaabbbcccc"))
    design = make_design([str(i) for i in range(11)], groups.tolist())
    found = permanova(squared, design, 499, 1000, 0, seed=3)
    labels, exact = design.draw(499, 1000, 3)
    others = np.array([pseudo_f(squared, row) for row in labels])
    observed = pseudo_f(squared, groups)
    assert not exact
    assert found.pseudo_f == pytest.approx(observed)
    assert found.p == pytest.approx((1 + (others >= observed).sum()) / 500)
