"""Functions on arrays against oracles: a look-up by hand, shapely's tree, a dense count."""

import itertools

import numpy as np
import pytest
import shapely
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrail import masks
from vitrail.assign import outlines as module
from vitrail.assign.outlines import Outlines
from vitrail.coordinates import pixel_index
from vitrail.errors import VitrailError
from vitrail.rasterize import rasterize, to_pixels
from vitrail.transcripts import by_labels, by_polygons, count, count_shared, members

SEEDS = st.integers(0, 2**32 - 1)


def positions(rng, n, extent, whole=0.3):
    """Some on whole numbers, some outside, some nowhere."""
    place = rng.uniform(-2, extent + 2, (2, n))
    place = np.where(rng.random((2, n)) < whole, np.round(place), place)
    place[rng.random((2, n)) < 0.03] = rng.choice([np.nan, np.inf, -np.inf, 1e300])
    return place


def star(rng, centre, radius, corners):
    angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
    ring = centre + radius * rng.uniform(0.3, 1, (corners, 1)) * np.c_[np.cos(angle), np.sin(angle)]
    return shapely.make_valid(shapely.Polygon(ring))


def shapes_of(rng, n, extent):
    """Stars with holes and several parts that overlap as they like."""
    found = []
    for _ in range(n):
        centre = rng.uniform(0, extent, 2)
        shape = star(rng, centre, rng.uniform(0.5, 6), int(rng.integers(3, 12)))
        if rng.random() < 0.3:
            shape = shape.difference(star(rng, centre, 1.0, 5))
        if rng.random() < 0.3:
            shape = shape.union(star(rng, centre + rng.uniform(-9, 9, 2), 2.0, 6))
        shape = shapely.make_valid(shape)
        kept = [p for p in shapely.get_parts(shape) if p.geom_type == "Polygon"]
        found.append(shapely.MultiPolygon(kept))
    return np.array(found, dtype=object)


