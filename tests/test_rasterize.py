import numpy as np
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vitrail import masks
from vitrail.rasterize import rasterize, to_pixels


def image_of(geometry, shape, window=None, pixel_size=1.0, origin=(0.0, 0.0)):
    """How many of the geometries claim each pixel."""
    polygons = to_pixels(np.asarray(geometry, object), pixel_size, origin)
    chosen = np.arange(len(polygons))
    box, mask, offset = rasterize(polygons, chosen, window or (0, 0, *shape))
    image = np.zeros(shape, int)
    for i in chosen:
        y0, x0, y1, x1 = box[i]
        image[y0:y1, x0:x1] += masks.unpack(box, mask, offset, i)
    return image


COORDINATE = st.floats(-3, 23, allow_nan=False, width=32)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(COORDINATE, COORDINATE), min_size=3, max_size=8))
def test_a_pixel_is_inside_when_its_centre_is(points):
    polygon = shapely.convex_hull(shapely.MultiPoint(points))
    assume(polygon.geom_type == "Polygon")
    y, x = np.indices((20, 20)) + 0.5
    centres = shapely.points(x, y)
    inside = shapely.contains(polygon, centres)
    on_edge = shapely.distance(shapely.boundary(polygon), centres) < 1e-9
    found = image_of([polygon], (20, 20)) > 0
    assert (found[~on_edge] == inside[~on_edge]).all()


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000))
def test_neighbours_share_and_lose_no_pixel(seed):
    points = np.random.default_rng(seed).integers(0, 41, (12, 2)) / 2
    corners = [(0, 0), (20, 0), (0, 20), (20, 20)]
    triangles = shapely.delaunay_triangles(shapely.MultiPoint([*points, *corners]))
    assert (image_of(list(triangles.geoms), (20, 20)) == 1).all()


def test_holes_and_parts():
    ring = shapely.box(1, 1, 9, 9).difference(shapely.box(3, 3, 7, 7))
    both = shapely.union(ring, shapely.box(4, 4, 6, 6))
    image = image_of([both], (10, 10))
    assert image.sum() == 64 - 16 + 4
    assert image[5, 5] == 1
    assert image[3, 3] == 0


def test_a_window_shows_its_part_of_the_polygon():
    polygon = shapely.Point(10, 10).buffer(8)
    whole = image_of([polygon], (20, 20))
    part = image_of([polygon], (20, 20), (5, 8, 12, 20))
    expected = np.zeros_like(whole)
    expected[5:12, 8:20] = whole[5:12, 8:20]
    assert (part == expected).all()


def test_micrometres_become_pixels():
    image = image_of([shapely.box(100, 50, 101, 52)], (8, 8), None, 0.5, (99.0, 49.0))
    assert image.sum() == 8
    assert image[2:6, 2:4].all()


def test_what_has_no_area_has_no_pixel():
    nothing = [shapely.Polygon(), shapely.LineString([(0, 0), (9, 9)]), shapely.Point(3, 3)]
    assert image_of(nothing, (10, 10)).sum() == 0
