import numpy as np
from scipy import ndimage

from vitrail.synthesize import slides
from vitrail.synthesize.image import Renderer
from vitrail.synthesize.masks import measure, plan
from vitrail.synthesize.outlines import Outlines, neighbours, shrinkage
from vitrail.synthesize.tissue import place_cells, shape_cells


def discs(x, y, radius):
    x, y, radius = (np.asarray(v, dtype=float) for v in (x, y, radius))
    n = x.size
    return Outlines.of(x, y, radius, np.ones(n), np.zeros(n), np.zeros((2, n)))


def test_a_disc_holds_the_pixels_whose_centres_lie_in_it():
    cell = discs([5.0], [5.0], [3.0])
    found = measure(plan(cell, discs([5.0], [5.0], [1.0]), 1.0, (10, 10)))
    centres = np.arange(10) + 0.5
    inside = np.hypot(centres[:, None] - 5, centres[None, :] - 5) < 3
    assert found[0, 0] == inside.sum()
    assert found[0, 1] == 4
    assert found[0, 2] == np.nonzero(inside)[0].sum()


def test_two_equal_discs_share_the_ground_between_them():
    cells = discs([4.0, 8.0], [6.0, 6.0], [3.0, 3.0])
    found = measure(plan(cells, discs([4.0, 8.0], [6.0, 6.0], [1.0, 1.0]), 0.1, (120, 120)))
    assert abs(found[0, 0] - found[1, 0]) <= 60
    # pixel centres left of x = 6 are nearer to the first
    assert found[0, 3] / found[0, 0] * 0.1 < 4.0


def test_a_cell_is_cut_at_the_border_of_the_slide():
    found = measure(plan(discs([0.0], [5.0], [3.0]), discs([0.0], [5.0], [1.0]), 0.1, (100, 100)))
    assert abs(found[0, 0] * 0.01 - np.pi * 9 / 2) < 0.2


def test_neighbours_are_those_whose_reach_meets():
    rng = np.random.default_rng(0)
    cells = discs(rng.uniform(0, 60, 80), rng.uniform(0, 60, 80), rng.uniform(2, 5, 80))
    indptr, indices = neighbours(cells)
    for i in range(80):
        far = np.hypot(cells.x - cells.x[i], cells.y - cells.y[i]) < cells.reach + cells.reach[i]
        wanted = set(np.flatnonzero(far)) - {i}
        assert set(indices[indptr[i] : indptr[i + 1]]) == wanted


def test_cells_without_neighbours():
    indptr, indices = neighbours(discs([1.0, 50.0], [1.0, 50.0], [2.0, 2.0]))
    assert indptr.tolist() == [0, 0, 0]
    assert indices.size == 0


def test_labels_are_connected_complete_and_hold_their_nuclei(make_spec):
    spec = make_spec()
    slide = slides(spec)[0]
    renderer = Renderer(spec, slide, shape_cells(spec, slide, place_cells(spec, slide)))
    labels, nuclei = renderer.labels((0, 0, *spec.shape))
    pixels = measure(renderer.plan)
    n = len(pixels)
    np.testing.assert_array_equal(np.bincount(labels.ravel(), minlength=n + 1)[1:], pixels[:, 0])
    np.testing.assert_array_equal(np.bincount(nuclei.ravel(), minlength=n + 1)[1:], pixels[:, 1])
    assert (pixels[:, :2] > 0).all()
    np.testing.assert_array_equal(labels[nuclei > 0], nuclei[nuclei > 0])
    for image in (labels, nuclei):
        for i, box in enumerate(ndimage.find_objects(image)):
            assert ndimage.label(image[box] == i + 1)[1] == 1


def test_outlines_shrink_where_they_would_cover_a_neighbour():
    cells = discs([0.0, 6.0, 60.0], [0.0, 0.0, 0.0], [10.0, 4.0, 10.0])
    factor = shrinkage(cells)
    # The first may reach 0.35 * 4 um past the second's centre; the second reaches nobody's.
    np.testing.assert_allclose(factor, [(6 + 0.35 * 4) / 10, 1, 1])
