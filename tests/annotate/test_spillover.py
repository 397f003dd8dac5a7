"""Exclusive markers in one cell, against counting by hand and scipy's hypergeometric."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.stats import hypergeom

from vitrail.annotate.spillover import as_dict, exclusive_pairs, spillover

PANEL = ["A1", "A2", "B1", "B2", "C1", "X"]
MARKERS = {"a": ["A1", "A2", "X"], "b": ["B1", "B2", "X"], "c": ["C1", "absent"]}


def test_markers_of_different_types_exclude_each_other():
    pairs = exclusive_pairs([], MARKERS, PANEL)
    # X marks two types: it excludes the third type's markers alone.
    assert pairs == [
        ("A1", "B1"), ("A1", "B2"), ("A1", "C1"), ("A2", "B1"), ("A2", "B2"), ("A2", "C1"),
        ("B1", "C1"), ("B2", "C1"), ("C1", "X"),
    ]  # fmt: skip


def test_named_pairs_count_before_markers(caplog):
    pairs = exclusive_pairs([["B1", "A1"], ["A1", "B1"], ["A1", "gone"]], MARKERS, PANEL)
    assert pairs == [("A1", "B1")]
    assert "genes of exclusive pairs that the panel lacks: gone" in caplog.text
    assert exclusive_pairs([], None, PANEL) == []


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 30), least=st.integers(1, 2))
def test_equals_counting_by_hand(seed, n, least):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(0.8, (n, len(PANEL))).astype(np.int32)
    passed = rng.random(n) < 0.8
    pairs = exclusive_pairs([], MARKERS, PANEL)
    found = spillover(sparse.csr_matrix(counts), passed, PANEL, pairs, least)
    has = counts >= least
    in_cell = np.zeros(n, dtype=int)
    total = int(passed.sum())
    for k, (a, b) in enumerate(pairs):
        one, other = has[:, PANEL.index(a)], has[:, PANEL.index(b)]
        in_cell += one & other
        assert found.cells_a[k] == (one & passed).sum()
        assert found.cells_b[k] == (other & passed).sum()
        assert found.observed[k] == (one & other & passed).sum()
        law = hypergeom(total, found.cells_a[k], found.cells_b[k])
        assert found.expected[k] == pytest.approx(law.mean() if total else 0)
        if total > 1 and law.std() > 1e-9:
            assert found.z[k] == pytest.approx((found.observed[k] - law.mean()) / law.std())
        else:
            assert np.isnan(found.z[k])
    assert found.in_cell.tolist() == in_cell.tolist()


def test_clean_cells_have_a_ratio_of_0_and_mixed_ones_of_1():
    n = 4000
    kind = np.arange(n) % 2
    clean = np.zeros((n, 2), dtype=np.int32)
    clean[np.arange(n), kind] = 5
    everywhere = np.ones(n, dtype=bool)
    found = spillover(sparse.csr_matrix(clean), everywhere, ["A", "B"], [("A", "B")])
    assert found.ratio == 0
    assert found.z[0] == pytest.approx(-np.sqrt(n - 1))
    # A tenth of the cells takes in a neighbour's transcript.
    leaky = clean.copy()
    leaky[::10, 1] += 1
    found = spillover(sparse.csr_matrix(leaky), everywhere, ["A", "B"], [("A", "B")], 1)
    assert found.observed.tolist() == [400]
    assert found.ratio == pytest.approx(400 / (2000 * 2400 / n))
    mixed = np.random.default_rng(0).poisson(0.7, (n, 2)).astype(np.int32)
    found = spillover(sparse.csr_matrix(mixed), everywhere, ["A", "B"], [("A", "B")], 1)
    assert found.ratio == pytest.approx(1.0, abs=0.06)


def test_nothing_expected_is_no_number():
    found = spillover(sparse.csr_matrix((3, 2), dtype=np.int32), np.ones(3, bool), ["A", "B"],
                      [("A", "B")])  # fmt: skip
    assert np.isnan(found.ratio)
    assert as_dict(found)["observed"] == 0
