from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tissues import cohort, tissue

from vitrail.compare import Comparison, Sample, compare, compare_portraits
from vitrail.errors import VitrailError
from vitrail.graph import knn
from vitrail.portrait.sample import sample_portraits

QUICK = {"portrait": {"shuffles": 5}, "bootstraps": 50}
DIFFERENT = {"infiltrated": 0.75, "excluded": 0.1}


@pytest.fixture(scope="module")
def tables():
    return cohort(1, DIFFERENT)


@pytest.fixture(scope="module")
def compared(tables):
    return compare(**tables, **QUICK)


def test_primary_test_finds_the_arrangement(compared):
    primary = compared.comparison[compared.comparison["primary"]]
    assert len(primary) == 1
    row = primary.iloc[0]
    assert (row["graph"], row["statistic"]) == ("types", "arrangement profile")
    assert row["p"] == pytest.approx(2 / 70)
    assert row["exact"]
    assert row["permutations"] == 70
    assert row["effect_low"] > 0
    assert row["conditions"] == "infiltrated|excluded"
    assert row["units_infiltrated"] == row["units_excluded"] == 4


def test_power_and_level_of_the_primary_test():
    def p(seed, inside):
        found = compare(**cohort(seed, inside), portrait={"shuffles": 0}, bootstraps=0).comparison
        return found.loc[found["primary"], "p"].item()

    assert np.mean([p(seed, DIFFERENT) <= 0.05 for seed in range(10)]) >= 0.8
    same = {"a": 0.4, "b": 0.4}
    # 2 of 70 labelings reach 5 %: more than 4 of 25 has a chance of 1 in 10,000.
    assert sum(p(100 + seed, same) <= 0.05 for seed in range(25)) <= 4


def test_rows_of_both_tables(compared, tables):
    types = ["T cell", "endothelial", "macrophage", "stroma", "tumour"]
    found = compared.comparison
    assert found["graph"].tolist() == ["types", *["type"] * 10, "tissue"]
    assert found["cell_type"].tolist() == [None, *types, *types, None]
    statistics = found["statistic"].tolist()
    assert statistics[:6] == ["arrangement profile"] * 6
    assert statistics[6:11] == ["portrait divergence beyond abundance"] * 5
    for rows in (found[1:6], found[6:11]):
        assert np.allclose(rows["fdr"], stats.false_discovery_control(rows["p"]))
    assert found["note"].isna().all()
    followed = found[found["graph"] == "type"]
    assert (followed["fdr"] >= followed["p"] - 1e-12).all()
    cells = {name: len(xy) for name, xy in tables["xy_by_image"].items()}
    tissue_row = found[found["graph"] == "tissue"].iloc[0]
    assert tissue_row["cells"] == sum(cells.values())
    assert tissue_row["cells_excluded"] == sum(list(cells.values())[4:])
    pairs = compared.divergence
    assert len(pairs) == 28 * 7
    assert isinstance(compared, Comparison)
    by_graph = dict(list(pairs.groupby("graph", observed=True)))
    assert by_graph["types"]["raw"].isna().all()
    assert by_graph["types"]["arrangement"].notna().all()
    for graph in ("tissue", "type"):
        values = by_graph[graph][["raw", "controlled", "null_mean", "null_sd", "z", "distance"]]
        assert values.notna().all(axis=None)
        assert values[["raw", "controlled", "null_mean"]].to_numpy().max() <= 1
    first = by_graph["tissue"].iloc[0]
    assert (first["cells_a"], first["cells_b"]) == (cells["P1_0"], cells["P2_0"])
    assert first["distance"] == pytest.approx(first["controlled"] ** 0.5)


def test_subgraphs_are_tested_by_their_score_against_shuffled_types(compared, tables):
    pairs = compared.divergence
    own = pairs[pairs["cell_type"] == "T cell"]
    names = list(tables["xy_by_image"])
    squared = np.zeros((8, 8))
    for a, b, z in zip(own["sample_a"], own["sample_b"], own["z"], strict=True):
        i, j = names.index(a), names.index(b)
        squared[i, j] = squared[j, i] = max(z, 0)

    def within(chosen):
        groups = (list(chosen), [i for i in range(8) if i not in chosen])
        return sum(squared[np.ix_(g, g)].sum() / 2 / 4 for g in groups)

    observed, total = within((0, 1, 2, 3)), squared.sum() / 2 / 8
    every = np.array([within(chosen) for chosen in combinations(range(8), 4)])
    found = compared.comparison
    row = found[(found["cell_type"] == "T cell") & found["statistic"].str.contains("beyond")]
    assert row["pseudo_f"].item() == pytest.approx((total - observed) / (observed / 6))
    assert row["p"].item() == pytest.approx((every <= observed + 1e-9).mean())


