import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrail.segmentation.rescale import Window, taps

SLIDE = (300, 340)


def ramp(shape):
    y, x = np.indices(shape)
    return (3.0 * (y + 0.5) - 2.0 * (x + 0.5)).astype(np.float32)


def window(box, factor, stride=8):
    y0, x0, y1, x1 = box
    return Window.covering((y0, x0), (y1 - y0, x1 - x0), factor, stride)


@pytest.mark.parametrize("factor", [0.3, 0.5, 0.75, 1.0, 1.7, 2.43])
def test_a_linear_image_stays_what_it_is_away_from_the_border(factor):
    image = ramp(SLIDE)
    whole = window((0, 0, *SLIDE), factor)
    inside = whole.enter(image)
    height, width = whole.shape
    y, x = np.indices((height, width))
    expected = 3.0 * (y + 0.5) / factor - 2.0 * (x + 0.5) / factor
    edge = int(np.ceil(2 * max(factor, 1) + 2))
    last = (int(SLIDE[0] * factor) - edge, int(SLIDE[1] * factor) - edge)
    core = np.s_[edge : last[0], edge : last[1]]
    assert np.allclose(inside[core], expected[core], atol=0.25)  # 0.05 pixels
    back = whole.leave(inside)
    away = np.s_[12:-12, 12:-12]
    assert np.allclose(back[away], image[away], atol=0.25)


def test_at_factor_one_nothing_changes():
    image = np.random.default_rng(0).random((64, 80), dtype=np.float32)
    same = window((0, 0, 64, 80), 1.0)
    assert same.shape == (64, 80)
    assert (same.enter(image) == image).all()
    assert (same.leave(image) == image).all()


@settings(deadline=None)
@given(
    st.floats(0.2, 3.0),
    st.integers(0, 150),
    st.integers(0, 150),
    st.integers(40, 150),
    st.sampled_from([1, 4, 8]),
)
def test_a_rescaled_pixel_is_the_same_in_every_window(factor, y0, x0, size, stride):
    image = np.random.default_rng(1).random(SLIDE, dtype=np.float32)
    part = window((y0, x0, y0 + size, x0 + size), factor, stride)
    whole = window((0, 0, *SLIDE), factor, stride)
    assert all(side % stride == 0 for side in (*part.rescaled_rows, *part.rescaled_columns))
    seen = part.enter(image[y0 : y0 + size, x0 : x0 + size])
    all_of_it = whole.enter(image)
    (top, bottom), (left, right) = part.rescaled_rows, part.rescaled_columns
    expected = all_of_it[top:bottom, left:right]
    assert expected.shape == seen.shape
    # What the window's own border may change: pixels whose neighbours lie outside of it.
    reach = max(1.0, 1 / factor) + 0.5
    inner = [
        np.flatnonzero(
            ((np.arange(a, b) + 0.5) / factor - 0.5 - reach >= start)
            & ((np.arange(a, b) + 0.5) / factor - 0.5 + reach <= start + size - 1)
        )
        for (a, b), start in (((top, bottom), y0), ((left, right), x0))
    ]
    assert (seen[np.ix_(*inner)] == expected[np.ix_(*inner)]).all()


@pytest.mark.parametrize("factor", [0.25, 0.6, 1.0, 2.5])
def test_shrinking_averages_and_keeps_the_sum_of_weights(factor):
    found = taps((0, 40), (0, int(40 / factor)), factor)
    assert np.allclose(found.weight.sum(axis=1), 1, atol=1e-6)
    assert (found.index >= 0).all()


def test_labels_come_back_by_the_pixel_at_their_centre():
    labels = np.kron(np.arange(1, 13).reshape(3, 4), np.ones((8, 8))).astype(np.int32)
    fine = window((0, 0, 12, 16), 2.0)
    assert fine.shape == labels.shape
    coarse = fine.leave_labels(labels)
    assert (coarse == np.kron(np.arange(1, 13).reshape(3, 4), np.ones((4, 4)))).all()
