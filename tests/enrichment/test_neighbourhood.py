import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrail.enrichment import neighbourhood_enrichment
from vitrail.errors import VitrailError
from vitrail.graph import delaunay, knn

RNG = np.random.default_rng(5)


def matrices(table, column, k):
    return table[column].to_numpy().reshape(k, k)


def by_definition(adjacency, codes, k):
    """Count the edges of each arrangement of the types over the typed cells, all of them."""
    typed = np.flatnonzero(codes >= 0)
    counts = []
    for order in itertools.permutations(codes[typed]):
        drawn = codes.copy()
        drawn[typed] = order
        onehot = (drawn[:, None] == np.arange(k)).astype(float)
        counts.append(onehot.T @ adjacency @ onehot)
    return np.array(counts)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 6), st.booleans(), st.booleans())
def test_moments_are_those_of_all_permutations(seed, n, directed, some_focal):
    random = np.random.default_rng(seed)
    adjacency = (random.random((n, n)) < 0.5).astype(float)
    np.fill_diagonal(adjacency, 0)
    if not directed:
        adjacency = np.maximum(adjacency, adjacency.T)
    codes = random.integers(-1, 3, n)
    focal = random.random(n) < 0.5 if some_focal else None
    table = neighbourhood_enrichment(adjacency, codes, "abc", permutations=0, focal=focal)
    # Cells of unknown type stay where they are, so that all arrangements share these edges.
    typed = codes >= 0
    begins = typed if focal is None else typed & focal
    kept = adjacency * begins[:, None] * typed[None, :]
    everything = by_definition(kept, codes, 3)
    assert np.array_equal(matrices(table, "count", 3), everything[0])
    assert np.allclose(matrices(table, "expected", 3), everything.mean(axis=0), atol=1e-12)
    if typed.sum() >= 2:
        assert np.allclose(matrices(table, "sd", 3), everything.std(axis=0), atol=1e-6)


def test_permutations_agree_with_the_moments_and_with_any_threads():
    xy = RNG.random((400, 2))
    codes = (xy[:, 0] * 3 + RNG.normal(0, 0.7, 400)).astype(int).clip(0, 2)
    codes[:20] = -1
    tables = [
        neighbourhood_enrichment(knn(xy, 6), codes, "abc", 2000, 3, threads=t) for t in (1, 3)
    ]
    pd.testing.assert_frame_equal(*tables)
    table = tables[0]
    error = (table["permuted_mean"] - table["expected"]) / (table["sd"] / np.sqrt(2000))
    assert error.abs().max() < 5
    assert np.allclose(table["permuted_sd"], table["sd"], rtol=0.1)
    assert np.diagonal(matrices(table, "z", 3))[[0, 2]].min() > 10
    assert matrices(table, "z", 3)[0, 2] < -10
    assert table["p_permutation"].min() == 1 / 2001


def test_random_types_are_rejected_at_the_level_asked_for():
    graph = delaunay(RNG.random((300, 2)))
    p = [
        neighbourhood_enrichment(graph, RNG.integers(0, 2, 300), "ab", 99, seed)["p_permutation"][0]
        for seed in range(300)
    ]
    assert 0.02 < np.mean(np.array(p) <= 0.05) < 0.09


def test_squidpy_counts_and_scores_alike():
    import anndata as ad
    import squidpy as sq

    xy = RNG.random((500, 2))
    types = pd.Categorical(np.array(["x", "y", "z"])[(xy[:, 0] * 2 + RNG.random(500)).astype(int)])
    for graph in (knn(xy, 5), knn(xy, 5, symmetric=False)):
        adata = ad.AnnData(
            np.zeros((500, 1)), obs=pd.DataFrame({"t": types}, index=[str(i) for i in range(500)])
        )
        adata.obsp["spatial_connectivities"] = graph
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = sq.gr.nhood_enrichment(
                adata, "t", n_perms=2000, seed=1, copy=True, show_progress_bar=False, n_jobs=1
            )
        own = neighbourhood_enrichment(graph, list(types), permutations=0)
        assert np.array_equal(theirs.counts, matrices(own, "count", 3))
        # Their moments are drawn, ours are exact.
        assert np.allclose(theirs.zscore, matrices(own, "z", 3), rtol=0.1, atol=0.3)


def test_undirected_pairs_are_one_test_each():
    xy = RNG.random((200, 2))
    table = neighbourhood_enrichment(knn(xy, 4), RNG.integers(0, 4, 200), "abcd", 99)
    fdr = matrices(table, "fdr", 4)
    assert np.array_equal(fdr, fdr.T)
    assert (table["fdr"] >= table["p_permutation"]).all()


def test_border_cells_are_neighbours_only():
    line = sp.csr_matrix(np.diag(np.ones(3), 1) + np.diag(np.ones(3), -1))
    focal = np.array([False, True, True, False])
    table = neighbourhood_enrichment(line, ["a", "b", "b", "a"], permutations=0, focal=focal)
    assert matrices(table, "count", 2).tolist() == [[0, 0], [2, 2]]


def test_nothing_to_count():
    empty = sp.csr_matrix((4, 4))
    table = neighbourhood_enrichment(empty, [0, 0, 1, -1], "ab", 9)
    assert table["count"].tolist() == [0, 0, 0, 0]
    assert table["z"].isna().all()
    assert table["p_permutation"].isna().all()
    assert len(neighbourhood_enrichment(sp.csr_matrix((0, 0)), [], (), 9)) == 0
    alone = neighbourhood_enrichment(knn(RNG.random((9, 2)), 2), [0] * 9, "a", 9)
    assert alone["ratio"].tolist() == [1.0]
    assert alone["z"].isna().all()


def test_wrong_types_are_named():
    with pytest.raises(VitrailError, match=r"row 1: found code 2, wanted -1 to 1"):
        neighbourhood_enrichment(sp.csr_matrix((2, 2)), [0, 2], "ab")
    with pytest.raises(VitrailError, match=r"shape \(1,\), wanted one type for each of 2 cells"):
        neighbourhood_enrichment(sp.csr_matrix((2, 2)), [0], "ab")
