import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial import cKDTree

from vitrail.errors import VitrailError
from vitrail.graph import knn, radius
from vitrail.graph.neighbours import nearest_neighbours

# Few distinct positions: ties and coincident cells are the rule.
LATTICE = hnp.arrays(
    np.float64,
    st.tuples(st.integers(0, 45), st.integers(2, 3)),
    elements=st.integers(-3, 3).map(float),
)


def by_definition(xy, k):
    """Order all others by (squared distance, index)."""
    squared = ((xy[:, None] - xy[None]) ** 2).sum(axis=2)
    np.fill_diagonal(squared, np.inf)
    return np.argsort(squared, axis=1, kind="stable")[:, : max(0, min(k, len(xy) - 1))]


@settings(max_examples=60, deadline=None)
@given(LATTICE, st.integers(1, 8))
def test_ties_go_to_the_lowest_index(xy, k):
    assert np.array_equal(nearest_neighbours(xy, k, threads=1), by_definition(xy, k))


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("clustered", [False, True])
def test_neighbours_agree_with_scipy(dimensions, clustered):
    random = np.random.default_rng(3)
    xy = random.random((3000, dimensions))
    if clustered:
        xy = xy * 1e-4 + random.integers(0, 5, (3000, 1))
    wanted = cKDTree(xy).query(xy, 8)[1][:, 1:]
    assert np.array_equal(nearest_neighbours(xy, 7), wanted)


def test_coincident_cells_do_not_slow_the_search():
    # A search that visits all ties would take 10^10 steps.
    found = nearest_neighbours(np.zeros((100_000, 2)), 3)
    assert found[0].tolist() == [1, 2, 3]
    assert found[2].tolist() == [0, 1, 3]
    assert found[-1].tolist() == [0, 1, 2]


def test_symmetric_is_the_union_of_both_directions():
    xy = np.array([[0.0, 0], [1, 0], [3, 0], [7, 0]])
    directed = knn(xy, 1, symmetric=False).toarray()
    assert directed.tolist() == [[0, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]
    assert np.array_equal(knn(xy, 1).toarray(), np.maximum(directed, directed.T))


@pytest.mark.parametrize("kind", ["uniform", "clustered", "coincident"])
def test_union_of_many_is_the_union_of_both_directions(kind):
    random = np.random.default_rng(6)
    xy = random.random((4000, 2))
    if kind == "clustered":
        xy = xy * 1e-3 + random.integers(0, 4, (4000, 1))
    if kind == "coincident":
        # The lowest of each position have all others there as neighbours.
        xy = np.round(xy * 5)
    directed = knn(xy, 5, symmetric=False)
    found = knn(xy, 5)
    assert (found != directed.maximum(directed.T)).nnz == 0
    row = np.repeat(np.arange(4000), np.diff(found.indptr))
    assert (np.diff(row * 4000 + found.indices) > 0).all()


@settings(max_examples=60, deadline=None)
@given(LATTICE, st.sampled_from([1.0, 2.0, 5.0**0.5, 0.5]))
def test_radius_includes_its_border(xy, r):
    squared = ((xy[:, None] - xy[None]) ** 2).sum(axis=2)
    wanted = squared <= r * r
    np.fill_diagonal(wanted, False)
    assert np.array_equal(radius(xy, r).toarray(), wanted.astype(float))


def test_radius_agrees_with_scipy():
    xy = np.random.default_rng(4).random((2000, 2))
    pairs = cKDTree(xy).query_pairs(0.05)
    found = radius(xy, 0.05).tocoo()
    assert {(i, j) for i, j in zip(found.row, found.col, strict=True) if i < j} == pairs


@pytest.mark.parametrize(
    "make", [lambda xy, t: knn(xy, 6, threads=t), lambda xy, t: radius(xy, 0.02, t)]
)
def test_any_number_of_threads_gives_the_same_graph(make):
    xy = np.random.default_rng(5).random((45_000, 2))
    one, three = make(xy, 1), make(xy, 3)
    for part in ("indptr", "indices", "data"):
        assert np.array_equal(getattr(one, part), getattr(three, part))


@pytest.mark.parametrize("make", [lambda xy: knn(xy, 6), lambda xy: radius(xy, 1.0)])
def test_few_cells(make):
    assert make(np.zeros((0, 2))).shape == (0, 0)
    assert make([]).shape == (0, 0)
    assert make([[1.0, 2.0]]).nnz == 0
    assert make([[1.0, 2.0], [1.0, 2.5]]).toarray().tolist() == [[0, 1], [1, 0]]


def test_matrices_are_canonical():
    for graph in (knn(np.random.default_rng(1).random((50, 2)), 4), radius(np.eye(3), 2.0)):
        assert graph.has_canonical_format
        assert graph.dtype == np.float64
        assert set(graph.data) == {1.0}
        assert graph.diagonal().sum() == 0


def test_wrong_input_is_named():
    with pytest.raises(VitrailError, match=r"row 1: found \[nan, 0.0\], wanted finite numbers"):
        knn([[0.0, 0.0], [np.nan, 0.0]], 1)
    with pytest.raises(VitrailError, match=r"shape \(3,\), wanted \(n, 2 or 3\)"):
        knn(np.zeros(3), 1)
    with pytest.raises(VitrailError, match="k = 0, wanted at least 1"):
        knn(np.zeros((3, 2)), 0)
    with pytest.raises(VitrailError, match="r = 0, wanted a finite number above 0"):
        radius(np.zeros((3, 2)), 0)
