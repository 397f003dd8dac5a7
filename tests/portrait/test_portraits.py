import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from portrait_oracle import divergence_by_definition, portrait_by_definition
from scipy.sparse.csgraph import connected_components, shortest_path

from vitrail.errors import VitrailError
from vitrail.graph import delaunay, knn
from vitrail.portrait import divergence, portrait
from vitrail.portrait.order import block_order, hilbert_order


@st.composite
def graphs(draw, largest=40):
    """Directed matrices from sparse to dense, with loops and isolated nodes."""
    n = draw(st.integers(0, largest))
    share = draw(st.sampled_from([0.02, 0.08, 0.3]))
    seed = draw(st.integers(0, 10_000))
    return (np.random.default_rng(seed).random((n, n)) < share).astype(float)


@settings(max_examples=80, deadline=None)
@given(graphs())
def test_portrait_is_that_of_the_definition(adjacency):
    wanted = portrait_by_definition(adjacency)
    found = portrait(sp.csr_matrix(adjacency), threads=1)
    assert np.array_equal(found.toarray(), wanted)
    assert found.has_canonical_format


@settings(max_examples=30, deadline=None)
@given(graphs(), st.integers(0, 4))
def test_limited_depth_gives_the_first_rows(adjacency, depth):
    found = portrait(sp.csr_matrix(adjacency), max_depth=depth)
    assert np.array_equal(found.toarray(), portrait_by_definition(adjacency, depth))


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(
        float, st.tuples(st.integers(1, 60), st.just(2)), elements=st.integers(0, 6).map(float)
    ),
    st.integers(1, 4),
)
def test_directed_neighbours_are_joined_by_union(xy, k):
    directed = knn(xy, k, symmetric=False)
    wanted = portrait_by_definition(knn(xy, k).toarray())
    assert np.array_equal(portrait(directed).toarray(), wanted)
    assert np.array_equal(portrait(directed, xy=xy).toarray(), wanted)


def test_more_sources_than_one_batch(monkeypatch):
    monkeypatch.setattr("vitrail.portrait.portraits.WORTH_THREADS", 0)
    xy = np.random.default_rng(0).random((1300, 2))
    graph = delaunay(xy)
    graph[:, 7] = 0
    graph[7, :] = 0
    graph.eliminate_zeros()
    wanted = portrait_by_definition(graph.toarray())
    for threads in (1, 2, 3):
        assert np.array_equal(portrait(graph, threads=threads).toarray(), wanted)
    assert np.array_equal(portrait(graph, xy=xy).toarray(), wanted)


@pytest.mark.parametrize(
    ("edges", "n", "wanted"),
    [
        ([], 0, np.zeros((0, 1))),
        ([], 1, [[0, 1]]),
        ([], 3, [[0, 3]]),
        ([(0, 1)], 2, [[0, 2], [0, 2]]),
        ([(0, 1), (1, 2)], 4, [[0, 4, 0], [1, 2, 1], [2, 2, 0]]),
    ],
)
def test_small_graphs(edges, n, wanted):
    graph = sp.lil_matrix((n, n))
    for i, j in edges:
        graph[i, j] = 1
    assert np.array_equal(portrait(graph).toarray(), wanted)


