from collections import Counter

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrail.compare.composition import composition_distances, pattern_distances
from vitrail.graph import knn
from vitrail.portrait.patterns import count_patterns
from vitrail.portrait.sample import sample_portraits

NAMES = ("a", "b", "c")


@st.composite
def typed_graphs(draw):
    n = draw(st.integers(1, 14))
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    adjacency = random.random((n, n)) < 0.2
    adjacency = np.triu(adjacency, 1)
    return sp.csr_matrix((adjacency | adjacency.T).astype(int)), random.integers(-1, 3, n)


def by_definition(graphs, rounds):
    """Weisfeiler-Lehman subtree kernel with labels written out as nested tuples."""
    found = []
    for graph, types in graphs:
        dense = graph.toarray()
        labels = [("unknown", *NAMES)[t + 1] for t in types]
        counts = Counter()
        for number in range(rounds + 1):
            counts.update((number, label) for label in labels)
            labels = [
                (label, tuple(sorted(map(repr, (labels[j] for j in np.flatnonzero(dense[i]))))))
                for i, label in enumerate(labels)
            ]
        found.append(counts)
    return np.array([[sum(a[key] * b[key] for key in a) for b in found] for a in found], float)


@settings(max_examples=60, deadline=None)
@given(st.lists(typed_graphs(), min_size=1, max_size=4), st.integers(0, 3))
def test_kernel_distance_is_that_of_the_definition(graphs, rounds):
    patterns = [count_patterns(graph, types, NAMES, rounds) for graph, types in graphs]
    kernel = by_definition(graphs, rounds)
    scale = np.sqrt(np.diag(kernel))
    wanted = np.sqrt(np.clip(1 - kernel / np.outer(scale, scale), 0, None))
    # A root near 0 halves the digits.
    assert np.allclose(pattern_distances(patterns), wanted, atol=1e-7)


def test_patterns_depend_on_names_and_not_on_codes_or_numbering():
    graph, types = knn(np.random.default_rng(0).random((40, 2)), 3), np.arange(40) % 3
    first = count_patterns(graph, types, NAMES, 2)
    order = np.random.default_rng(1).permutation(40)
    moved = count_patterns(graph[order][:, order], 2 - types[order], NAMES[::-1], 2)
    for name in ("group", "key", "number"):
        assert np.array_equal(getattr(first, name), getattr(moved, name))
    renamed = count_patterns(graph, types, ("a", "b", "d"), 2)
    assert 0 < pattern_distances([first, renamed])[0, 1] < 1
    other = count_patterns(graph, types, ("x", "y", "z"), 2)
    assert pattern_distances([first, other])[0, 1] == 1.0


def sample(shares, seed, names=NAMES):
    random = np.random.default_rng(seed)
    xy = random.random((300, 2))
    types = random.choice(len(shares), 300, p=shares)
    return sample_portraits(knn(xy, 4), xy, types=(types, names), shuffles=0)


def test_composition_is_the_divergence_of_shares():
    samples = [sample([0.5, 0.3, 0.2], 0), sample([1.0, 0, 0], 1), sample([1.0], 2, ("c",))]
    samples.append(sample([0.0, 1.0], 3, ("z", "b")))
    found = composition_distances(samples)
    shares = samples[0].cells / 300
    half = (shares + np.array([1, 0, 0])) / 2
    wanted = 0.5 * (shares * np.log2(shares / half)).sum() + 0.5 * np.log2(1 / half[0])
    assert found[0, 1] == pytest.approx(wanted)
    assert found[1, 2] == 1.0
    assert found[1, 3] == 1.0
    assert np.array_equal(found, found.T)
    assert np.diag(found).tolist() == [0.0] * 4


def test_without_types_there_is_no_distance():
    xy = np.random.default_rng(0).random((50, 2))
    untyped = sample_portraits(knn(xy, 3), xy)
    found = [untyped, sample([0.5, 0.5], 0, ("a", "b"))]
    for distances in (composition_distances(found), pattern_distances([p.patterns for p in found])):
        assert np.isnan(distances).tolist() == [[True, True], [True, False]]
        assert distances[1, 1] == 0.0
    assert np.isnan(pattern_distances([untyped.patterns])).all()