def by_tree(x, y, shapes):
    """Pairs (position, shape from 1) from shapely's tree; positions on an edge are left out."""
    finite = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    points = shapely.points(x[finite], y[finite])
    tree = shapely.STRtree(shapes)
    inside = tree.query(points, predicate="within")
    near = tree.query(points, predicate="dwithin", distance=1e-9)
    edge = shapely.distance(points[near[0]], shapely.boundary(shapes[near[1]])) < 1e-9
    on_edge = np.zeros(len(x), bool)
    on_edge[finite[near[0][edge]]] = True
    pairs = {(int(finite[i]), int(j) + 1) for i, j in inside.T}
    return {pair for pair in pairs if not on_edge[pair[0]]}, on_edge


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(1, 3), st.sampled_from([1, 3, 10, 40]))
def test_polygons_equal_shapely(seed, threads, across):
    rng = np.random.default_rng(seed)
    extent = rng.choice([5.0, 30.0, 200.0])
    shapes = shapes_of(rng, int(rng.integers(0, 25)), extent)
    shift = rng.choice([0.0, -1000.5, 1e5])
    x, y = positions(rng, 300, extent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SQUARES_ACROSS", across)
        moved = shapely.transform(shapes, lambda xy: xy + shift)
        outlines = Outlines(moved, "drop")
    pairs, on_edge = by_tree(x + shift, y + shift, moved)
    position, cell = members(x + shift, y + shift, outlines, threads=threads)
    found = set(zip(position.tolist(), cell.tolist(), strict=True))
    assert {pair for pair in found if not on_edge[pair[0]]} == pairs
    assert np.array_equal(position, np.sort(position))
    one = by_polygons(x + shift, y + shift, outlines, threads=threads)
    many = np.bincount(position, minlength=len(x))
    expected = np.zeros(len(x), int)
    expected[position] = cell
    assert np.array_equal(one, np.where(many > 1, -1, expected))


def by_definition(x, y, shape):
    """Whether an odd number of a shape's edges lie left of each position, edge by edge."""
    inside = np.zeros(len(x), bool)
    for ring in shapely.get_rings(shapely.get_parts(shape)):
        xy = shapely.get_coordinates(ring)
        for (ax, ay), (bx, by) in itertools.pairwise(xy):
            if ay > by:
                ax, ay, bx, by = bx, by, ax, ay
            if ay < by:
                inside ^= (ay <= y) & (y < by) & (ax + (y - ay) / (by - ay) * (bx - ax) <= x)
    return inside


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from([0.3, 1, 4, 40]), st.sampled_from([None, 0.5, 2.0]))
def test_polygons_equal_their_definition_to_the_last_bit(seed, across, step):
    rng = np.random.default_rng(seed)
    shapes = shapes_of(rng, int(rng.integers(1, 9)), 20.0)
    if step is not None:
        shapes = shapely.set_precision(shapes, step)
    # Positions on corners, level with corners, one bit beside them, and anywhere.
    corners = shapely.get_coordinates(shapes)
    if not len(corners):
        corners = np.zeros((1, 2))
    chosen = corners[rng.integers(0, len(corners), (2, 300))]
    x, y = np.where(rng.random((2, 300)) < 0.7, chosen[[0, 1], :, [0, 1]], rng.uniform(-3, 23, 300))
    y = np.where(rng.random(300) < 0.3, np.nextafter(y, rng.choice([-99, 99], 300)), y)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SQUARES_ACROSS", across)
        position, cell = members(x, y, Outlines(shapes, "drop"))
    for k, shape in enumerate(shapes):
        expected = np.flatnonzero(by_definition(x, y, shape))
        assert position[cell == k + 1].tolist() == expected.tolist()


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_centres_of_pixels_belong_to_the_cells_of_their_pixels(seed):
    rng = np.random.default_rng(seed)
    # Corners on halves, so that edges pass through centres.
    shapes = shapely.set_precision(shapes_of(rng, 1, 20.0), 0.5)
    polygons = to_pixels(shapes, 1.0, (0.0, 0.0))
    box, mask, offset = rasterize(polygons, np.array([0]), (0, 0, 24, 24))
    image = np.zeros((24, 24), int)
    image[box[0, 0] : box[0, 2], box[0, 1] : box[0, 3]] = masks.unpack(box, mask, offset, 0)
    row, column = np.mgrid[:24, :24]
    found = by_polygons(column.ravel() + 0.5, row.ravel() + 0.5, shapes)
    assert np.array_equal(found.reshape(24, 24), image)


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_neighbours_share_and_lose_no_position(seed):
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 9, (30, 2)).astype(float)
    triangles = shapely.get_parts(shapely.delaunay_triangles(shapely.multipoints(corners)))
    x, y = rng.integers(-2, 22, (2, 200)) / 2
    position, _ = members(x, y, triangles)
    assert len(position) == len(set(position.tolist()))
    whole = shapely.convex_hull(shapely.multipoints(corners))
    strictly = shapely.contains_properly(whole, shapely.points(x, y))
    assert set(np.flatnonzero(strictly)) <= set(position.tolist())


