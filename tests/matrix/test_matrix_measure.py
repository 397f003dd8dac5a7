"""Shapes and intensities, against scikit-image, shapely and hand-made cells."""

from dataclasses import fields

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import perimeter_crofton, regionprops

from vitrail.errors import VitrailError
from vitrail.matrix.measure import measure
from vitrail.matrix.windows import cell_boxes, windows

NONE = np.zeros(1, dtype=np.int32)


def shapes_of(cells, **kwargs):
    cells = np.asarray(cells, dtype=np.int32)
    return measure(cells, None, NONE, int(cells.max(initial=0)), **kwargs)[0]


def outline(cells, label):
    """The outline along pixel edges."""
    y, x = np.nonzero(cells == label)
    return shapely.union_all(shapely.box(x, y, x + 1, y + 1))


def random_cells(seed, shape=(23, 31), n=5):
    """Blobs that touch, with holes and separate parts."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0, 1, (n, 2)) * shape
    grid = np.stack(np.indices(shape), axis=-1)
    distance = np.linalg.norm(grid[:, :, None] - centres, axis=-1)
    cells = distance.argmin(axis=-1) + 1
    cells[(distance.min(axis=-1) > 6) | (rng.random(shape) < 0.1)] = 0
    kept = np.unique(cells[cells > 0])
    relabel = np.zeros(n + 1, dtype=np.int32)
    relabel[kept] = np.arange(1, len(kept) + 1)
    return relabel[cells]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_shapes_equal_scikit_image_and_the_outline(seed):
    cells = random_cells(seed)
    shapes = shapes_of(cells)
    for region in regionprops(cells):
        k = region.label - 1
        polygon = outline(cells, region.label)
        assert shapes.area[k] == region.area == polygon.area
        assert shapes.perimeter[k] == pytest.approx(region.perimeter, abs=1e-9)
        assert shapes.eccentricity[k] == pytest.approx(region.eccentricity, abs=1e-7)
        assert shapes.solidity[k] == pytest.approx(polygon.area / polygon.convex_hull.area)
        length = perimeter_crofton(np.pad(region.image, 1), directions=4)
        expected = min(1.0, 4 * np.pi * region.area / length**2)
        assert shapes.circularity[k] == pytest.approx(expected)


def test_small_cells():
    shapes = shapes_of([[1, 0, 2, 2], [0, 0, 0, 0], [3, 3, 0, 4], [3, 3, 4, 0]])
    assert shapes.area.tolist() == [1, 2, 4, 2]
    assert shapes.eccentricity.tolist() == [0, 1, 0, 1]
    assert shapes.solidity.tolist() == [1, 1, 1, pytest.approx(2 / 3)]
    assert shapes.nucleus_area.tolist() == [0] * 4


@pytest.mark.parametrize("radius", [4, 8, 30])
def test_discs_of_all_sizes_are_round_and_rods_are_not(radius):
    grid = np.indices((2 * radius + 5, 2 * radius + 5)).astype(np.float64)
    centres = np.random.default_rng(0).uniform(radius + 1.5, radius + 2.5, (30, 2, 1, 1))
    discs = [(np.hypot(*(grid - centre)) <= radius).astype(np.int32) for centre in centres]
    circularity = [shapes_of(disc).circularity[0] for disc in discs]
    assert np.mean(circularity) == pytest.approx(1.0, abs=0.03)
    rod = np.ones((2, 20 * radius), dtype=np.int32)
    assert shapes_of(rod).circularity[0] < 0.2


def test_nucleus_share_is_the_area_ratio():
    cells = np.array([[1, 1, 1, 1, 2, 2]], dtype=np.int32)
    nuclei = np.array([[0, 1, 1, 1, 1, 0]], dtype=np.int32)
    owner = np.array([0, 1], dtype=np.int32)
    shapes, _ = measure(cells, nuclei, owner, 3)
    # The nucleus reaches into cell 2, but belongs to cell 1.
    assert shapes.nucleus_share[:2].tolist() == [0.75, 0.0]
    assert np.isnan(shapes.nucleus_share[2])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), edge=st.integers(3, 40))
def test_bits_do_not_depend_on_blocks(dtype, seed, edge):
    cells = random_cells(seed)
    rng = np.random.default_rng(seed)
    nuclei = (rng.integers(0, 7, cells.shape) * (cells > 0)).astype(np.int32)
    owner = np.array([0, 1, 2, 3, 1, 2, 3], dtype=np.int32)
    image = (rng.random((2, *cells.shape)) * 250).astype(dtype)
    n = int(cells.max())

    whole = measure(cells, nuclei, owner, n, image, edge=1000)
    parts = measure(cells, nuclei, owner, n, image, edge=edge)
    for one, other in zip(whole, parts, strict=True):
        for item in fields(one):
            assert getattr(one, item.name).tobytes() == getattr(other, item.name).tobytes()
    shapes, intensities = whole
    for label in range(1, n + 1):
        pixels = image[:, cells == label].astype(np.float64)
        assert np.allclose(intensities.mean[label - 1], pixels.mean(axis=1), rtol=1e-6)
        assert np.array_equal(intensities.max[label - 1], pixels.max(axis=1))
        assert np.array_equal(intensities.min[label - 1], pixels.min(axis=1))
        assert np.allclose(intensities.std[label - 1], pixels.std(axis=1), rtol=1e-5, atol=1e-5)
        own = (cells == label) & (nuclei > 0) & (owner[nuclei] == label)
        assert shapes.nucleus_area[label - 1] == own.sum()


def test_each_cell_is_in_one_window_that_holds_it():
    cells = random_cells(3, shape=(60, 50), n=20)
    n = int(cells.max())
    boxes = cell_boxes(cells, n, edge=7)
    seen = []
    for (y0, x0, y1, x1), members in windows(boxes, edge=16):
        seen.extend(members.tolist())
        for label in members:
            assert (cells[y0:y1, x0:x1] == label).sum() == (cells == label).sum()
    assert sorted(seen) == list(range(1, n + 1))


def test_a_cell_without_a_pixel_has_no_shape():
    shapes, intensities = measure(
        np.array([[2]], dtype=np.int32), None, NONE, 2, np.ones((1, 1, 1))
    )
    assert shapes.area.tolist() == [0, 1]
    assert np.isnan(shapes.solidity).tolist() == [True, False]
    assert np.isnan(intensities.mean[:, 0]).tolist() == [True, False]


def test_no_cell_is_a_valid_input():
    shapes, intensities = measure(np.zeros((4, 4), np.int32), None, NONE, 0)
    assert len(shapes.area) == 0
    assert intensities.mean.shape == (0, 0)


def test_labels_without_a_row_are_refused():
    one = np.array([[1]], dtype=np.int32)
    with pytest.raises(VitrailError, match="found cell 1, but the table of cells has 0 rows"):
        measure(one, None, NONE, 0)
    with pytest.raises(VitrailError, match="label 1 is not in the table of nuclei"):
        measure(one, one, NONE, 1)