def test_without_shuffles_there_is_no_score_to_test(tables):
    found = compare(**tables, portrait={"shuffles": 0}, bootstraps=0).comparison
    assert not found["statistic"].str.contains("beyond").any()


def test_whole_divergence_is_that_of_the_portraits(compared, tables):
    from vitrail.portrait import divergence, portrait

    first, second = (portrait(knn(tables["xy_by_image"][name], 6)) for name in ("P1_0", "P8_0"))
    pairs = compared.divergence
    row = pairs[(pairs["graph"] == "tissue") & (pairs["sample_a"] == "P1_0")]
    found = row.loc[row["sample_b"] == "P8_0", "raw"].item()
    assert found == pytest.approx(divergence(first, second), abs=1e-12)


def test_same_bits_for_any_number_of_threads(tables, compared):
    again = compare(**tables, **QUICK, threads=3)
    for one, other in zip(compared, again, strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_size_controlled_value_does_not_see_size_and_sees_process():
    def uniform(n, seed):
        return np.random.default_rng([seed, n]).random((n, 2)) * n**0.5

    def clustered(n, seed):
        random = np.random.default_rng([seed, n])
        centres = random.random((n // 25, 2)) * n**0.5
        return centres[random.integers(0, len(centres), n)] + 0.35 * random.normal(size=(n, 2))

    def hard_core(n, seed, distance=0.7):
        # Uniform points, refused where an earlier one is nearer than the distance.
        random, side = np.random.default_rng([seed, n]), n**0.5
        kept = np.zeros((0, 2))
        while len(kept) < n:
            for point in random.random((n, 2)) * side:
                if len(kept) < n and (((kept - point) ** 2).sum(axis=1) >= distance**2).all():
                    kept = np.vstack([kept, point])
        return kept

    sizes = (1000, 2000, 8000)
    images = {f"u{n}{s}": uniform(n, s) for n in sizes for s in (0, 1)}
    images |= {f"h{n}{s}": hard_core(n, s) for n in sizes for s in (0, 1)}
    images |= {f"c{n}": clustered(n, 0) for n in sizes}
    pairs = compare(images).divergence
    process_a, process_b = pairs["sample_a"].str[0], pairs["sample_b"].str[0]
    for process in "uh":
        same = pairs[(process_a == process) & (process_b == process)]
        sizes_differ = same["cells_a"] != same["cells_b"]
        # Raw divergence separates sizes; in windows pairs of different sizes are as near as of
        # equal, at the level of the null.
        assert same.loc[sizes_differ, "raw"].min() > 2 * same.loc[~sizes_differ, "raw"].max()
        assert (
            same.loc[sizes_differ, "controlled"].median()
            < 1.5 * same.loc[~sizes_differ, "controlled"].median()
        )
        assert same["controlled"].median() < 1.25 * same["null_mean"].median()
        assert same["z"].abs().median() < 2
        other = pairs[(process_a == process) ^ (process_b == process)]
        assert other["controlled"].min() > same["controlled"].max()
        assert other["z"].min() > 3
    # What separates the processes is what they are, not their sizes.
    apart = pairs[process_a + process_b == "uh"]
    sizes_differ = apart["cells_a"] != apart["cells_b"]
    medians = apart.groupby(sizes_differ)["controlled"].median()
    assert medians[True] == pytest.approx(medians[False], rel=0.25)
    strongest = pairs[(process_a == "c") ^ (process_b == "c")]
    assert strongest["controlled"].min() > 2 * apart["controlled"].max()


def test_few_cells_of_a_type_and_small_samples_are_named(tables):
    small = {key: dict(value) for key, value in tables.items()}
    xy, types = small["xy_by_image"]["P1_0"], small["types_by_image"]["P1_0"].copy()
    types[np.flatnonzero(types == "T cell")[10:]] = "stroma"
    small["types_by_image"]["P1_0"] = types
    xy, types = tissue(3, 80)
    small["xy_by_image"]["P8_0"], small["types_by_image"]["P8_0"] = xy, types
    divergence, tests = compare(**small, **QUICK)
    rows = tests.set_index(["graph", "cell_type"])
    t_cell, beyond = (rows.loc[("type", "T cell")].iloc[i] for i in range(2))
    few = f"P1_0 (10), P8_0 ({(types == 'T cell').sum()})"
    assert t_cell["note"] == f"left out for fewer than 30 cells of the type: {few}"
    assert beyond["note"] == (
        f"left out for fewer than 30 cells of the type or fewer cells than a window: {few}"
    )
    assert t_cell["samples"] == beyond["samples"] == 6
    assert t_cell["permutations"] == 20
    tissue_row = tests[tests["graph"] == "tissue"].iloc[0]
    assert tissue_row["note"] == "left out for fewer cells than a window of 100: P8_0 (80)"
    pairs = divergence[(divergence["graph"] == "tissue") & (divergence["sample_b"] == "P8_0")]
    assert pairs["raw"].notna().all()
    assert pairs[["controlled", "null_mean", "z", "distance"]].isna().all(axis=None)
    assert pairs["note"].iloc[0] == "fewer cells than a window of 100: P8_0"


def test_without_types_the_tissue_is_primary(tables):
    tests = compare(**{**tables, "types_by_image": None}, **QUICK).comparison
    assert tests["graph"].tolist() == ["tissue"]
    assert tests["primary"].tolist() == [True]


@pytest.mark.parametrize(
    ("units", "conditions", "note"),
    [
        ("123456", "aaaaaa", "not tested: 1 condition, wanted 2"),
        ("123456", [None] * 6, "not tested: 0 conditions, wanted 2"),
        (
            "123455",
            "aaaabb",
            "not tested: wanted at least 2 units a condition, found 4 of a, 1 of b",
        ),
        (
            "111222",
            "aaabbb",
            "not tested: wanted at least 2 units a condition, found 1 of a, 1 of b",
        ),
    ],
)
def test_too_few_units_or_conditions(units, conditions, note):
    images = {f"i{i}": np.random.default_rng(i).random((150, 2)) for i in range(6)}
    tests = compare(
        images,
        unit_by_image=dict(zip(images, units, strict=True)),
        condition_by_image=dict(zip(images, conditions, strict=True)),
    ).comparison
    row = tests.iloc[0]
    assert row["note"] == note
    assert np.isnan(row["p"])
    assert row["primary"]


def test_three_conditions_one_too_small_and_one_missing():
    images = {f"i{i}": np.random.default_rng(i).random((150, 2)) for i in range(8)}
    conditions = dict(zip(images, ["a", "a", "a", "b", "b", "b", "c", None], strict=True))
    row = compare(images, condition_by_image=conditions).comparison.iloc[0]
    assert row["conditions"] == "a|b"
    assert row["permutations"] == 20
    assert row["note"] == "without condition: i7; left out for fewer than 2 units: c (1)"
    assert row["units_c"] == 0


def test_paired_units_and_repeated_images():
    tables = cohort(2, DIFFERENT, patients=5, images=2, cells=(800, 1000))
    renamed = {
        name: f"P{(int(unit[1:]) - 1) % 5}" for name, unit in tables["unit_by_image"].items()
    }
    row = compare(**{**tables, "unit_by_image": renamed}, **QUICK).comparison.iloc[0]
    assert row["paired"]
    assert row["permutations"] == 32
    assert row["p"] == pytest.approx(2 / 32)
    assert (row["units"], row["samples"]) == (5, 20)
    alone = compare(**tables, **QUICK).comparison.iloc[0]
    assert not alone["paired"]
    assert alone["permutations"] == 252
    assert alone["units"] == 10


def test_portraits_of_different_settings_are_refused():
    xy = np.random.default_rng(0).random((120, 2))
    one = Sample("A", sample_portraits(knn(xy, 3), xy))
    two = Sample("B", sample_portraits(knn(xy, 3), xy, windows=3))
    with pytest.raises(VitrailError, match="sample B, windows: found 3, wanted 10 as in sample A"):
        compare_portraits([one, two])


@pytest.mark.parametrize("n", [0, 1])
def test_no_pairs(n):
    images = {f"i{i}": np.random.default_rng(i).random((150, 2)) for i in range(n)}
    divergence, tests = compare(images)
    assert divergence.empty
    assert "controlled" in divergence
    assert len(tests) == n


def test_empty_and_single_cell_samples():
    images = {"none": np.zeros((0, 2)), "one": np.ones((1, 2)), "also": np.zeros((0, 2))}
    types = {"none": [], "one": ["a"], "also": []}
    divergence, tests = compare(images, types)
    whole = divergence[divergence["graph"] == "tissue"].set_index(["sample_a", "sample_b"])["raw"]
    assert whole["none", "one"] == 1.0
    assert whole["none", "also"] == 0.0
    assert tests["p"].isna().all()


def test_wrong_number_of_types():
    with pytest.raises(VitrailError, match="image i: found 2 types, wanted 3, one a cell"):
        compare({"i": np.eye(3)[:, :2]}, {"i": ["a", "b"]})
