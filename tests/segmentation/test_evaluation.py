import numpy as np
import pandas as pd
import pytest

from vitrail.segmentation.evaluation import measure_image, score_rows
from vitrail.segmentation.metrics import count, score


def rows(*hits):
    """Truth of 4 pixels a row; a prediction that hits `hits` of them, 0 for none."""
    truth, predicted = np.zeros((2, len(hits), 8), np.int32)
    for row, hit in enumerate(hits):
        truth[row, :4] = row + 1
        predicted[row, 4 - hit : 4] = row + 1
    return truth, predicted


def value(table, name, metric, threshold=None):
    asked = (table["set"] == name) & (table["metric"] == metric)
    level = table["threshold"]
    asked &= level.isna() if threshold is None else np.isclose(level, threshold)
    (found,) = table.loc[asked, "value"]
    return found


@pytest.fixture(scope="module")
def table():
    images = {"a": [rows(4, 3), rows(4, 0)], "b": [rows(2, 2)]}
    measured = [
        measure_image(f"{name}{i}", name, *pair)
        for name, pairs in images.items()
        for i, pair in enumerate(pairs)
    ]
    return pd.DataFrame(score_rows(measured, resamples=50))


def test_counts_are_summed_over_the_images_of_a_set(table):
    assert value(table, "a", "f1", 0.5) == pytest.approx(2 * 3 / (2 * 3 + 1))
    assert value(table, "a", "accuracy", 0.5) == pytest.approx(3 / 4)
    assert value(table, "a", "accuracy", 0.8) == pytest.approx(2 / (2 + 1 + 2))
    assert value(table, "a", "recall", 0.75) == pytest.approx(3 / 4)
    assert value(table, "a", "sq") == pytest.approx((1 + 0.75 + 1) / 3)
    assert value(table, "a", "pixel_iou") == pytest.approx(11 / 16)
    assert value(table, "b", "f1", 0.5) == 1
    assert value(table, "b", "f1", 0.55) == 0


def test_all_sets_together(table):
    assert value(table, "all", "accuracy", 0.5) == pytest.approx(5 / 6)
    found = table[table["set"] == "all"]
    assert set(found["images"]) == {3}
    assert set(found["objects"]) == {6}


def test_mean_f1_leaves_out_the_strictest_threshold(table):
    # Of set b every pair has an IoU of 0.5: one threshold of the nine from 0.5 to 0.9.
    assert value(table, "b", "mean_f1") == pytest.approx(1 / 9)


def test_intervals_hold_the_value_and_vanish_for_a_single_image(table):
    known = table.dropna(subset=["value"])
    assert (known["low"] <= known["value"] + 1e-12).all()
    assert (known["value"] <= known["high"] + 1e-12).all()
    single = known[known["set"] == "b"]
    assert (single["low"] == single["high"]).all()
    several = known[(known["set"] == "a") & (known["metric"] == "recall")]
    assert (several["low"] < several["high"]).any()


def test_one_set_is_not_repeated_as_all():
    measured = [measure_image("x", "only", *rows(4, 2))]
    found = score_rows(measured, resamples=0)
    assert {row["set"] for row in found} == {"only"}
    assert {row["low"] for row in found} == {None}


def test_empty_images_neither_help_nor_hurt():
    empty = np.zeros((3, 3), np.int32)
    some = measure_image("x", "s", *rows(4, 0))
    alone = score_rows([some], 0)
    both = score_rows([some, measure_image("y", "s", empty, empty)], 0)
    assert [row["value"] for row in alone] == [row["value"] for row in both]


def test_counting_images_one_by_one_equals_scoring_them_together():
    pairs = [rows(4, 3, 2), rows(1, 0, 4)]
    found = score(*zip(*pairs, strict=True))
    counts = sum(count(*pair).objects for pair in pairs)
    assert (found.true_positives == counts[0]).all()
    assert (found.accuracy == counts[0] / counts.sum(axis=0)).all()
