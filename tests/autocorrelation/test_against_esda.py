import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from vitrail.autocorrelation import geary, moran, spatial_autocorrelation
from vitrail.graph import delaunay, knn, radius

RNG = np.random.default_rng(21)
N = 300
XY = RNG.random((N, 2))


def weighted():
    graph = knn(XY, 5, symmetric=False)
    graph.data = RNG.random(graph.nnz)
    return graph


GRAPHS = {
    "union of neighbours": knn(XY, 5),
    "directed": knn(XY, 5, symmetric=False),
    "islands": radius(XY, 0.045),
    "delaunay": delaunay(XY),
    "weighted": weighted(),
}
VALUES = np.column_stack(
    [
        np.log1p(RNG.poisson(0.05, N)),  # rare
        np.log1p(RNG.poisson(1.0, N)),
        RNG.normal(size=N) + 1000.0,  # large mean: subtraction would cost digits
        XY[:, 0] + 0.1 * RNG.normal(size=N),  # spatial
        np.where(RNG.random(N) < 0.5, 0.0, RNG.lognormal(size=N)),
        -RNG.lognormal(size=N),
    ]
)


@pytest.mark.parametrize("standardised", [False, True])
@pytest.mark.parametrize("name", GRAPHS)
def test_values_and_moments(name, standardised):
    import esda
    import libpysal

    graph = GRAPHS[name]
    found = spatial_autocorrelation(sp.csr_matrix(VALUES), graph, row_standardised=standardised)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        w = libpysal.weights.WSP(graph).to_W(silence_warnings=True)
        kind = "R" if standardised else "O"
        for gene in range(VALUES.shape[1]):
            oracle = esda.Moran(VALUES[:, gene], w, transformation=kind, permutations=0)
            row = found["moran"].iloc[gene]
            for ours, theirs in {
                "I": oracle.I,
                "expected": oracle.EI,
                "variance": oracle.VI_rand,
                "variance_normal": oracle.VI_norm,
                "z": oracle.z_rand,
                "z_normal": oracle.z_norm,
                "p": oracle.p_rand,
                "p_normal": oracle.p_norm,
            }.items():
                assert row[ours] == pytest.approx(theirs, rel=1e-9), (gene, ours)
            oracle = esda.Geary(VALUES[:, gene], w, transformation=kind, permutations=0)
            row = found["geary"].iloc[gene]
            for ours, theirs in {
                "C": oracle.C,
                "expected": oracle.EC,
                "variance": oracle.VC_rand,
                "variance_normal": oracle.VC_norm,
                "z": oracle.z_rand,
                "p": 2 * oracle.p_rand,  # esda's is one-sided
            }.items():
                assert row[ours] == pytest.approx(theirs, rel=1e-9), (gene, ours)


def by_definition(x, w):
    z = x - x.mean()
    moran_i = len(x) / w.sum() * (z @ w @ z) / (z @ z)
    difference = (x[:, None] - x[None]) ** 2
    return moran_i, (len(x) - 1) / (2 * w.sum()) * (w * difference).sum() / (z @ z)


@pytest.mark.parametrize("name", ["directed", "weighted", "islands"])
def test_permutation_p_by_definition(name):
    w = GRAPHS[name].toarray()
    found = spatial_autocorrelation(VALUES, GRAPHS[name], permutations=60, seed=3)
    expected = (-1 / (N - 1), 1.0)
    for gene in range(VALUES.shape[1]):
        x = VALUES[:, gene]
        observed = np.abs(np.subtract(by_definition(x, w), expected))
        beyond = np.zeros(2)
        for number in range(60):
            order = np.random.default_rng([3, number]).permutation(N)
            # Rows and columns of W together.
            moved = by_definition(x, w[np.ix_(order, order)])
            beyond += np.abs(np.subtract(moved, expected)) >= observed * (1 - 1e-9)
        wanted = (beyond + 1) / 61
        assert found["moran"]["p_permutation"].iloc[gene] == pytest.approx(wanted[0])
        assert found["geary"]["p_permutation"].iloc[gene] == pytest.approx(wanted[1])


def test_dense_sparse_and_frame_are_the_same():
    frame = pd.DataFrame(VALUES, columns=list("abcdef"))
    graph = GRAPHS["delaunay"]
    one = moran(frame, graph, 20)
    assert list(one.index) == list("abcdef")
    for other in (VALUES, sp.csr_matrix(VALUES), sp.csc_matrix(VALUES), sp.coo_matrix(VALUES)):
        pd.testing.assert_frame_equal(
            one.reset_index(drop=True), moran(other, graph, 20).reset_index(drop=True)
        )
    pd.testing.assert_frame_equal(one, moran(frame, graph.toarray(), 20))


