import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_flows import ellipse, ellipses, outputs
from scipy import ndimage

from vitrail.errors import VitrailError
from vitrail.segmentation import masks_from_flows, match
from vitrail.segmentation.flow.follow import sinks
from vitrail.segmentation.flow.masks import masks_and_scores

# Top, left, bottom and right.
ENDS, NONE = (True, True, True, True), (False, False, False, False)


def logit(p):
    return np.log(p / (1 - p)).astype(np.float32)


def same_cells(a, b):
    """Whether two label images hold the same cells under any numbers."""
    pairs = np.unique(np.stack([a.ravel(), b.ravel()]), axis=1)
    return all(len(np.unique(side)) == pairs.shape[1] for side in pairs) and (0, 0) in pairs.T


@pytest.mark.parametrize("flow_check", [None, 0.4])
def test_planted_ellipses_come_back_to_the_pixel(flow_check):
    labels = ellipses()
    found = masks_from_flows(*outputs(labels), flow_check=flow_check, min_size_px=11)
    # A pixel may end beside the cluster of its cell; a cell of 10 pixels or fewer has no seed.
    large = np.bincount(labels.ravel())[labels] > 10
    matched = match(np.where(large, labels, 0), found)
    assert matched.false_positives == matched.false_negatives == 0
    assert matched.iou.min() > 0.99


def test_noise_moves_few_pixels():
    labels = ellipses(seed=1)
    matched = match(labels, masks_from_flows(*outputs(labels, noise=0.2)))
    assert len(matched.iou) >= 0.97 * matched.truth_count
    assert matched.iou.mean() > 0.93


def test_touching_cells_are_told_apart():
    labels = np.zeros((60, 80), np.int32)
    labels[ellipse(labels.shape, 30, 25, 15, 15, 0)] = 1
    labels[ellipse(labels.shape, 30, 55, 15, 15, 0) & (labels == 0)] = 2
    assert (labels[:, 39] * labels[:, 41]).any()
    found = masks_from_flows(*outputs(labels))
    assert found.max() == 2
    assert match(labels, found).iou.min() > 0.99


def test_cells_are_numbered_by_their_first_pixels():
    found = masks_from_flows(*outputs(ellipses(seed=2)))
    numbers, first = np.unique(found, return_index=True)
    assert (numbers == np.arange(found.max() + 1)).all()
    assert (np.diff(first[1:]) > 0).all()


def test_holes_are_filled():
    labels = np.zeros((50, 50), np.int32)
    labels[ellipse(labels.shape, 25, 25, 18, 18, 0)] = 1
    holed = labels.copy()
    holed[31:35, 15:19] = 0
    assert (masks_from_flows(*outputs(holed)) == labels).all()


def test_what_a_cell_encloses_becomes_its_own():
    labels = np.zeros((60, 60), np.int32)
    labels[ellipse(labels.shape, 30, 30, 25, 25, 0)] = 1
    whole = labels.copy()
    labels[ellipse(labels.shape, 41, 33, 7, 6, 1)] = 0
    labels[ellipse(labels.shape, 41, 33, 5, 4, 1)] = 2
    assert (masks_from_flows(*outputs(labels)) == whole).all()


def test_a_cell_whose_centre_lies_outside_is_one():
    labels = np.zeros((50, 60), np.int32)
    labels[10:40, 10:18] = 1
    labels[10:18, 10:40] = 1
    labels[32:40, 10:40] = 1
    found = masks_from_flows(*outputs(labels))
    assert match(labels, found).iou.min() > 0.95
    assert found.max() == 1


def test_cells_at_the_border_are_kept():
    labels = np.zeros((40, 40), np.int32)
    for number, (y, x) in enumerate(((0, 0), (0, 39), (39, 0), (39, 39))):
        labels[ellipse(labels.shape, y, x, 12, 12, 0)] = number + 1
    assert (masks_from_flows(*outputs(labels)) == labels).all()


def test_small_and_large_cells_are_left_out():
    labels = np.zeros((60, 100), np.int32)
    for number, radius in enumerate((3, 8, 14)):
        labels[ellipse(labels.shape, 30, 20 + 30 * number, radius, radius, 0)] = number + 1
    area = np.bincount(labels.ravel())[1:]
    found = masks_from_flows(*outputs(labels), min_size_px=area[0] + 1, max_size_px=area[2] - 1)
    assert (found == (labels == 2)).all()
    assert masks_from_flows(*outputs(labels), min_size_px=area[0], max_size_px=area[2]).max() == 3


