import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrail.coordinates import pixel_centre, pixel_index


def test_pixel_covers_half_open_interval():
    assert pixel_index([0.0, 0.499, 0.5, 0.999, 1.0], 0.5).tolist() == [0, 0, 1, 1, 2]


def test_positions_before_the_origin_have_negative_indices():
    assert pixel_index([-0.001, 9.999, 10.0], 0.5, origin=10.0).tolist() == [-21, -1, 0]


@pytest.mark.parametrize("position", [np.nan, np.inf, -np.inf, 1e300])
def test_positions_that_no_pixel_holds_are_outside(position):
    assert pixel_index(position, 0.5) == -1


def test_float32_positions_are_computed_in_float64():
    position = np.float32(4_600.1)
    assert pixel_index(position, 0.1) == int(np.floor(float(position) / 0.1))


@given(
    st.integers(0, 60_000),
    st.floats(0.05, 2.0),
    st.floats(-1e4, 1e4),
)
def test_the_centre_of_a_pixel_lies_in_it(index, size, origin):
    assert pixel_index(pixel_centre(index, size, origin), size, origin) == index
