import numpy as np
import pytest
import scipy.sparse as sp

from vitrail.autocorrelation import geary, moran, spatial_autocorrelation
from vitrail.errors import VitrailError
from vitrail.graph import knn


def field(seed, cells=1500, null=120, planted=20):
    """Counts without arrangement, then genes whose mean follows the position."""
    random = np.random.default_rng(seed)
    xy = random.random((cells, 2))
    rates = random.gamma(0.5, 1.0, null)
    wave = 1 + 0.9 * np.sin(2 * np.pi * 2 * xy[:, :1])
    counts = np.hstack(
        [random.poisson(rates, (cells, null)), random.poisson(wave * np.ones(planted))]
    )
    return xy, sp.csr_matrix(np.log1p(counts))


def test_null_genes_are_rejected_at_the_level():
    rejected = []
    for seed in range(6):
        xy, values = field(seed)
        tables = spatial_autocorrelation(values[:, :120], knn(xy, 6), permutations=199, seed=seed)
        rejected.append([(t["p_permutation"] <= 0.05).mean() for t in tables.values()])
    # 720 tests: 0.05 +- 3 standard errors of 0.008.
    assert (np.abs(np.mean(rejected, axis=0) - 0.05) < 0.025).all()


@pytest.mark.parametrize(("permutations", "seeds"), [(0, 24), (499, 6)])
def test_planted_genes_are_found_at_the_promised_rate(permutations, seeds):
    false = []
    for seed in range(seeds):
        xy, values = field(seed, cells=800)
        hits = np.flatnonzero(moran(values, knn(xy, 6), permutations, seed)["fdr"] <= 0.05)
        false.append((hits < 120).sum() / len(hits))
        assert (hits >= 120).sum() == 20
    # 120 of 140 genes are null: 0.043 is expected, with a standard deviation of 0.04 a draw.
    assert np.mean(false) <= 0.043 + 3 * 0.04 / seeds**0.5


def test_signs():
    line = np.arange(50.0)
    xy = np.column_stack([line, np.zeros(50)])
    values = np.column_stack([line, line % 2])
    graph = knn(xy, 2)
    assert moran(values, graph)["z"].tolist()[0] > 3 > -3 > moran(values, graph)["z"].tolist()[1]
    assert geary(values, graph)["C"].tolist()[0] < 1 < geary(values, graph)["C"].tolist()[1]


def test_constant_genes_are_rows_with_a_reason():
    xy = np.random.default_rng(0).random((40, 2))
    values = np.column_stack([np.zeros(40), np.full(40, 0.1), xy[:, 0]])
    for table in spatial_autocorrelation(values, knn(xy, 4), permutations=19).values():
        assert table["reason"].tolist() == ["constant", "constant", None]
        assert table.drop(columns="reason").iloc[:2].isna().all(axis=None)
        assert table.drop(columns="reason").iloc[2].notna().all()
        assert table["fdr"].iloc[2] == table["p_permutation"].iloc[2]


@pytest.mark.parametrize(
    ("n", "edges", "reason"),
    [(0, False, "fewer than 4 cells"), (3, True, "fewer than 4 cells"), (10, False, "no edges")],
)
def test_too_little_for_any_gene(n, edges, reason):
    values = np.random.default_rng(0).random((n, 2))
    graph = knn(values, 2) if edges else sp.csr_matrix((n, n))
    table = moran(values, graph, permutations=9)
    assert table["reason"].tolist() == [reason] * 2
    assert table["I"].isna().all()
    assert table["p_permutation"].isna().all()


def test_no_genes():
    table = moran(sp.csr_matrix((30, 0)), knn(np.random.default_rng(0).random((30, 2)), 3), 9)
    assert table.empty
    assert "p_permutation" in table


def test_rare_gene_has_no_p_below_what_permutations_can_tell():
    # One expressing cell: every permutation ties with the next of the same degree.
    xy = np.random.default_rng(1).random((100, 2))
    values = np.zeros((100, 1))
    values[3] = 2.5
    table = moran(values, knn(xy, 4, symmetric=False), 99)
    assert table["p_permutation"].iloc[0] > 0.05


def test_wrong_input_is_named():
    values, graph = np.ones((4, 2)), sp.csr_matrix((4, 4))
    values[2, 1] = np.nan
    with pytest.raises(VitrailError, match="gene b: found NaN or inf"):
        moran(values, graph, genes=["a", "b"])
    with pytest.raises(VitrailError, match=r"weights of shape \(4, 4\), wanted \(3, 3\)"):
        moran(np.ones((3, 1)), graph)
    with pytest.raises(VitrailError, match="found 1 names, wanted 2"):
        moran(np.ones((4, 2)), graph, genes=["a"])
