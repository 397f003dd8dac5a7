from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import linear_sum_assignment

from vitrail.errors import VitrailError
from vitrail.segmentation import match, score

LABELS = hnp.arrays(np.int32, (6, 6), elements=st.integers(0, 4))


def brute_iou(truth, predicted):
    a = [x for x in np.unique(truth) if x]
    b = [x for x in np.unique(predicted) if x]
    iou = np.zeros((len(a), len(b)))
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            p, q = truth == x, predicted == y
            iou[i, j] = (p & q).sum() / (p | q).sum()
    return a, b, iou


@settings(max_examples=150, deadline=None)
@given(LABELS, LABELS, st.sampled_from([0.05, 0.1, 0.3, 0.5, 0.7]))
def test_as_many_pairs_as_an_assignment_solver_finds_and_as_much_iou(truth, predicted, level):
    a, b, iou = brute_iou(truth, predicted)
    found = match(truth, predicted, level)
    weight = np.where(iou >= level, 100 + iou, 0)
    rows, columns = linear_sum_assignment(weight, maximize=True)
    best = [iou[r, c] for r, c in zip(rows, columns, strict=True) if iou[r, c] >= level]
    assert found.true_positives == len(best)
    assert found.iou.sum() == pytest.approx(sum(best))
    assert found.false_positives == len(b) - len(best)
    assert found.false_negatives == len(a) - len(best)
    for x, y, value in zip(found.truth, found.predicted, found.iou, strict=True):
        assert iou[a.index(x), b.index(y)] == pytest.approx(value)
    assert len(set(found.truth)) == len(set(found.predicted)) == len(found.iou)


@settings(max_examples=30, deadline=None)
@given(LABELS, LABELS)
def test_no_permutation_matches_more(truth, predicted):
    a, b, iou = brute_iou(truth, predicted)
    if len(a) > len(b):
        iou = iou.T
    most = max(
        (
            sum(iou[i, j] >= 0.3 for i, j in enumerate(order))
            for order in permutations(range(iou.shape[1]), iou.shape[0])
        ),
        default=0,
    )
    assert match(truth, predicted, 0.3).true_positives == most


def strips():
    """Truth of 4 pixels an instance; predictions that hit 4, 3, 2 and 0 of them."""
    truth = np.zeros((4, 8), np.int32)
    predicted = np.zeros((4, 8), np.int32)
    for row, hits in enumerate((4, 3, 2, 0)):
        truth[row, :4] = row + 1
        predicted[row, 4 - hits : 4] = 10 * (row + 1)
    return truth, predicted


def test_scores_by_hand():
    truth, predicted = strips()
    found = score([truth], [predicted], (0.5, 0.75, 0.9))
    assert found.true_positives.tolist() == [3, 2, 1]
    assert found.precision.tolist() == [1, 2 / 3, 1 / 3]
    assert found.recall.tolist() == [3 / 4, 2 / 4, 1 / 4]
    assert found.f1.tolist() == [6 / 7, 4 / 7, 2 / 7]
    assert found.mean_f1 == pytest.approx(4 / 7)
    assert found.sq == pytest.approx((1 + 0.75 + 0.5) / 3)


def test_counts_are_summed_over_images():
    truth, predicted = strips()
    found = score([truth, truth], [predicted, np.zeros_like(truth)], (0.5,))
    assert found.true_positives[0] == 3
    assert found.false_negatives[0] == 5
    assert found.f1[0] == pytest.approx(6 / 11)


def test_nothing_to_find_and_nothing_found_is_perfect():
    empty = np.zeros((3, 3), int)
    found = score([empty], [empty])
    assert (found.f1 == 1).all()
    assert (found.precision == 1).all()
    assert found.mean_f1 == 1


def test_something_found_where_nothing_is_scores_0():
    empty = np.zeros((3, 3), int)
    for truth, predicted in ((empty, empty + 1), (empty + 1, empty)):
        found = score([truth], [predicted])
        assert (found.f1 == 0).all()
        assert (found.precision == 0).all()
        assert (found.recall == 0).all()


def test_images_of_different_shape_are_an_error():
    with pytest.raises(VitrailError, match=r"^truth has shape \(3, 3\), prediction \(3, 4\)"):
        match(np.zeros((3, 3), int), np.zeros((3, 4), int))


def test_large_labels_take_no_memory():
    truth = np.zeros((5, 5), np.int64)
    truth[1:3, 1:3] = 2**40
    found = match(truth, truth)
    assert found.truth.tolist() == [2**40]