def test_any_number_of_threads_gives_the_same_table():
    graph = GRAPHS["directed"]
    for function in (moran, geary):
        one = function(VALUES, graph, 50, threads=1)
        pd.testing.assert_frame_equal(one, function(VALUES, graph, 50, threads=3), check_exact=True)


def test_inputs_are_left_as_they_are():
    counts, graph = sp.csr_matrix(VALUES), GRAPHS["directed"].copy()
    graph.setdiag(1.0)
    before = graph.copy()
    moran(counts, graph, 3, row_standardised=True)
    assert (graph != before).nnz == 0
    assert np.array_equal(counts.toarray(), VALUES)


@pytest.mark.parametrize("alternative", ["greater", "less"])
def test_one_sided_p(alternative):
    import libpysal
    from esda import Moran
    from scipy.stats import norm

    graph = GRAPHS["directed"]
    found = spatial_autocorrelation(VALUES, graph, 60, 3, alternative=alternative)
    other = spatial_autocorrelation(VALUES, graph, 60, 3)
    w = libpysal.weights.WSP(graph).to_W(silence_warnings=True)
    tail = norm.sf if alternative == "greater" else norm.cdf
    for gene in range(VALUES.shape[1]):
        oracle = Moran(VALUES[:, gene], w, transformation="O", two_tailed=False, permutations=0)
        p = found["moran"]["p"].iloc[gene]
        assert p == pytest.approx(tail(oracle.z_rand), rel=1e-9)
        # esda's one-sided p is that of the side on which the statistic lies.
        assert min(p, 1 - p) == pytest.approx(oracle.p_rand, rel=1e-9)
    assert found["moran"]["p"].iloc[3] in (found["moran"]["p"].min(), found["moran"]["p"].max())
    assert np.array_equal(found["moran"]["z"], other["moran"]["z"])


@pytest.mark.parametrize("statistic", ["moran", "geary"])
def test_both_sides_hold_every_permutation(statistic):
    counts = [
        spatial_autocorrelation(VALUES, GRAPHS["weighted"], 50, 2, alternative=side)[statistic][
            "p_permutation"
        ]
        * 51
        - 1
        for side in ("greater", "less")
    ]
    # Without ties each permutation lies on one side; the first gene has few values and may tie.
    assert np.allclose(np.sum(counts, axis=0)[1:], 50)
    assert np.sum(counts, axis=0)[0] >= 50 - 1e-9


def test_blocks_of_genes_and_order_of_cells_do_not_matter(monkeypatch):
    graph = GRAPHS["weighted"]
    one = spatial_autocorrelation(VALUES, graph, 30)
    monkeypatch.setattr("vitrail.autocorrelation.rows.BLOCK_VALUES", 300)
    for name, table in spatial_autocorrelation(VALUES, graph, 30).items():
        pd.testing.assert_frame_equal(table, one[name])
    order = np.random.default_rng(0).permutation(N)
    moved = spatial_autocorrelation(VALUES[order], graph[order][:, order])
    for name, table in moved.items():
        pd.testing.assert_frame_equal(
            table[["expected", "variance", "z"]], one[name][["expected", "variance", "z"]]
        )


def test_single_and_double_precision_input():
    single = VALUES.astype(np.float32)
    for integers in (np.round(VALUES), single):
        a = moran(sp.csr_matrix(integers), GRAPHS["directed"], 40)
        b = moran(sp.csr_matrix(integers.astype(np.float64)), GRAPHS["directed"], 40)
        pd.testing.assert_frame_equal(a, b)
    # A value that single precision does not hold is not rounded.
    one = moran(single.astype(np.float64) + 1e-12, GRAPHS["directed"])
    assert not np.array_equal(one["I"], moran(single, GRAPHS["directed"])["I"])


def test_rows_that_are_not_sorted_and_hold_zeros():
    messy = sp.csr_matrix(
        (np.array([1.0, 0.0, 2.0, 1.0, 3.0, 1.0]), [2, 0, 1, 1, 0, 2], [0, 2, 4, 5, 6, 6, 6]),
        shape=(6, 3),
    )
    graph = knn(np.arange(12.0).reshape(6, 2), 2)
    pd.testing.assert_frame_equal(moran(messy, graph, 20), moran(messy.toarray(), graph, 20))
    assert messy.nnz == 6