def test_the_check_drops_cells_whose_flows_lie():
    labels = np.zeros((50, 100), np.int32)
    labels[ellipse(labels.shape, 25, 25, 15, 15, 0)] = 1
    labels[ellipse(labels.shape, 25, 75, 15, 15, 0)] = 2
    flow_y, flow_x, probability = outputs(labels)
    # Everything right of column 50 goes straight to column 75: a line of sinks, no unit flow there.
    rows, columns = np.nonzero(labels == 2)
    flow_y[rows, columns], flow_x[rows, columns] = 0.35 * np.sign(25 - rows), 0
    flow_x[rows, columns] = 0.35 * np.sign(75 - columns)
    unchecked = masks_from_flows(flow_y, flow_x, probability, flow_check=None)
    checked = masks_from_flows(flow_y, flow_x, probability, flow_check=0.2)
    assert unchecked.max() == 2
    assert (checked == (unchecked == 1)).all()


@pytest.mark.parametrize("shape", [(0, 0), (0, 7), (1, 1), (30, 40)])
def test_nothing_above_the_threshold_is_no_cell(shape):
    still = np.zeros(shape, np.float32)
    labels, scores = masks_and_scores(still, still, np.full(shape, 0.5))
    assert labels.shape == shape
    assert labels.dtype == np.int32
    assert not labels.any()
    assert scores.shape == (0,)


def test_one_pixel_cells_are_too_small_to_be_seen():
    labels = np.zeros((20, 20), np.int32)
    labels[::3, ::3] = np.arange(49).reshape(7, 7) + 1
    assert not masks_from_flows(*outputs(labels), min_size_px=0).any()


def test_scores_are_mean_probabilities():
    labels = ellipses(seed=3)
    flow_y, flow_x, probability = outputs(labels, noise=0.1)
    found, scores = masks_and_scores(flow_y, flow_x, probability)
    expected = [probability[found == i].mean(dtype=float) for i in range(1, found.max() + 1)]
    assert np.allclose(scores, expected, atol=1e-6)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
def test_logits_and_scaled_flows_give_the_same(threshold):
    labels = ellipses(seed=4)
    flow_y, flow_x, probability = outputs(labels, noise=0.2)
    probability = np.clip(probability, 0.01, 0.99)
    clear = np.abs(probability - threshold) > 1e-5
    probability = np.where(clear, probability, 0.01).astype(np.float32)
    plain = masks_and_scores(flow_y, flow_x, probability, threshold=threshold)
    scaled = masks_and_scores(
        4 * flow_y, 4 * flow_x, logit(probability), threshold=threshold, logits=True, scale=4
    )
    assert (plain[0] == scaled[0]).all()
    assert np.allclose(plain[1], scaled[1], atol=1e-5)


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_masks_do_not_depend_on_threads(noise):
    images = outputs(ellipses(side=330, seed=5), noise)
    one = masks_and_scores(*images, threads=1)
    for threads in (2, 3, 7):
        found = masks_and_scores(*images, threads=threads)
        assert (found[0] == one[0]).all()
        assert found[1].tobytes() == one[1].tobytes()


def test_masks_move_with_the_image():
    flow_y, flow_x, probability = outputs(ellipses(seed=6), 0.1)
    around = ((64, 128), (32, 64))
    moved = masks_from_flows(*(np.pad(i, around) for i in (flow_y, flow_x, probability)))
    still = masks_from_flows(*(np.pad(i, 16) for i in (flow_y, flow_x, probability)))
    assert same_cells(moved[48:-112, 16:-48], still)


