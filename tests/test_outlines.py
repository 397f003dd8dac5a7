import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tissue import random_tissue, shards_of, tiling

from vitrail import rings
from vitrail.outlines import outline, outlines
from vitrail.rasterize import rasterize, to_pixels
from vitrail.stitch import stitch

MASKS = hnp.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))


def pixels(geometry, shape, pixel_size=1.0, origin=(0.0, 0.0)):
    polygons = to_pixels(np.array([geometry]), pixel_size, origin)
    box, mask, _ = rasterize(polygons, np.array([0]), (0, 0, *shape))
    image = np.zeros(shape, bool)
    y0, x0, y1, x1 = box[0]
    bits = np.unpackbits(mask, count=int((y1 - y0) * (x1 - x0))).astype(bool)
    image[y0:y1, x0:x1] = bits.reshape(y1 - y0, x1 - x0)
    return image


@settings(max_examples=300, deadline=None)
@given(MASKS)
def test_an_outline_is_valid_and_gives_the_pixels_back(mask):
    geometry = outline(mask)
    assert shapely.is_valid(geometry)
    assert geometry.area == mask.sum()
    assert (pixels(geometry, mask.shape) == mask).all()


def test_a_hole_that_touches_the_border_at_a_corner_stays_a_hole():
    mask = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]], bool)
    geometry = outline(mask)
    assert geometry.geom_type == "Polygon"
    assert len(geometry.interiors) == 1
    assert shapely.is_valid(geometry)


def test_pixels_that_meet_at_a_corner_are_two_parts():
    geometry = outline(np.array([[1, 0], [0, 1]], bool))
    assert geometry.geom_type == "MultiPolygon"
    assert len(geometry.geoms) == 2


def test_an_island_in_a_hole_is_a_part():
    mask = np.ones((5, 5), bool)
    mask[1:4, 1:4] = False
    mask[2, 2] = True
    geometry = outline(mask)
    assert len(geometry.geoms) == 2
    assert geometry.area == 17


def test_an_outline_turns_at_corners_only():
    geometry = outline(np.ones((3, 7), bool))
    assert geometry.equals_exact(shapely.box(0, 0, 7, 3).normalize().reverse(), 0) or (
        len(geometry.exterior.coords) == 5 and geometry.bounds == (0, 0, 7, 3)
    )


def test_a_single_ring_is_that_of_the_general_way():
    shape = (300, 300)
    whole = tiling(shape, 300, 0)
    cells = stitch(shards_of(random_tissue(shape, 200, seed=6), whole), whole).cells
    single = 0
    for i in range(len(cells)):
        inside = np.pad(cells.image(i).astype(np.int8), 1)
        part, bounds = rings._parts(inside)
        quick, slow = np.zeros((2, 2000, 2), np.int64)
        y, x = np.argwhere(inside)[0]
        end = rings._single_ring(inside, cells.area[i], y, x, 5, 7, quick, 0)
        ends, parts = np.zeros((2, 100), np.int64)
        found = rings._rings_of_parts(part, bounds, 5, 7, (slow, ends, parts, 0, 0, 0))
        if end > 0:
            assert found == (end, 1)
            assert (quick[:end] == slow[:end]).all()
            single += 1
        else:
            rows = cells.image(i).astype(int)
            corner = (np.abs(np.diff(np.diff(rows, axis=0), axis=1)) == 2).any()
            assert found[1] > 1 or corner
    assert single > 100


def test_outlines_do_not_depend_on_threads(monkeypatch):
    monkeypatch.setattr("vitrail.outlines.BATCH", 7)
    shape = (120, 140)
    whole = tiling(shape, 200, 0)
    cells = stitch(shards_of(random_tissue(shape, 60, seed=7), whole), whole).cells
    one = outlines(cells, 0.5, (3.0, 4.0), threads=1)
    assert len(one) > 14
    assert (
        shapely.to_wkb(outlines(cells, 0.5, (3.0, 4.0), threads=3)) == shapely.to_wkb(one)
    ).all()


def test_outlines_are_in_micrometres_of_the_slide():
    truth = random_tissue((90, 120), 40, seed=5)
    instances = stitch(shards_of(truth, tiling(truth.shape, 200, 0)), tiling(truth.shape, 200, 0))
    found = outlines(instances.cells, 0.25, (100.0, -40.0))
    assert shapely.is_valid(found).all()
    assert np.allclose(shapely.area(found), instances.cells.area * 0.25**2)
    for i, geometry in enumerate(found):
        y0, x0, y1, x1 = instances.cells.box[i]
        image = pixels(geometry, truth.shape, 0.25, (100.0, -40.0))
        assert (image[y0:y1, x0:x1] == instances.cells.image(i)).all()
        assert image.sum() == instances.cells.area[i]


def test_no_instance_has_no_outline():
    instances = stitch([], tiling((10, 10), 10, 0))
    assert outlines(instances.cells, 1.0, (0.0, 0.0)).shape == (0,)
