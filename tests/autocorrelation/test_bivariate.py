import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from vitrail.autocorrelation import bivariate, moran
from vitrail.errors import VitrailError
from vitrail.graph import knn, radius

RNG = np.random.default_rng(5)
N = 250
XY = RNG.random((N, 2))
VALUES = np.column_stack(
    [RNG.poisson(0.2, N), RNG.poisson(3.0, N), XY[:, 0], XY[:, 0] + 0.2 * RNG.normal(size=N)]
).astype(float)
GENES = list("abcd")
PAIRS = [("a", "b"), ("b", "a"), ("c", "d"), ("d", "d")]


@pytest.mark.parametrize("graph", [knn(XY, 5), knn(XY, 4, symmetric=False)])
@pytest.mark.parametrize("standardised", [False, True])
def test_value_is_that_of_esda(graph, standardised):
    import esda
    import libpysal

    found = bivariate(
        sp.csr_matrix(VALUES), graph, PAIRS, row_standardised=standardised, genes=GENES
    )
    w = libpysal.weights.WSP(graph).to_W(silence_warnings=True)
    for row, (x, y) in enumerate(PAIRS):
        oracle = esda.Moran_BV(
            VALUES[:, GENES.index(x)], VALUES[:, GENES.index(y)], w,
            transformation="R" if standardised else "O", permutations=0,
        )  # fmt: skip
        # esda leaves out n / s0, which is 1 for standardised rows.
        s0 = N if standardised else graph.sum()
        assert found["I"].iloc[row] == pytest.approx(oracle.I * N / s0, rel=1e-9)


def test_a_gene_with_itself_is_morans_i():
    graph = knn(XY, 5)
    found = bivariate(VALUES, graph, [(g, g) for g in GENES], genes=GENES)
    assert np.allclose(found["I"], moran(VALUES, graph)["I"], rtol=1e-12)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_permutations_by_definition(alternative):
    graph = radius(XY, 0.05)
    w = graph.toarray()
    found = bivariate(
        VALUES, graph, PAIRS, permutations=80, seed=4, genes=GENES, alternative=alternative
    )
    for row, (x, y) in enumerate(PAIRS):
        zx, zy = (VALUES[:, GENES.index(g)] - VALUES[:, GENES.index(g)].mean() for g in (x, y))
        sign = {"two-sided": np.abs, "greater": np.positive, "less": np.negative}[alternative]
        beyond = 0
        for number in range(80):
            order = np.random.default_rng([4, number]).permutation(N)
            moved = np.empty(N)
            moved[order] = zy
            beyond += sign(zx @ w @ moved) >= sign(zx @ w @ zy) - 1e-9
        assert found["p_permutation"].iloc[row] == pytest.approx((beyond + 1) / 81)


def test_variance_is_that_of_all_permutations():
    from itertools import permutations

    random = np.random.default_rng(0)
    x, y = random.normal(size=(2, 6))
    w = np.triu((random.random((6, 6)) < 0.5).astype(float), 1)
    found = bivariate(np.column_stack([x, y]), w, [("x", "y")], genes=["x", "y"]).iloc[0]
    zx, zy = x - x.mean(), y - y.mean()
    scale = 6 / w.sum() / np.sqrt(zx @ zx * (zy @ zy))
    every = np.array([scale * (zx @ w @ zy[list(order)]) for order in permutations(range(6))])
    assert every.mean() == pytest.approx(found["expected"], abs=1e-12)
    assert every.var() == pytest.approx(found["variance"], rel=1e-9)


def test_threads_blocks_and_empty(monkeypatch):
    graph = knn(XY, 5)
    one = bivariate(VALUES, graph, PAIRS, 30, genes=GENES, threads=1)
    pd.testing.assert_frame_equal(
        one, bivariate(VALUES, graph, PAIRS, 30, genes=GENES, threads=3), check_exact=True
    )
    monkeypatch.setattr("vitrail.autocorrelation.cross_moran.BLOCK", 1)
    pd.testing.assert_frame_equal(one, bivariate(VALUES, graph, PAIRS, 30, genes=GENES))
    assert bivariate(VALUES, graph, [], 9, genes=GENES).empty
    assert one["p_permutation"].iloc[2] == 1 / 31


def test_reasons_and_errors():
    values = np.column_stack([VALUES, np.ones(N)])
    found = bivariate(values, knn(XY, 5), [("a", "k"), ("a", "b")], 9, genes=[*GENES, "k"])
    assert found["reason"].tolist() == ["constant", None]
    assert np.isnan(found["I"].iloc[0])
    assert (
        bivariate(VALUES, sp.csr_matrix((N, N)), PAIRS, 9, genes=GENES)["reason"]
        .eq("no edges")
        .all()
    )
    with pytest.raises(VitrailError, match="no gene 'q'"):
        bivariate(VALUES, knn(XY, 5), [("a", "q")], genes=GENES)
    with pytest.raises(VitrailError, match="found alternative 'both', wanted one of two-sided"):
        bivariate(VALUES, knn(XY, 5), PAIRS, genes=GENES, alternative="both")