def plain_walk(flow_y, flow_x, inside, steps):
    """Ends of all pixels after all steps, bilinear between pixels, in float64."""
    y, x = np.nonzero(inside)
    points = np.stack([y, x]).astype(float)
    field = np.stack([flow_y, flow_x]) * inside
    most = np.array(inside.shape)[:, None] - 1
    for _ in range(steps):
        step = [ndimage.map_coordinates(f, points, order=1, mode="nearest") for f in field]
        points = np.clip(points + step, 0, most)
    return points


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 8])
def test_few_steps_end_where_a_plain_walk_ends(steps):
    flow_y, flow_x, probability = outputs(ellipses(side=120, seed=8), 0.2)
    found = sinks(flow_y, flow_x, probability, 0.5, 1.0, steps)
    inside = probability > 0.5
    y, x = plain_walk(flow_y, flow_x, inside, steps)
    clear = (np.abs(y - np.rint(y)) > 1e-3) & (np.abs(x - np.rint(x)) > 1e-3) | (steps == 0)
    assert clear.mean() > 0.3
    expected = y.astype(int) * inside.shape[1] + x.astype(int)
    assert (found[inside][clear] == expected[clear]).all()
    assert (found[~inside] == -1).all()


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_stopping_early_moves_hardly_any_end(noise):
    flow_y, flow_x, probability = outputs(ellipses(side=120, seed=9), noise)
    found = sinks(flow_y, flow_x, probability, 0.5, 1.0, 200)
    inside = probability > 0.5
    y, x = plain_walk(flow_y, flow_x, inside, 200)
    end_y, end_x = np.divmod(found[inside], inside.shape[1])
    away = np.maximum(np.abs(end_y + 0.5 - y), np.abs(end_x + 0.5 - x))
    assert (away < 1.5).mean() > 0.999


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 3), st.sampled_from([None, 0.4, 2.0]))
def test_masks_keep_to_their_rules_on_any_field(seed, length, flow_check):
    random = np.random.default_rng(seed)
    shape = tuple(random.integers(1, 40, 2))
    flow_y, flow_x = length * random.standard_normal((2, *shape))
    probability = random.random(shape)
    found, scores = masks_and_scores(
        flow_y, flow_x, probability, flow_check=flow_check, min_size_px=12
    )
    area = np.bincount(found.ravel())
    assert (area[1:] >= 12).all()
    assert len(scores) == len(area) - 1
    assert ((scores >= 0) & (scores <= 1)).all()


def test_inputs_are_left_alone_and_any_float_will_do():
    images = outputs(ellipses(seed=7), 0.1).astype(np.float16)
    copies = images.copy()
    found = masks_from_flows(*images)
    assert (images == copies).all()
    assert (found == masks_from_flows(*images.astype(np.float64))).all()


FLAT = np.zeros((6, 6), np.float32)
HIGH = np.full((6, 6), 0.9, np.float32)


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        ((FLAT, FLAT[:5], HIGH), {}, "wanted: one shape"),
        ((FLAT[0], FLAT[0], HIGH[0]), {}, "wanted: one shape"),
        ((FLAT, FLAT, 5 * HIGH), {}, "or logits with logits=True"),
        ((FLAT, FLAT, HIGH * np.nan), {"logits": True}, "probability runs from nan"),
        ((FLAT * np.nan, FLAT, HIGH), {}, "not finite"),
        ((FLAT, FLAT + np.inf, HIGH), {}, "not finite"),
        ((FLAT, FLAT, HIGH), {"threshold": 0}, "threshold is 0"),
        ((FLAT, FLAT, HIGH), {"steps": -1}, "steps is -1"),
        ((FLAT, FLAT, HIGH), {"scale": 0}, "scale is 0"),
    ],
)
def test_bad_input_is_refused(images, options, message):
    with pytest.raises(VitrailError, match=message):
        masks_from_flows(*images, **options)


def test_importing_the_package_imports_no_compiler():
    code = "import sys, vitrail.segmentation; print('numba' in sys.modules, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_cells_that_the_border_cuts_are_kept_where_they_are_not_checked():
    """Flows of a whole image, then its corner: they point to centres that may lie outside."""
    labels = ellipses()
    half = (slice(0, labels.shape[0] // 2), slice(0, labels.shape[1] // 2))
    corner = [np.ascontiguousarray(part[half]) for part in outputs(labels)]
    edge = np.unique(np.concatenate([labels[half][-1], labels[half][:, -1]]))
    whole = np.where(np.isin(labels[half], edge), 0, labels[half])

    unchecked = match(labels[half], masks_from_flows(*corner, cut_sides=ENDS))
    checked = match(labels[half], masks_from_flows(*corner))
    assert unchecked.true_positives > checked.true_positives
    inside = [masks_from_flows(*corner, cut_sides=sides) for sides in (ENDS, NONE)]
    inside = [np.where(whole > 0, found, 0) for found in inside]
    assert same_cells(*inside)
