import itertools

import numpy as np
import pytest
from scipy import stats

from vitrail.inference.design import make_design
from vitrail.inference.fdr import benjamini_hochberg


def test_samples_of_a_unit_share_a_row():
    design = make_design(["p1", "p2", "p1", "p3", "p4"], ["a", "a", "a", "b", "b"])
    assert design.units == ("p1", "p2", "p3", "p4")
    assert design.members.tolist() == [0, 1, 0, 2, 3]
    assert design.condition.tolist() == [0, 0, 1, 1]
    assert not design.paired
    assert design.testable


@pytest.mark.parametrize(
    ("units", "conditions", "count"),
    [
        ("12345678", "aaaabbbb", 70),
        ("123456", "aabbcc", 90),
        ("1234512345", "aaaaabbbbb", 32),
        ("112233", "ababab", 8),
        ("1122345", "ababaab", 12),  # two pairs within, three single units among each other
    ],
)
def test_all_labelings_once(units, conditions, count):
    design = make_design(units, conditions)
    assert design.labelings() == count
    drawn, exact = design.draw(999, 10_000, 0)
    assert exact
    assert len({tuple(row) for row in drawn}) == len(drawn) == count
    assert any((row == design.condition).all() for row in drawn)
    for row, block in itertools.product(drawn, np.unique(design.block)):
        own = design.block == block
        assert sorted(row[own]) == sorted(design.condition[own])


def test_random_labelings_stay_within_units():
    design = make_design("123456789123456789", "a" * 9 + "b" * 9)
    drawn, exact = design.draw(200, 500, 1)
    assert not exact
    assert drawn.shape == (200, 18)
    assert (drawn[:, :9] + drawn[:, 9:] == 1).all()
    assert np.array_equal(drawn, design.draw(200, 500, 1)[0])
    assert not np.array_equal(drawn, design.draw(200, 500, 2)[0])


@pytest.mark.parametrize(
    ("units", "conditions"),
    [("12", "ab"), ("123", "aab"), ("1234", "aaaa"), ("", ""), ("11", "ab"), ("1111", "aabb")],
)
def test_too_few_units_are_not_testable(units, conditions):
    assert not make_design(units, conditions).testable


def test_inverse_gives_the_sum_of_squares_of_an_anova():
    random = np.random.default_rng(0)
    x = random.normal(size=9)
    design = make_design("123456789", "aaabbbbcc")
    centred = design.without_blocks(x[:, None])[:, 0]
    inverse, rank = design.inverse()
    sums = np.array([centred[design.condition == code].sum() for code in range(3)])
    explained = sums @ inverse @ sums
    f = explained / rank / ((centred @ centred - explained) / (9 - 1 - rank))
    assert rank == 2
    assert f == pytest.approx(stats.f_oneway(x[:3], x[3:7], x[7:]).statistic)


def test_fdr_agrees_with_scipy():
    p = np.random.default_rng(0).random(200) ** 3
    assert np.allclose(benjamini_hochberg(p), stats.false_discovery_control(p))


def test_fdr_leaves_out_what_was_not_tested():
    found = benjamini_hochberg([0.01, np.nan, 0.04])
    assert found[[0, 2]].tolist() == [0.02, 0.04]
    assert np.isnan(found[1])
    assert benjamini_hochberg([]).size == 0
