import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vitrail.segmentation.metrics import THRESHOLDS
from vitrail.segmentation.precision import RECALLS, average_precision

LABELS = hnp.arrays(np.int32, (6, 6), elements=st.integers(0, 4))


def oracle(truths, predictions, scores, level, low, high):
    """COCO's evaluation written out, one prediction and one true instance at a time."""
    found, total = [], 0
    for truth, predicted, sure in zip(truths, predictions, scores, strict=True):
        real = [truth == x for x in np.unique(truth) if x]
        fits = [low <= mask.sum() < high for mask in real]
        total += sum(fits)
        taken = [False] * len(real)
        masks = [predicted == x for x in np.unique(predicted) if x]
        for place in sorted(range(len(masks)), key=lambda i: -sure[i]):
            mask = masks[place]
            best, best_key = None, None
            for i, other in enumerate(real):
                iou = (mask & other).sum() / (mask | other).sum()
                if not taken[i] and iou >= level and iou > 0:
                    key = (fits[i], iou)
                    if best_key is None or key > best_key:
                        best, best_key = i, key
            if best is not None:
                taken[best] = True
                if fits[best]:
                    found.append((sure[place], True))
            elif low <= mask.sum() < high:
                found.append((sure[place], False))
    if total == 0:
        return np.nan
    found.sort(key=lambda pair: -pair[0])
    precisions, recalls, right = [], [], 0
    for number, (_, hit) in enumerate(found, start=1):
        right += hit
        precisions.append(right / number)
        recalls.append(right / total)
    at = [
        max((p for p, r in zip(precisions, recalls, strict=True) if r >= wanted), default=0.0)
        for wanted in RECALLS
    ]
    return float(np.mean(at))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=3), st.integers(0, 2**31))
def test_agrees_with_the_definition_written_out(images, seed):
    truths, predictions = zip(*images, strict=True)
    rng = np.random.default_rng(seed)
    scores = [rng.permutation(len(np.unique(p[p > 0]))) + rng.random() / 7 for p in predictions]
    found = average_precision(truths, predictions, scores, thresholds=(0.3, 0.5, 0.75))
    wanted = [oracle(truths, predictions, scores, level, 0, np.inf) for level in (0.3, 0.5, 0.75)]
    np.testing.assert_allclose(found, wanted)


def squares(edges, gap=110):
    image = np.zeros((gap, gap * len(edges)), np.int32)
    for number, edge in enumerate(edges):
        image[:edge, gap * number : gap * number + edge] = number + 1
    return image


def test_sizes_are_those_of_the_true_instances():
    truth = squares([20, 50, 100])  # 400, 2500 and 10000 pixels
    predicted = np.where(truth == 2, 0, truth)
    scores = {
        size: average_precision([truth], [predicted], size=size).mean()
        for size in ("all", "small", "medium", "large")
    }
    assert scores == {
        "all": pytest.approx(67 / 101),  # both predictions right: precision 1 up to recall 2/3
        "small": 1,
        "medium": 0,
        "large": 1,
    }


def test_a_sure_mistake_costs_more_than_an_unsure_one():
    truth = squares([20, 0])
    predicted = squares([20, 20])
    first = average_precision([truth], [predicted], [np.array([0.9, 0.1])])
    last = average_precision([truth], [predicted], [np.array([0.1, 0.9])])
    assert first.tolist() == [1] * len(THRESHOLDS)
    assert last.tolist() == [0.5] * len(THRESHOLDS)


def test_nothing_to_find_has_no_precision():
    empty = np.zeros((4, 4), np.int32)
    assert np.isnan(average_precision([empty], [empty + 1])).all()
