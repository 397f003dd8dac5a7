import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from vitrail.autocorrelation import across


def tables(values, genes=("g1", "g2", "g3")):
    """Values (samples, genes) as the samples' tables."""
    return {f"s{i}": pd.DataFrame({"gene": genes, "moran_I": row}) for i, row in enumerate(values)}


def names(values):
    return {f"s{i}": value for i, value in enumerate(values)}


def test_exact_test_of_two_conditions():
    random = np.random.default_rng(0)
    values = random.normal(size=(8, 3))
    values[4:, 0] += 10
    found = across(tables(values), names("12345678"), names("aaaabbbb"))
    assert found["p"].iloc[0] == pytest.approx(2 / 70)
    assert found["permutations"].tolist() == [70] * 3
    assert found["exact"].all()
    oracle = stats.f_oneway(values[:4, 1], values[4:, 1]).statistic
    assert found["F"].iloc[1] == pytest.approx(oracle)
    difference = values[4:].mean(axis=0) - values[:4].mean(axis=0)
    assert np.allclose(found["difference"], difference)
    inside = (found["difference_low"] < difference) & (difference < found["difference_high"])
    assert inside.all()
    assert found["difference_low"].iloc[0] > 7
    assert found["r2"].iloc[1] == pytest.approx(oracle / (oracle + 6))
    sums = np.array([values[list(c)].sum(axis=0) for c in itertools.combinations(range(8), 4)])
    away = np.abs(sums - values.sum(axis=0) / 2)
    beyond = (away >= away[0] * (1 - 1e-9)).sum(axis=0)
    assert np.allclose(found["p"], beyond / 70)
    assert np.allclose(found["fdr"], stats.false_discovery_control(found["p"]))
    assert np.allclose(found["I_s3"], values[3])


def test_images_of_one_patient_are_one():
    random = np.random.default_rng(1)
    values = random.normal(size=(12, 3))
    found = across(tables(values), names("112233445566"), names("aaaaaabbbbbb"))
    means = values.reshape(6, 2, 3).mean(axis=1)
    wanted = across(tables(means), names("123456"), names("aaabbb"))
    assert np.allclose(found["p"], wanted["p"])
    assert found["units"].tolist() == [6] * 3
    assert found["samples"].tolist() == [12] * 3


def test_paired_units_are_permuted_within():
    random = np.random.default_rng(2)
    patient = random.normal(size=(6, 3)) * 100
    values = np.vstack([patient, patient + 1 + 0.1 * random.normal(size=(6, 3))])
    found = across(tables(values), names("123456123456"), names("aaaaaabbbbbb"))
    assert np.allclose(found["p"], 2 / 64)
    oracle = stats.ttest_rel(values[6:, 0], values[:6, 0]).statistic ** 2
    assert found["F"].iloc[0] == pytest.approx(oracle)


def test_missing_genes_and_untestable_ones():
    values = np.random.default_rng(3).normal(size=(6, 3))
    made = tables(values)
    made["s0"] = made["s0"].iloc[1:]
    made["s4"].loc[2, "moran_I"] = np.nan
    made["s5"].loc[2, "moran_I"] = np.nan
    found = across(made, names("123456"), names("aaabbb")).set_index("gene")
    assert list(found.index) == ["g2", "g3", "g1"]
    assert found.loc["g1", "samples"] == 5
    assert found.loc["g1", "permutations"] == 10
    assert np.isnan(found.loc["g3", "p"])
    assert found.loc["g3", "note"].startswith("not tested: wanted at least 2 units")
    assert found.loc["g3", "units_b"] == 1
    assert found.loc["g2", "note"] is None


def test_three_conditions_one_condition_and_none():
    values = np.random.default_rng(4).normal(size=(6, 2))
    made = tables(values, ("g1", "g2"))
    three = across(made, names("123456"), names("aabbcc"))
    assert three["permutations"].tolist() == [90, 90]
    assert three[["difference", "difference_low", "difference_high"]].isna().all(axis=None)
    assert three["r2"].between(0, 1).all()
    one = across(made, names("123456"), names("aaaaaa"))
    assert one["p"].isna().all()
    assert one["I_mean_a"].notna().all()
    none = across(made, names([None] * 6), names([None] * 6))
    assert none["p"].isna().all()
    assert none["units"].tolist() == [6, 6]


def test_no_samples_and_no_genes():
    assert across({}, {}, {}).empty
    empty = pd.DataFrame({"gene": [], "moran_I": []})
    assert across({"a": empty, "b": empty}, {}, {"a": "x", "b": "y"}).empty


def test_null_genes_are_rejected_at_the_level():
    values = np.random.default_rng(5).normal(size=(20, 400))
    made = tables(values, [f"g{i}" for i in range(400)])
    found = across(
        made,
        names([str(i) for i in range(20)]),
        names("a" * 10 + "b" * 10),
        seed=1,
        permutations=499,
    )
    assert not found["exact"].any()
    assert abs((found["p"] <= 0.05).mean() - 0.05) < 0.035
    again = across(
        made,
        names([str(i) for i in range(20)]),
        names("a" * 10 + "b" * 10),
        seed=1,
        permutations=499,
    )
    pd.testing.assert_frame_equal(found, again)
