import numpy as np
import pytest
from scipy import stats

from vitrail.inference.anova import permutation_f
from vitrail.inference.bootstrap import difference_interval, draw_units
from vitrail.inference.design import make_design

DRAWS = 4000


def test_each_condition_keeps_its_number_of_units_and_pairs_stay_together():
    # Two paired units, three single ones of a, two of b.
    design = make_design("1122345 67".replace(" ", ""), "ababaaabb")
    times = draw_units(design, 200, 0)
    for code in (0, 1):
        assert (times[:, design.condition == code].sum(axis=1) == (5, 4)[code]).all()
    assert (times[:, 0] == times[:, 1]).all()
    assert (times[:, 2] == times[:, 3]).all()
    assert np.array_equal(times, draw_units(design, 200, 0))
    assert not np.array_equal(times, draw_units(design, 200, 1))


def test_interval_is_that_of_scipy():
    random = np.random.default_rng(0)
    a, b = random.normal(size=9), random.normal(1, 2, size=14)
    design = make_design([str(i) for i in range(23)], ["a"] * 9 + ["b"] * 14)
    low, high = difference_interval(np.concatenate([a, b])[:, None], design, 0, 1, DRAWS, 1)
    oracle = stats.bootstrap(
        (b, a), lambda x, y, axis: x.mean(axis) - y.mean(axis), n_resamples=DRAWS,
        method="percentile", rng=np.random.default_rng(2),
    ).confidence_interval  # fmt: skip
    assert (low[0], high[0]) == pytest.approx((oracle.low, oracle.high), abs=0.1)
    assert high[0] - low[0] > 1


def test_pairs_take_the_patient_out():
    patient = np.random.default_rng(1).normal(size=10) * 100
    change = 1 + 0.1 * np.random.default_rng(2).normal(size=10)
    values = np.concatenate([patient, patient + change])[:, None]
    paired = make_design("0123456789" * 2, "a" * 10 + "b" * 10)
    low, high = difference_interval(values, paired, 0, 1, DRAWS, 0)
    assert 0.8 < low[0] < change.mean() < high[0] < 1.2
    single = make_design([str(i) for i in range(20)], "a" * 10 + "b" * 10)
    low, high = difference_interval(values, single, 0, 1, DRAWS, 0)
    assert low[0] < -20 < 20 < high[0]


def test_intervals_cover_the_truth():
    random = np.random.default_rng(3)
    design = make_design([str(i) for i in range(30)], "a" * 15 + "b" * 15)
    values = random.normal(size=(30, 400))
    values[15:] += 0.7
    low, high = difference_interval(values, design, 0, 1, 1000, 0)
    covered = ((low < 0.7) & (high > 0.7)).mean()
    # The percentile interval of 15 + 15 normal values covers some 93 % at 95 %.
    assert 0.88 < covered < 0.98


def test_no_draws_no_interval():
    design = make_design("1234", "aabb")
    low, high = difference_interval(np.zeros((4, 2)), design, 0, 1, 0, 0)
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_share_of_variance_explained():
    values = np.array([[0.0, 1.0], [0.0, 2.0], [1.0, 1.0], [1.0, 2.0]])
    design = make_design("1234", "aabb")
    labels, exact = design.draw(99, 100, 0)
    assert permutation_f(values, design, labels, exact).r2.tolist() == pytest.approx([1.0, 0.0])
    random = np.random.default_rng(4).normal(size=(10, 1))
    design = make_design("0123456789", "aaabbbbccc")
    found = permutation_f(random, design, *design.draw(9, 10, 0))
    f = stats.f_oneway(random[:3, 0], random[3:7, 0], random[7:, 0]).statistic
    assert found.r2[0] == pytest.approx(2 * f / (2 * f + 7))
