import numpy as np
import pytest
import shapely
from nests import CENTRE, RADIUS, SIDE, depth, nest
from scipy.ndimage import distance_transform_edt

from vitrail.topography import region_of_cells, region_of_outlines
from vitrail.topography.grid import Grid, tissue_of, without_small

DISC = shapely.Point(*CENTRE).buffer(RADIUS, quad_segs=64)


def brute_force(points, border):
    """Distance of each point to the nearest of some segments, from the definition."""
    a, b = border[:, 0], border[:, 1]
    along = b - a
    out = np.empty(len(points))
    for i, point in enumerate(points):
        share = ((point - a) * along).sum(axis=1) / (along**2).sum(axis=1)
        nearest = a + share.clip(0, 1)[:, None] * along
        out[i] = np.linalg.norm(point - nearest, axis=1).min()
    return out


def of_cells(xy, types, **settings):
    return region_of_cells(xy, types == "tumour", types != "CD8", **settings)


@pytest.mark.parametrize("immune", [{}, {(-300, 0): 4000}, {(0, 40): 6000}])
def test_region_is_the_planted_tumour_wherever_immune_cells_are(immune):
    region = of_cells(*nest(immune))
    pixels = region.grid.centres(region.tissue)
    found = region.tumour[region.tissue]
    assert (found != (depth(pixels) < 0)).mean() < 0.03
    # The border lies within a cell's spacing of the tumour's edge on all sides.
    assert np.abs(depth(region.border.mean(axis=1))).max() < 20
    assert abs(np.median(depth(region.border.mean(axis=1)))) < 8


def test_signed_distance_is_exact():
    xy, types = nest({(0, 40): 3000})
    region = of_cells(xy, types)
    points = np.random.default_rng(1).uniform(0, SIDE, (300, 2))
    distance = region.signed_distance(points)
    np.testing.assert_allclose(np.abs(distance), brute_force(points, region.border), rtol=1e-12)
    assert ((distance < 0) == region.inside(points)).all()


def test_signed_distance_agrees_with_a_distance_transform():
    xy, types = nest({})
    region = of_cells(xy, types)
    assert region.tissue[region.tumour].all()
    step = region.grid.step
    inner = distance_transform_edt(region.tumour, sampling=step)
    outer = distance_transform_edt(~region.tumour, sampling=step)
    distance = region.signed_distance(region.grid.centres(region.tissue))
    # Between centres of pixels half a pixel or more is added to the distance to the edge between.
    wanted = np.where(region.tumour, step / 2 - inner, outer - step / 2)[region.tissue]
    assert np.abs(distance - wanted).max() <= 0.5 * step
    straight = np.abs(wanted) == step / 2
    assert np.allclose(distance[straight], wanted[straight])


def test_outlines_give_exact_distances():
    xy, _ = nest({})
    region = region_of_outlines(xy, [DISC])
    points = np.random.default_rng(2).uniform(0, SIDE, (300, 2))
    wanted = shapely.distance(DISC.exterior, shapely.points(points))
    wanted[shapely.contains_xy(DISC, points)] *= -1
    np.testing.assert_allclose(region.signed_distance(points), wanted, atol=1e-9)
    assert region.border_um == pytest.approx(DISC.length)
    assert region.tumour.sum() * 100 == pytest.approx(DISC.area, rel=0.01)


def test_the_edge_of_the_tissue_is_no_border():
    xy, types = nest({})
    half = xy[:, 0] > CENTRE[0]
    cut = of_cells(xy[half], types[half])
    # Half of the circle; the cut through the tumour runs along the slide's edge.
    assert cut.border[:, :, 0].min() > CENTRE[0] - 5
    whole = of_cells(xy, types)
    assert cut.border_um == pytest.approx(whole.border_um / 2, rel=0.05)
    drawn = region_of_outlines(xy[half], [DISC])
    assert drawn.border_um == pytest.approx(DISC.length / 2, rel=0.05)


@pytest.mark.parametrize("kind", ["tumour", "stroma"])
def test_one_tissue_has_no_border(kind):
    xy, types = nest({})
    region = of_cells(xy, np.full(len(types), kind, dtype=object))
    assert region.border.shape == (0, 2, 2)
    assert np.isnan(region.signed_distance(xy)).all()
    assert region.inside(xy).all() == (kind == "tumour")


def test_no_cells():
    region = region_of_cells(np.zeros((0, 2)), np.zeros(0, bool))
    assert not region.tissue.any()
    assert region.signed_distance(np.zeros((0, 2))).shape == (0,)


def test_scattered_tumour_cells_are_no_tumour():
    xy, types = nest({})
    types = np.where(np.arange(len(xy)) % 9 == 0, "tumour", "stroma").astype(object)
    assert not of_cells(xy, types).tumour.any()


def test_closing_adds_no_rim():
    grid = Grid((0.0, 0.0), 10.0, (60, 60))
    axis = np.arange(105.0, 500.0, 20.0)
    cells = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    tissue = tissue_of(cells, grid, 30.0)
    # Nothing beyond the outermost cells, no gap between those inside.
    beyond = np.ones((60, 60), bool)
    beyond[10:49, 10:49] = False
    assert not tissue[beyond].any()
    assert tissue[11:48, 11:48].all()


def test_small_regions_and_holes():
    mask = np.zeros((12, 12), bool)
    mask[1:8, 1:8] = True
    mask[3, 3] = mask[5:7, 4:7] = False
    mask[10, 10] = True
    kept = without_small(mask, 4)
    assert kept[3, 3]
    assert not kept[5:7, 4:7].any()
    assert not kept[10, 10]
    # What is open to the side is no hole, however small.
    assert not without_small(np.pad(np.ones((3, 3), bool), ((0, 0), (0, 1))), 100).any()
    assert not without_small(np.pad(np.ones((3, 3), bool), ((0, 0), (0, 1))), 9)[:, 3].any()
