import numpy as np
import pytest
from scipy import ndimage

from vitrail.segmentation import filters
from vitrail.segmentation.basins import basins
from vitrail.segmentation.geodesic import nearest_seed
from vitrail.segmentation.tidy import compact, tidy


def noise(shape=(61, 83), seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def test_gaussian_is_that_of_scipy():
    image = noise()
    expected = ndimage.gaussian_filter(image, 1.7, mode="nearest", radius=6)
    assert np.allclose(filters.gaussian(image, 1.7), expected, atol=1e-5)


def test_opening_is_that_of_scipy():
    image = noise()
    expected = ndimage.maximum_filter(
        ndimage.minimum_filter(image, 9, mode="nearest"), 9, mode="nearest"
    )
    assert (filters.opening(image, 4) == expected).all()


@pytest.mark.parametrize("radius", [0, 3, 100])
def test_box_sums_are_sums(radius):
    values = (noise() * 1000).astype(np.int64)
    found = filters.box_sums(values, radius)
    for y, x in ((0, 0), (30, 40), (60, 82)):
        part = values[max(y - radius, 0) : y + radius + 1, max(x - radius, 0) : x + radius + 1]
        assert found[y, x] == part.sum()


def test_local_level_is_the_brightness_of_what_is_bright():
    image = np.zeros((40, 40), np.float32)
    image[::5, ::5] = 0.8
    assert np.allclose(filters.local_level(image, 6), 0.8, atol=1e-3)


@pytest.mark.parametrize("radius", [0.5, 1, 4.3, 12])
def test_nearest_label_is_exact_with_the_smaller_label_in_a_tie(radius):
    rng = np.random.default_rng(3)
    labels = np.where(rng.random((40, 50)) < 0.02, rng.integers(1, 30, (40, 50)), 0)
    labels = labels.astype(np.int32)
    found, square = filters.nearest_label(labels, radius)
    seeds = np.argwhere(labels)
    for y in range(40):
        for x in range(50):
            distance = ((seeds - [y, x]) ** 2).sum(axis=1)
            near = distance.min()
            if near > radius**2:
                assert found[y, x] == 0
            else:
                assert found[y, x] == labels[tuple(seeds[distance == near].T)].min()
                assert square[y, x] == near


def test_depth_is_the_distance_to_the_background_up_to_a_limit():
    foreground = np.pad(noise((30, 40)) < 0.97, 1)
    exact = np.round(ndimage.distance_transform_edt(foreground) ** 2)
    assert (filters.squared_depth(foreground, 4) == np.minimum(exact, 16)).all()


@pytest.mark.parametrize("function", [
    lambda image: filters.gaussian(image, 2.0),
    lambda image: filters.opening(image, 3),
    lambda image: filters.local_level(image, 6),
    lambda image: filters.squared_depth(image > 0.2, 6),
    lambda image: filters.nearest_label((image > 0.95).astype(np.int32), 6)[0],
])  # fmt: skip
def test_a_window_gives_the_same_bits_as_the_whole(function):
    image = noise((90, 110), seed=4)
    whole = function(image)
    for y, x in ((0, 0), (7, 13), (24, 31)):
        part = function(image[y : y + 60, x : x + 70])
        top, left = (6 if y else 0), (6 if x else 0)
        assert (part[top:-6, left:-6] == whole[y + top : y + 54, x + left : x + 64]).all()


def test_basins_are_split_at_saddles_and_joined_over_shallow_ones():
    x = np.arange(60)
    profile = np.exp(-(((x - 15) / 6) ** 2)) + np.exp(-(((x - 42) / 6) ** 2))
    ripple = 0.06 * np.cos(x * 2.0)
    height = np.tile((profile + ripple).astype(np.float32), (20, 1))
    height *= 1 - 0.01 * np.abs(np.arange(20) - 10)[:, None].astype(np.float32)
    foreground = height > 0.3
    assert basins(height, foreground, 0.2).max() == 2
    assert basins(height, foreground, 0.0).max() > 2
    split = basins(height, foreground, 0.2)
    assert (split[10, 10:21] == 1).all()
    assert (split[10, 37:48] == 2).all()


def test_two_touching_discs_without_any_other_difference_are_two_basins():
    y, x = np.indices((40, 60))
    foreground = ((y - 20) ** 2 + (x - 20) ** 2 < 100) | ((y - 20) ** 2 + (x - 37) ** 2 < 100)
    depth = np.sqrt(filters.squared_depth(foreground, 20).astype(np.float32))
    found = basins(depth, foreground, 0.1)
    assert found.max() == 2
    assert found[20, 20] == 1
    assert found[20, 37] == 2


def test_a_flat_top_is_one_basin():
    assert basins(np.ones((9, 9), np.float32), np.ones((9, 9), bool), 0.1).max() == 1


def test_a_membrane_turns_growth_away():
    labels = np.zeros((21, 41), np.int32)
    labels[10, 5], labels[10, 35] = 1, 2
    resistance = np.zeros((21, 41), np.uint8)
    resistance[:, 12] = 255
    found = nearest_seed(labels, resistance, 10 * 30)
    assert (found[10, :12] == 1).all()
    assert (found[10, 13:] == 2).all()


def test_without_resistance_growth_ends_at_the_limit_and_meets_in_the_middle():
    labels = np.zeros((1, 41), np.int32)
    labels[0, 5], labels[0, 15] = 1, 2
    found = nearest_seed(labels, np.zeros((1, 41), np.uint8), 70)
    assert found[0].tolist() == [1] * 11 + [2] * 12 + [0] * 18


def test_tidy_keeps_the_largest_part_and_fills_holes():
    labels = np.zeros((12, 20), np.int32)
    labels[1:8, 1:8] = 1
    labels[3:5, 3:5] = 0
    labels[1:3, 12:14] = 1
    labels[9, 9:12] = 2
    found = tidy(labels, min_area=4)
    assert (found[1:8, 1:8] == 1).all()
    assert found.sum() == 49


def test_tidy_keeps_what_holds_its_core():
    labels = np.zeros((10, 20), np.int32)
    labels[1:8, 1:8] = 1
    labels[1:3, 12:14] = 1
    core = np.zeros_like(labels)
    core[1, 12] = 1
    found = tidy(labels, core)
    assert np.count_nonzero(found) == 4


def test_a_hole_between_two_labels_stays_open():
    labels = np.ones((7, 7), np.int32)
    labels[:, 4:] = 2
    labels[3, 3:5] = 0
    assert (tidy(labels)[3, 3:5] == 0).all()


def test_compact_keeps_the_order():
    labels, old = compact(np.array([[0, 5, 2], [9, 9, 0]], np.int32))
    assert labels.tolist() == [[0, 2, 1], [3, 3, 0]]
    assert old.tolist() == [2, 5, 9]
