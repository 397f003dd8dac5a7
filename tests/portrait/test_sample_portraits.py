import numpy as np
import pytest
import scipy.sparse as sp
from portrait_oracle import portrait_by_definition
from scipy.sparse.csgraph import shortest_path

from vitrail.errors import VitrailError
from vitrail.graph import build, knn
from vitrail.io.portraits import read_portraits, write_portraits
from vitrail.portrait import divergence, portrait
from vitrail.portrait.arrangement import expected_pairs, pair_counts, profile
from vitrail.portrait.pairwise import pair_divergences, split_divergences, stack
from vitrail.portrait.sample import Entries, sample_portraits
from vitrail.portrait.windows import draw_windows

RNG = np.random.default_rng(11)
XY = RNG.random((400, 2)) * 300
TYPES = RNG.choice([0, 1, 2, -1], 400, p=[0.5, 0.3, 0.1, 0.1])
NAMES = ["tumour", "T cell", "stroma"]


def made(**settings):
    settings = {"windows": 4, "window_cells": 50, "shuffles": 3, **settings}
    return sample_portraits(knn(XY, 5), XY, types=(TYPES, NAMES), **settings)


def test_whole_portraits_are_those_of_the_subgraphs():
    found = made()
    assert found.types == ("T cell", "stroma", "tumour")
    assert found.cells.tolist() == [(code == TYPES).sum() for code in (1, 2, 0)]
    graph = knn(XY, 5)
    assert (found.whole.portrait(0) != portrait(graph)).nnz == 0
    for group, code in enumerate((1, 2, 0), start=1):
        own = np.flatnonzero(code == TYPES)
        wanted = portrait_by_definition(graph[own][:, own].toarray())
        assert np.array_equal(found.whole.portrait(group).toarray(), wanted)


def test_windows_are_subgraphs_of_neighbouring_cells():
    found = made(seed=5)
    windows = draw_windows(XY, 4, 50, 5)
    graph = knn(XY, 5)
    for number, window in enumerate(windows):
        distance = np.linalg.norm(XY - XY[window[0]], axis=1)
        assert set(window) == set(np.argsort(distance, kind="stable")[:50])
        wanted = portrait_by_definition(graph[window][:, window].toarray())
        assert np.array_equal(found.windows.portrait(number).toarray(), wanted)
    parts = [graph[w][:, w] for w in windows]
    joined, inside = sp.block_diag(parts, format="csr"), TYPES[windows.ravel()]
    for group, code in enumerate((1, 2, 0)):
        own = np.flatnonzero(inside == code)
        wanted = portrait_by_definition(joined[own][:, own].toarray())
        assert np.array_equal(found.typed.portrait(group).toarray(), wanted)


def test_windows_are_spread_and_drawn_by_seed():
    xy = RNG.random((5000, 2))
    windows = draw_windows(xy, 16, 100, 0)
    assert windows.shape == (16, 100)
    # 1,600 of 5,000 cells, spread: hardly any cell is in two windows.
    assert np.unique(windows).size > 1400
    assert not np.array_equal(windows, draw_windows(xy, 16, 100, 1))
    assert np.array_equal(windows, draw_windows(xy, 16, 100, 0))


def test_a_sample_smaller_than_a_window_has_none():
    found = made(window_cells=401)
    assert found.windows.key.size == found.typed.key.size == found.shuffled.key.size == 0
    assert found.whole.key.size > 0
    assert made(window_cells=400).windows.key.size > 0


def test_shuffles_keep_the_numbers_of_cells():
    found = made(window_cells=400, windows=1, shuffles=5)
    for group in range(15):
        b = found.shuffled.portrait(group)
        assert b[0].sum() == found.cells[group % 3]
    first = found.shuffled.portrait(0)
    assert divergence(first, found.typed.portrait(0)) > 0
    assert all(divergence(first, found.shuffled.portrait(3 * r)) > 0 for r in range(1, 5))


def test_failed_and_untyped_cells():
    passed = np.ones(400, bool)
    passed[:100] = False
    graph = build(XY, passed)
    found = sample_portraits(graph, XY, passed, (TYPES, NAMES), window_cells=50)
    assert found.meta["cells"] == 300
    assert found.cells.sum() == (TYPES[100:] >= 0).sum()
    none = sample_portraits(graph, XY, passed, (np.full(400, -1), NAMES), window_cells=50)
    assert none.types == ()
    assert none.shuffled.key.size == 0


@pytest.mark.parametrize("n", [0, 1, 2])
def test_hardly_any_cells(n):
    found = sample_portraits(sp.csr_matrix((n, n)), np.zeros((n, 2)), types=(np.zeros(n), ["a"]))
    assert found.meta["cells"] == n
    assert found.cells.sum() == n


def test_graph_of_other_size():
    with pytest.raises(VitrailError, match="graph of 3 nodes, wanted one for each of the 4 cells"):
        sample_portraits(sp.csr_matrix((3, 3)), np.zeros((4, 2)))


