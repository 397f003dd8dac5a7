import itertools

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import pdist, squareform

from vitrail.compare.permanova import p_value, permanova, row_distances, to_centroids
from vitrail.inference.design import make_design

RNG = np.random.default_rng(31)


def squared(points):
    return squareform(pdist(np.reshape(points, (len(points), -1)), "sqeuclidean"))


def run(points, units, conditions, **settings):
    design = make_design(units, conditions)
    settings = {"permutations": 999, "exact_limit": 1000, "bootstraps": 200, "seed": 0, **settings}
    return permanova(row_distances(squared(points), design), design, **settings)


def test_one_dimension_is_an_anova():
    x = RNG.normal(size=9)
    result = run(x, "123456789", "aaabbbbcc", exact_limit=2000)
    oracle = stats.f_oneway(x[:3], x[3:7], x[7:])
    assert result.pseudo_f == pytest.approx(oracle.statistic)
    assert result.exact
    assert result.permutations == 1260


def test_pseudo_f_by_anderson_2001():
    points = RNG.normal(size=(10, 4))
    result = run(points, "0123456789", "aaaabbbbbb")
    d2 = squared(points)
    total = d2[np.triu_indices(10, 1)].sum() / 10
    within = sum(
        d2[np.ix_(g, g)][np.triu_indices(len(g), 1)].sum() / len(g)
        for g in (list(range(4)), list(range(4, 10)))
    )
    assert result.pseudo_f == pytest.approx((total - within) / (within / 8))
    assert result.r2 == pytest.approx(1 - within / total)


def test_exact_p_by_enumeration():
    points = RNG.normal(size=(8, 3))
    points[4:] += 0.7
    result = run(points, "12345678", "aaaabbbb")
    values = []
    for chosen in itertools.combinations(range(8), 4):
        rest = [i for i in range(8) if i not in chosen]
        away = points[list(chosen)].mean(axis=0) - points[rest].mean(axis=0)
        values.append(away @ away)
    observed = values[0]
    assert result.p == pytest.approx((np.array(values) >= observed * (1 - 1e-9)).mean())
    assert result.permutations == 70


def test_clear_difference_has_the_smallest_p_in_either_direction():
    points = RNG.normal(size=(8, 3))
    points[4:] += 50
    one, other = run(points, "12345678", "aaaabbbb"), run(-points, "12345678", "aaaabbbb")
    assert one.p == other.p == pytest.approx(2 / 70)
    assert one.between_mean > one.within_mean
    assert one.effect_low <= one.between_mean - one.within_mean <= one.effect_high
    assert one.effect_low > 10


def test_images_of_a_unit_are_averaged():
    points = RNG.normal(size=(16, 3))
    units, conditions = "1122334455667788", "aaaaaaaabbbbbbbb"
    found = run(points, units, conditions)
    wanted = run(points.reshape(8, 2, 3).mean(axis=1), "12345678", "aaaabbbb")
    assert found.pseudo_f == pytest.approx(wanted.pseudo_f)
    assert found.p == wanted.p
    assert found.within_mean == pytest.approx(wanted.within_mean)
    assert np.allclose(found.dispersion, wanted.dispersion)


def test_paired_units():
    x = RNG.normal(size=7) * 100
    y = x + 1 + 0.1 * RNG.normal(size=7)
    result = run(np.concatenate([x, y]), "12345671234567", "a" * 7 + "b" * 7)
    assert result.pseudo_f == pytest.approx(stats.ttest_rel(x, y).statistic ** 2)
    assert result.p == pytest.approx(2 / 128)
    # The same values taken as independent units say nothing.
    assert run(np.concatenate([x, y]), "1234567890xyzw", "a" * 7 + "b" * 7).p > 0.5


def test_random_labelings_count_the_observed_one():
    points = RNG.normal(size=(24, 2))
    points[12:] += 50
    result = run(points, [str(i) for i in range(24)], "a" * 12 + "b" * 12, permutations=199)
    assert not result.exact
    assert result.p == 1 / 200


def test_dispersion_is_not_location():
    random = np.random.default_rng(0)
    narrow, wide = random.normal(size=(10, 6)), 6 * random.normal(size=(10, 6))
    narrow -= narrow.mean(axis=0)
    wide -= wide.mean(axis=0)
    result = run(
        np.vstack([narrow, wide]), [str(i) for i in range(20)], "a" * 10 + "b" * 10, exact_limit=10
    )
    assert result.p > 0.5
    assert result.dispersion_p < 0.01
    assert result.dispersion[1] > 3 * result.dispersion[0]


def test_distance_to_centroid():
    points = RNG.normal(size=(7, 3))
    condition = np.array([0, 0, 0, 0, 1, 1, 1])
    wanted = np.concatenate(
        [np.linalg.norm(p - p.mean(axis=0), axis=1) for p in (points[:4], points[4:])]
    )
    assert np.allclose(to_centroids(squared(points), condition), wanted)


def test_equal_points_are_no_difference():
    result = run(np.zeros((8, 2)), "12345678", "aaaabbbb")
    assert result.p == 1.0
    assert np.isnan(result.pseudo_f)


def test_p_value():
    assert p_value(2.0, np.array([1.0, 2.0, 2.0 - 1e-12, 3.0]), exact=True) == 0.75
    assert p_value(2.0, np.array([1.0, 2.0, 3.0]), exact=False) == 0.75
    assert np.isnan(p_value(np.nan, np.array([1.0]), exact=True))


def test_level_without_difference():
    random = np.random.default_rng(5)
    p = [
        run(random.normal(size=(9, 3)), "123456789", "aaaabbbbb", bootstraps=0).p
        for _ in range(400)
    ]
    # 126 labelings: the largest attainable level below 5 % is 6/126.
    assert abs(np.mean(np.array(p) <= 0.05) - 6 / 126) < 0.035
