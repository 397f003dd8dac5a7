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
