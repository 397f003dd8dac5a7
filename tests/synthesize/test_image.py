import numpy as np
import pytest

from vitrail.synthesize import slides
from vitrail.synthesize.image import Renderer
from vitrail.synthesize.tissue import place_cells, shape_cells


@pytest.fixture(scope="module")
def renderer(make_spec):
    spec = make_spec()
    slide = slides(spec)[0]
    return Renderer(spec, slide, shape_cells(spec, slide, place_cells(spec, slide)))


@pytest.mark.parametrize("box", [(0, 0, 64, 64), (37, 251, 300, 513), (599, 699, 600, 700)])
def test_a_pixel_is_the_same_in_whatever_window(renderer, box):
    whole = renderer.window((0, 0, 600, 700))
    part = renderer.window(box)
    y, x = slice(box[0], box[2]), slice(box[1], box[3])
    np.testing.assert_array_equal(part.image, whole.image[:, y, x])
    np.testing.assert_array_equal(part.labels, whole.labels[y, x])
    np.testing.assert_array_equal(part.nuclei, whole.nuclei[y, x])


def test_nuclei_and_bodies_are_brighter_than_what_surrounds_them(renderer):
    seen = renderer.window((0, 0, 600, 700))
    dapi, body = (np.median(c[seen.nuclei > 0]) for c in seen.image)
    outside = seen.labels == 0
    assert dapi > 2 * np.median(seen.image[0][outside])
    assert body > 1.5 * np.median(seen.image[1][outside])


def test_noise_depends_on_slide_and_channel(make_spec, renderer):
    spec = renderer.spec
    other = Renderer(spec, slides(spec)[1], renderer.cells)
    box = (0, 0, 64, 64)
    assert (other.window(box).image != renderer.window(box).image).mean() > 0.9
