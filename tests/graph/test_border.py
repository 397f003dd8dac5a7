import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrail.errors import VitrailError
from vitrail.graph import build, interior, knn
from vitrail.graph.border import border_cells
from vitrail.io.graph import read_graph, write_graph


def by_definition(xy, edge, reach):
    """Try both discs through each pair of cells; then the distance to each piece of the edge."""
    n = len(xy)
    touched, pieces = set(), []
    for p in range(n):
        others = np.delete(np.arange(n), p)
        if all(np.linalg.norm(xy[o] - xy[p]) >= 2 * edge for o in others):
            touched.add(p)
        for q in range(p + 1, n):
            along = xy[q] - xy[p]
            length = np.linalg.norm(along)
            if length >= 2 * edge:
                continue
            across = np.array([-along[1], along[0]]) / length
            for sign in (-1, 1):
                centre = (xy[p] + xy[q]) / 2
                centre = centre + sign * across * np.sqrt(edge**2 - length**2 / 4)
                rest = np.delete(xy, [p, q], axis=0)
                if (np.linalg.norm(rest - centre, axis=1) >= edge).all():
                    touched |= {p, q}
                    pieces.append((p, q))
    flagged = np.zeros(n, bool)
    flagged[list(touched)] = True
    for p, q in [(p, p) for p in touched] + pieces:
        for i in range(n):
            along = xy[q] - xy[p]
            share = np.dot(xy[i] - xy[p], along) / max(np.dot(along, along), 1e-300)
            foot = xy[p] + np.clip(share, 0, 1) * along
            flagged[i] |= np.linalg.norm(xy[i] - foot) <= reach[i]
    return flagged


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(3, 40), st.floats(0.05, 0.8), st.floats(0.0, 0.2))
def test_flags_are_those_of_the_definition(seed, n, edge, width):
    random = np.random.default_rng(seed)
    xy = random.random((n, 2))
    reach = random.random(n) * width
    wanted = by_definition(xy, edge, reach)
    for graph in (knn(xy, 1), knn(xy, 8)):
        assert np.array_equal(border_cells(xy, graph, reach, edge), wanted)


def disc(n, seed=0):
    """A round tissue of radius 200 with a round hole of radius 60."""
    xy = np.random.default_rng(seed).uniform(-200, 200, (n, 2))
    distance = np.linalg.norm(xy, axis=1)
    return xy[(distance < 200) & (distance > 60)]


@pytest.mark.parametrize("kind", ["knn", "radius", "delaunay"])
def test_outer_edge_and_hole_are_flagged_and_nothing_else(kind):
    xy = disc(4000)
    graph = build(xy, kind=kind, k=6, radius_um=15, max_edge_um=20, edge_um=25)
    centre = np.linalg.norm(xy, axis=1)
    depth = np.minimum(200 - centre, centre - 60)
    assert graph.border[depth < 5].mean() > 0.98
    assert not graph.border[depth > 25].any()
    assert np.array_equal(interior(graph), ~graph.border)


def test_a_hole_too_small_for_the_disc_is_tissue():
    xy = disc(4000)
    near = np.linalg.norm(xy, axis=1) < 90
    assert build(xy, edge_um=25).border[near].any()
    assert not build(xy, edge_um=70).border[near].any()


def test_any_number_of_threads_flags_the_same_cells():
    xy = np.random.default_rng(2).random((60_000, 2)) ** 3 * 3000
    one, three = (build(xy, edge_um=50, threads=t).border for t in (1, 3))
    assert np.array_equal(one, three)
    assert 0 < one.sum() < len(xy)


def test_few_cells_are_all_at_the_border():
    assert build(np.zeros((0, 2)), edge_um=50).border.shape == (0,)
    for xy in ([[0.0, 0]], [[0.0, 0], [0, 0]], [[0.0, 0], [1, 0], [2, 0], [3, 0]]):
        assert build(xy, k=2, edge_um=50).border.all()


def test_failing_cells_are_neither_flagged_nor_seen():
    xy = np.random.default_rng(3).random((500, 2)) * 300
    passed = np.random.default_rng(4).random(500) > 0.3
    broken = np.where(passed[:, None], xy, np.nan)
    border = build(broken, passed, edge_um=50).border
    assert not border[~passed].any()
    assert np.array_equal(border[passed], build(xy[passed], edge_um=50).border)


def test_flags_are_kept_in_the_file(tmp_path):
    graph = build(disc(800), edge_um=25)
    write_graph(tmp_path / "graph.npz", graph, {})
    assert np.array_equal(read_graph(tmp_path / "graph.npz").border, graph.border)


def test_wrong_input_is_named():
    with pytest.raises(VitrailError, match="no flags of border cells"):
        interior(build(disc(100)))
    with pytest.raises(VitrailError, match="edge_um: found 0, wanted a number above 0"):
        build(disc(100), edge_um=0)
    with pytest.raises(VitrailError, match="wanted them in a plane"):
        build(np.zeros((4, 3)), edge_um=1)