def test_long_path_with_a_hub():
    # Many levels and one large shell: rows have widths of their own.
    n = 3000
    rows = np.concatenate([np.arange(n // 2), np.zeros(n // 2 - 1, int)])
    columns = np.concatenate([np.arange(1, n // 2 + 1), np.arange(n // 2 + 1, n)])
    graph = sp.csr_matrix((np.ones(n - 1), (rows, columns)), shape=(n, n))
    found = portrait(graph)
    assert found.shape == (n // 2 + 2, n // 2 + 1)
    assert (np.asarray(found.sum(axis=1)).ravel() == n).all()
    assert (found.toarray() * np.arange(found.shape[1])).sum() == n * n


def test_values_and_loops_have_no_meaning():
    graph = sp.csr_matrix(np.array([[5.0, -2, 0], [0, 0, 0.5], [0, 0, 0]]))
    graph[2, 0] = 0.0
    assert np.array_equal(portrait(graph).toarray(), [[0, 3, 0], [0, 2, 1], [1, 2, 0]])
    assert graph[0, 0] == 5.0


def test_not_square():
    with pytest.raises(VitrailError, match=r"shape \(2, 3\), wanted a square one"):
        portrait(sp.csr_matrix((2, 3)))


@settings(max_examples=60, deadline=None)
@given(graphs(25).filter(len), graphs(25).filter(len))
def test_divergence_is_that_of_the_definition(first, second):
    b1, b2 = portrait(sp.csr_matrix(first)), portrait(sp.csr_matrix(second))
    found = divergence(b1, b2)
    assert found == pytest.approx(divergence_by_definition(b1.toarray(), b2.toarray()), abs=1e-12)
    assert 0.0 <= found <= 1.0
    assert divergence(b2, b1) == found
    assert divergence(b1.toarray(), b2.toarray()) == found


@settings(max_examples=30, deadline=None)
@given(graphs(), st.randoms(use_true_random=False))
def test_numbering_of_nodes_does_not_matter(adjacency, random):
    order = list(range(len(adjacency)))
    random.shuffle(order)
    b1 = portrait(sp.csr_matrix(adjacency))
    b2 = portrait(sp.csr_matrix(adjacency[np.ix_(order, order)]))
    assert (b1 != b2).nnz == 0
    assert divergence(b1, b2) == pytest.approx(0.0, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(graphs(), st.integers(0, 10_000), st.sampled_from([None, 0, 2]))
def test_members_are_seen_through_the_whole_graph(adjacency, seed, depth):
    members = np.random.default_rng(seed).random(len(adjacency)) < 0.4
    found = portrait(sp.csr_matrix(adjacency), members=members, max_depth=depth).toarray()
    steps = shortest_path(np.maximum(adjacency, adjacency.T), unweighted=True)
    steps = steps[np.ix_(members, members)]
    for level, row in enumerate(found):
        sizes = (steps == level).sum(axis=1)
        assert row.tolist() == np.bincount(sizes, minlength=len(row)).tolist()
    counted = np.isfinite(steps) & (steps <= (np.inf if depth is None else depth))
    assert len(found) == steps[counted].max(initial=-1) + 1


def test_blocks_of_the_order_are_compact():
    xy = np.random.default_rng(5).random((8192, 2)) * 90
    graph = knn(xy, 6)
    order, _ = block_order(graph.indptr.astype(np.int64), graph.indices.astype(np.int32), 512)
    blocks = xy[order].reshape(16, 512, 2)
    # A square of 512 of these nodes is 22.6 wide; a stripe along the slide would be 90.
    assert np.ptp(blocks, axis=1).max() < 50
    assert np.median(np.ptp(blocks, axis=1)) < 32


def test_many_components_and_a_long_chain():
    chain = sp.diags([np.ones(699)], [1], shape=(700, 700))
    pairs = sp.block_diag([np.array([[0, 1], [0, 0]])] * 400)
    found = portrait(sp.block_diag([pairs, chain, sp.csr_matrix((5, 5))])).toarray()
    assert found.shape == (700, 3)
    assert found[0].tolist() == [0, 1505, 0]
    assert found[1].tolist() == [5, 802, 698]
    for level in range(2, 700):
        # Of a chain of 700, those within `level` of an end have one node there, or none.
        two = max(0, 700 - 2 * level)
        one = 2 * (700 - level) - 2 * two
        assert found[level].tolist() == [1505 - one - two, one, two]


def test_empty_graphs():
    empty, single = portrait(sp.csr_matrix((0, 0))), portrait(sp.csr_matrix((1, 1)))
    assert divergence(empty, empty) == 0.0
    assert divergence(empty, single) == divergence(single, empty) == 1.0
    assert divergence(single, single) == 0.0


def test_divergence_over_the_first_levels():
    b1 = portrait(delaunay(np.random.default_rng(0).random((60, 2))))
    b2 = portrait(knn(np.random.default_rng(1).random((60, 2)), 3))
    assert divergence(b1, b2, max_depth=2) == pytest.approx(divergence(b1[:3], b2[:3]))


def test_orders_are_permutations():
    graph = knn(np.random.default_rng(2).random((200, 2)), 2)
    order, bounds = block_order(graph.indptr.astype(np.int64), graph.indices, 32)
    assert sorted(order) == list(range(200))
    parts = connected_components(graph)[1][order]
    assert (np.flatnonzero(np.diff(parts)) + 1).tolist() == bounds[1:-1].tolist()
    xy = np.random.default_rng(2).random((300, 2)) * 1e-300
    assert sorted(hilbert_order(xy)) == list(range(300))
    assert hilbert_order(np.zeros((4, 2))).tolist() == [0, 1, 2, 3]


def test_hilbert_steps_are_short():
    xy = np.stack(np.meshgrid(np.arange(16.0), np.arange(16.0)), -1).reshape(-1, 2)
    steps = np.abs(np.diff(xy[hilbert_order(xy)], axis=0)).sum(axis=1)
    assert (steps == 1).all()


def test_progress_ends_at_all_sources_and_slices_do_not_matter(monkeypatch):
    graph = knn(np.random.default_rng(3).random((1300, 2)), 4)
    whole = portrait(graph)
    monkeypatch.setattr("vitrail.portrait.portraits.SLICE", 512)
    told = []
    members = np.arange(1300) % 13 > 0
    sliced = portrait(graph, progress=lambda *done: told.append(done))
    assert told == [(512, 1300), (1024, 1300), (1300, 1300)]
    assert (sliced != whole).nnz == 0
    portrait(graph, members=members, progress=lambda *done: told.append(done))
    assert told[3:] == [(512, 1200), (1024, 1200), (1200, 1200)]
