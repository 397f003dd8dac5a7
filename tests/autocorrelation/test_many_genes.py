"""Many genes of all frequencies: several words of bits, head and tail, against dense matrices."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from vitrail.autocorrelation import geary, moran, spatial_autocorrelation
from vitrail.autocorrelation.moments import gene_moments
from vitrail.autocorrelation.rows import pack_blocks
from vitrail.graph import knn

CELLS, GENES = 150, 330


def sparse_values(seed=0, dtype=np.float64):
    """Frequencies from no cell to all of them, in any order; values of both signs."""
    random = np.random.default_rng(seed)
    share = random.permutation(np.linspace(0, 1, GENES) ** 3)
    values = random.normal(size=(CELLS, GENES)).astype(dtype)
    return sp.csr_matrix(np.where(random.random((CELLS, GENES)) < share, values, 0))


def weights(seed=1):
    random = np.random.default_rng(seed)
    graph = knn(random.random((CELLS, 2)), 5, symmetric=False)
    graph.data = random.random(graph.nnz)
    return graph


def dense_statistics(values, w):
    """I and C of each column, by matrices."""
    z = values - values.mean(axis=0)
    squares = (z**2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        moran_i = CELLS / w.sum() * (z * (w @ z)).sum(axis=0) / squares
        spread = w.sum(axis=1) @ z**2 + w.sum(axis=0) @ z**2 - 2 * (z * (w @ z)).sum(axis=0)
        return moran_i, (CELLS - 1) / (2 * w.sum()) * spread / squares


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_are_those_of_dense_matrices(dtype):
    values, w = sparse_values(dtype=dtype), weights()
    found = spatial_autocorrelation(values, w)
    wanted = dense_statistics(values.toarray().astype(np.float64), w.toarray())
    for (_, table), column, value in zip(found.items(), "IC", wanted, strict=True):
        tested = table["reason"].isna().to_numpy()
        assert tested.sum() > 250
        assert np.allclose(table[column][tested], value[tested], rtol=1e-9, atol=1e-12)


def test_permutation_p_is_that_of_permuted_dense_matrices():
    values, w = sparse_values(), weights()
    dense, matrix = values.toarray(), w.toarray()
    found = spatial_autocorrelation(values, w, permutations=25, seed=4)
    expected = (-1 / (CELLS - 1), 1.0)
    observed = [
        np.abs(o - e) for o, e in zip(dense_statistics(dense, matrix), expected, strict=True)
    ]
    beyond = np.zeros((2, GENES))
    for number in range(25):
        order = np.random.default_rng([4, number]).permutation(CELLS)
        moved = dense_statistics(dense, matrix[np.ix_(order, order)])
        for row in range(2):
            beyond[row] += np.abs(moved[row] - expected[row]) >= observed[row] * (1 - 1e-9)
    for row, table in enumerate(found.values()):
        tested = table["reason"].isna().to_numpy()
        wanted = (beyond[row][tested] + 1) / 26
        assert np.array_equal(table["p_permutation"][tested], wanted)


def test_either_statistic_alone_is_the_same():
    values, w = sparse_values(), weights()
    both = spatial_autocorrelation(values, w, permutations=20)
    pd.testing.assert_frame_equal(moran(values, w, 20), both["moran"], check_exact=True)
    pd.testing.assert_frame_equal(geary(values, w, 20), both["geary"], check_exact=True)


@pytest.mark.parametrize("limit", ["BLOCK_VALUES", "BLOCK_WORDS"])
def test_blocks_give_the_same_bits(limit, monkeypatch):
    values, w = sparse_values(), weights()
    one = spatial_autocorrelation(values, w, permutations=12)
    monkeypatch.setattr(f"vitrail.autocorrelation.rows.{limit}", 2 * CELLS)
    blocks = list(pack_blocks(values, gene_moments(values)))
    assert len(blocks) > 2
    assert sorted(np.concatenate([block.genes for block in blocks])) == list(range(GENES))
    for name, table in spatial_autocorrelation(values, w, permutations=12, threads=3).items():
        pd.testing.assert_frame_equal(table, one[name], check_exact=True)