def test_who_gets_a_position_in_two_polygons():
    shapes = [shapely.box(0, 0, 4, 4), shapely.box(2, 0, 10, 4), shapely.box(2, 0, 10, 4)]
    x, y = np.array([1.0, 2.5, 3.9, 8.0, 11.0, np.nan]), np.full(6, 2.0)
    assert by_polygons(x, y, shapes).tolist() == [1, 1, 1, 2, 0, 0]
    centres = [[0, 2], [4, 2], [6, 2]]
    near = by_polygons(x, y, shapes, centres=centres)
    assert near.tolist() == [1, 2, 2, 3, 0, 0]
    best = by_polygons(x, y, shapes, overlap="score", scores=[0.5, 0.9, 0.9])
    assert best.tolist() == [1, 2, 2, 2, 0, 0]
    with_nothing = [shapely.Polygon(), None, *shapes]
    assert by_polygons(x, y, with_nothing).tolist() == [3, 3, 3, 4, 0, 0]
    assert by_polygons(x, y, shapes, overlap="drop").tolist() == [1, -1, -1, -1, 0, 0]
    position, cell = members(x, y, shapes)
    assert position.tolist() == [0, 1, 1, 1, 2, 2, 2, 3, 3]
    shared = count_shared(position, cell, np.zeros(6, int), 3, 2)
    assert shared.toarray() == pytest.approx(np.array([[1 + 2 / 3, 0], [7 / 6, 0], [7 / 6, 0]]))


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.sampled_from([1.0, 0.5, 0.1086, 1 / 3]), st.integers(1, 3), st.booleans())
def test_labels_equal_a_look_up_by_hand(seed, size, threads, stored):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 5, rng.integers(1, 12, 2)).astype(np.int32)
    origin = (float(rng.choice([0.0, -7.3])), 12.25)
    x, y = positions(rng, 100, 12)
    x, y = x * size + origin[0], y * size + origin[1]
    image = labels
    if stored:
        image = zarr.create_array({}, shape=labels.shape, chunks=(3, 4), dtype="int32")
        image[:] = labels
    found = by_labels(x, y, image, pixel_size=size, origin=origin, threads=threads)
    column, row = pixel_index(x, size, origin[0]), pixel_index(y, size, origin[1])
    h, w = labels.shape
    for k in range(100):
        inside = 0 <= row[k] < h and 0 <= column[k] < w
        assert found[k] == (labels[row[k], column[k]] if inside else 0)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(0, 300), st.integers(1, 3))
def test_counts_equal_a_dense_sum(seed, n, threads):
    rng = np.random.default_rng(seed)
    cells, genes = rng.integers(1, 9, 2)
    cell, gene = rng.integers(-1, cells + 1, n), rng.integers(0, genes, n)
    dense = np.zeros((cells, genes), int)
    np.add.at(dense, (cell[cell > 0] - 1, gene[cell > 0]), 1)
    found = count(cell, gene, cells, genes, threads=threads)
    assert found.dtype == np.int32
    assert found.has_canonical_format
    assert np.array_equal(found.toarray(), dense)


def test_bad_input_ends_in_one_sentence():
    box = [shapely.box(0, 0, 1, 1)]
    with pytest.raises(VitrailError, match=r"y: shape \(1,\), wanted that of x \(2,\)"):
        by_polygons([0.5, 0.5], [0.5], box)
    with pytest.raises(VitrailError, match="overlap: 'both', wanted one of nearest, score, drop"):
        by_polygons([0.5], [0.5], box, overlap="both")
    with pytest.raises(VitrailError, match="'score' without scores"):
        by_polygons([0.5], [0.5], box, overlap="score")
    with pytest.raises(VitrailError, match="centres: 2 of them, wanted 1"):
        by_polygons([0.5], [0.5], box, centres=[[0, 0], [1, 1]])
    with pytest.raises(VitrailError, match="cell: 3 found, wanted at most 2"):
        count([3], [0], 2, 1)
    with pytest.raises(VitrailError, match="gene: 0 to 1, wanted 0 to 0"):
        count([1, 1], [0, 1], 2, 1)
    image = np.zeros((3, 3), np.int32)
    with pytest.raises(VitrailError, match=r"labels: shape \(1, 3, 3\) of int32, wanted"):
        by_labels([0.5], [0.5], image[None])
    with pytest.raises(VitrailError, match=r"labels: .* of float64, wanted integers"):
        by_labels([0.5], [0.5], image.astype(float))
    with pytest.raises(VitrailError, match="pixel_size: 0, wanted a number above 0"):
        by_labels([0.5], [0.5], image, pixel_size=0)