def test_pairs_by_type_and_distance():
    graph = knn(XY, 4)
    counts = pair_counts(graph, TYPES, 3, 3)
    steps = shortest_path(graph, unweighted=True)
    for level in range(3):
        for a in range(3):
            for b in range(3):
                near = steps[np.ix_(a == TYPES, b == TYPES)] == level + 1
                assert counts[level, a, b] == near.sum()


def test_expectation_of_pairs_is_the_mean_over_shuffles():
    graph = knn(XY[:60], 4)
    types = TYPES[:60]
    cells = np.bincount(types[types >= 0], minlength=3)
    observed = pair_counts(graph, types, 3, 2)
    typed = np.flatnonzero(types >= 0)
    mean = np.zeros_like(observed, dtype=float)
    for seed in range(2000):
        shuffled = types.copy()
        shuffled[typed] = np.random.default_rng(seed).permutation(types[typed])
        mean += pair_counts(graph, shuffled, 3, 2) / 2000
    assert np.allclose(mean, expected_pairs(observed, cells), rtol=0.05, atol=0.6)


def test_profile_tells_who_seeks_whom():
    xy = np.stack(np.meshgrid(np.arange(20.0), np.arange(20.0)), -1).reshape(-1, 2)
    graph = build(xy, kind="radius", radius_um=1.0).connectivities
    checker = ((xy[:, 0] + xy[:, 1]) % 2).astype(int)
    halves = (xy[:, 0] >= 10).astype(int)
    cells = np.array([200, 200])
    mixed = profile(pair_counts(graph, checker, 2, 1), cells, 10)[0]
    apart = profile(pair_counts(graph, halves, 2, 1), cells, 10)[0]
    assert mixed[0, 0] < -0.9
    assert mixed[0, 1] > 0.3
    assert apart[0, 0] > 0.25
    assert apart[0, 1] < -0.8
    random = np.random.default_rng(0).permutation(checker)
    assert np.abs(profile(pair_counts(graph, random, 2, 1), cells, 10)).max() < 0.1


def stacked(portraits):
    entries, rows = [], []
    for row, b in enumerate(portraits):
        coo = sp.coo_matrix(b)
        own = coo.col > 0
        key = coo.row[own].astype(np.int64) * 2**31 + coo.col[own]
        order = np.argsort(key)
        entries.append(Entries(np.zeros(key.size, np.int64), key[order], coo.data[own][order]))
        rows.append(np.array([row]))
    return stack(entries, rows, len(portraits))


def test_all_pairs_equal_one_by_one():
    portraits = [
        portrait(knn(RNG.random((n, 2)), k)) for n, k in ((30, 2), (80, 3), (55, 4), (1, 1))
    ]
    portraits.append(portrait(sp.csr_matrix((0, 0))))
    a, b = np.meshgrid(range(5), range(5))
    found = pair_divergences(stacked(portraits), a, b)
    wanted = [
        divergence(portraits[i], portraits[j]) for i, j in zip(a.ravel(), b.ravel(), strict=True)
    ]
    assert np.allclose(found, wanted, atol=1e-12)


def test_groups_that_share_a_row_are_added():
    found = made()
    masses = stack([found.windows, found.windows], [np.zeros(4, int), np.array([1, -1, 1, 1])], 2)
    parts = [found.windows.portrait(w) for w in range(4)]
    shape = np.max([b.shape for b in parts], axis=0)
    for b in parts:
        b.resize(shape)
    wanted = divergence(sum(parts), parts[0] + parts[2] + parts[3])
    assert wanted > 0
    assert pair_divergences(masses, [0], [1])[0] == pytest.approx(wanted, abs=1e-12)


def test_dealt_windows_by_definition():
    portraits = [portrait(knn(RNG.random((20, 2)), 3)).toarray() for _ in range(6)]
    deal = np.array([[True, False, False, True, True, False], [True] * 3 + [False] * 3])
    found = split_divergences(stacked(portraits), [0], [1], 3, deal)
    shape = np.max([b.shape for b in portraits], axis=0)
    padded = [
        np.pad(b, ((0, shape[0] - b.shape[0]), (0, shape[1] - b.shape[1]))) for b in portraits
    ]
    for number, sides in enumerate(deal):
        one = sum(b for b, side in zip(padded, sides, strict=True) if side)
        two = sum(b for b, side in zip(padded, sides, strict=True) if not side)
        assert found[0, number] == pytest.approx(divergence(one, two), abs=1e-12)


def test_file_round_trip_and_equal_bytes(tmp_path):
    portraits = made()
    for name in ("a.npz", "b.npz"):
        write_portraits(tmp_path / name, portraits, {"stage": "portrait"})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    read = read_portraits(tmp_path / "a.npz")
    assert read.types == portraits.types
    assert read.meta == {**portraits.meta, "provenance": {"stage": "portrait"}}
    assert np.array_equal(read.pairs, portraits.pairs)
    for name in ("whole", "windows", "typed", "shuffled"):
        for part in ("group", "key", "number"):
            assert np.array_equal(
                getattr(getattr(read, name), part), getattr(getattr(portraits, name), part)
            )


def test_any_number_of_threads_gives_the_same_portraits():
    one, three = made(threads=1), made(threads=3)
    assert np.array_equal(one.whole.key, three.whole.key)
    assert np.array_equal(one.whole.number, three.whole.number)
