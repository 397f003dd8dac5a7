import numpy as np
import pytest
import scipy.sparse as sp
from portrait_oracle import divergence_by_definition

from vitrail.errors import VitrailError
from vitrail.graph import knn
from vitrail.portrait import portrait, sampled_divergence, sampled_portrait
from vitrail.portrait.sample import sample_portraits
from vitrail.portrait.sampled import EDGES, PARTS, WIDTH

N = 3000


def uniform(n, seed):
    return knn(np.random.default_rng(seed).random((n, 2)), 6)


def clustered(n, seed):
    random = np.random.default_rng(seed)
    centres = random.random((n // 25, 2)) * n**0.5
    return knn(centres[random.integers(0, len(centres), n)] + 0.6 * random.normal(size=(n, 2)), 6)


def exactly(graph):
    return sampled_portrait(graph, 10**6)


@pytest.fixture(scope="module")
def pairs():
    first = uniform(N, 0)
    return [(first, other) for other in (uniform(N, 1), uniform(N // 2, 2), clustered(N, 3))]


def test_bins_hold_small_sizes_apart_and_are_ten_percent_wide():
    assert EDGES[:11].tolist() == list(range(1, 12))
    assert EDGES[-1] > 2**31
    wide = EDGES[EDGES > 100]
    assert (wide[1:] / wide[:-1]).max() < WIDTH + 0.01


def test_all_sources_give_the_binned_divergence():
    graphs = [uniform(400, 0), clustered(300, 1)]
    tables = []
    for graph in graphs:
        b = portrait(graph).toarray()
        masses = np.zeros((b.shape[0], len(EDGES) + 1))
        for level, count in np.argwhere(b > 0):
            masses[level, np.searchsorted(EDGES, count, side="right")] += count * b[level, count]
        tables.append(masses)
    depth = max(map(len, tables))
    tables = [np.pad(t, ((0, depth - len(t)), (0, 0))) / t.sum() for t in tables]
    # The oracle multiplies by the column's number again.
    columns = np.arange(1, tables[0].shape[1] + 1)
    wanted = divergence_by_definition(*(np.pad(t / columns, ((0, 0), (1, 0))) for t in tables))
    found = sampled_divergence(*map(exactly, graphs))
    assert found.value == pytest.approx(wanted, abs=1e-12)
    assert found.error == 0.0


def test_parts_of_all_sources_are_the_portrait():
    graph = uniform(500, 4)
    parts = exactly(graph).parts
    whole = sum(resized(parts.portrait(part), 200, 500) for part in range(PARTS))
    # A part has no row for levels beyond its own, so nodes that reach none are left out.
    assert (whole != resized(portrait(graph), 200, 500))[:, 1:].nnz == 0


def test_slices_of_the_sources_do_not_matter(monkeypatch):
    graph = uniform(1300, 4)
    whole = exactly(graph).parts
    monkeypatch.setattr("vitrail.portrait.portraits.LISTED_SLICE", 512)
    sliced = exactly(graph).parts
    for name in ("group", "key", "number"):
        assert np.array_equal(getattr(whole, name), getattr(sliced, name))


def resized(matrix, *shape):
    matrix = matrix.copy()
    matrix.resize(shape)
    return matrix


@pytest.mark.parametrize("sources", [256, 1000])
def test_intervals_cover_the_truth_and_the_bias_is_gone(pairs, sources):
    covered, plain_errors, errors = [], [], []
    for a, b in pairs:
        truth = sampled_divergence(exactly(a), exactly(b)).value
        for seed in range(20):
            samples = [
                sampled_portrait(a, sources, 2 * seed),
                sampled_portrait(b, sources, 2 * seed + 1),
            ]
            found = sampled_divergence(*samples)
            # t with 15 degrees of freedom.
            covered.append(abs(found.value - truth) <= 2.13 * found.error)
            errors.append(found.value - truth)
            plain = [type(s)(s.sources, s.sources, s.parts) for s in samples]
            plain_errors.append(sampled_divergence(*plain).value - truth)
    assert np.mean(covered) >= 0.9
    assert abs(np.mean(errors)) < 0.25 * np.mean(plain_errors)


def test_error_shrinks_with_sources(pairs):
    a, b = pairs[0]
    few, many = (
        sampled_divergence(sampled_portrait(a, s), sampled_portrait(b, s)).error
        for s in (128, 2048)
    )
    assert 0 < many < few / 4


def test_draw_is_by_seed_and_not_by_threads(monkeypatch):
    monkeypatch.setattr("vitrail.portrait.portraits.WORTH_THREADS", 0)
    graph = uniform(N, 5)
    one = sampled_portrait(graph, 1200, seed=1, threads=1).parts
    for threads in (2, 3):
        other = sampled_portrait(graph, 1200, seed=1, threads=threads).parts
        for name in ("group", "key", "number"):
            assert np.array_equal(getattr(one, name), getattr(other, name))
    assert not np.array_equal(one.key, sampled_portrait(graph, 1200, seed=2).parts.key)
    # Level 0: each source is a node of its own.
    assert one.number[one.key < 2**31].sum() == 1200


def test_empty_graphs_and_too_few_sources():
    empty, single = exactly(sp.csr_matrix((0, 0))), exactly(sp.csr_matrix((1, 1)))
    assert sampled_divergence(empty, empty) == (0.0, 0.0)
    assert sampled_divergence(empty, single) == (1.0, 0.0)
    assert sampled_divergence(single, single) == (0.0, 0.0)
    with pytest.raises(VitrailError, match="found 31 sources, wanted at least 32"):
        sampled_portrait(sp.csr_matrix((5, 5)), 31)


def test_stage_keeps_to_one_estimator():
    xy = np.random.default_rng(0).random((50, 2))
    with pytest.raises(VitrailError, match="found estimator 'mixed', wanted one of exact"):
        sample_portraits(knn(xy, 3), xy, estimator="mixed")
    for settings in ({"estimator": "depth"}, {"max_depth": 3}):
        with pytest.raises(VitrailError, match="max_depth"):
            sample_portraits(knn(xy, 3), xy, **settings)
    found = sample_portraits(knn(xy, 3), xy, estimator="depth", max_depth=3)
    assert (found.whole.portrait(0) != portrait(knn(xy, 3), max_depth=3)).nnz == 0
