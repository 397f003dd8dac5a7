import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from vitrail.autocorrelation import local
from vitrail.graph import knn

RNG = np.random.default_rng(6)
N = 200
XY = RNG.random((N, 2))
VALUES = np.column_stack([RNG.poisson(0.6, N), XY[:, 0] + 0.1 * RNG.normal(size=N)]).astype(float)
GENES = ["rare", "wave"]


def oracle(x, graph, standardised):
    import esda
    import libpysal

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        w = libpysal.weights.WSP(graph).to_W(silence_warnings=True)
        kind = "R" if standardised else "O"
        return esda.Moran_Local(x, w, transformation=kind, permutations=0)


@pytest.mark.parametrize("graph", [knn(XY, 5), knn(XY, 4, symmetric=False)])
@pytest.mark.parametrize("standardised", [False, True])
def test_values_moments_and_quadrants_are_those_of_esda(graph, standardised):
    tables = local(sp.csr_matrix(VALUES), graph, GENES, row_standardised=standardised, genes=GENES)
    for gene, x in zip(GENES, VALUES.T, strict=True):
        found, wanted = tables[gene], oracle(x, graph, standardised)
        factor = (N - 1) / N  # esda's moments belong to n z_i / sum z^2, its I to (n - 1)
        assert np.allclose(found["I"], wanted.Is, rtol=1e-9)
        assert np.allclose(found["expected"], wanted.EIc * factor, rtol=1e-9)
        assert np.allclose(found["variance"], wanted.VIc * factor**2, rtol=1e-9)
        assert found["quadrant"].tolist() == wanted.q.tolist()


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_conditional_p_is_that_of_all_arrangements(alternative):
    random = np.random.default_rng(1)
    x = random.normal(size=8)
    graph = sp.csr_matrix(np.kron(np.eye(2), 1 - np.eye(4)) * np.arange(1.0, 9.0))
    weights = graph.toarray()
    found = local(x[:, None], graph, ["g"], 20000, 0, genes=["g"], alternative=alternative)["g"]
    z = x - x.mean()
    sign = {"two-sided": np.abs, "greater": np.positive, "less": np.negative}[alternative]
    for cell in range(8):
        neighbours = np.flatnonzero(weights[cell])
        w = weights[cell, neighbours]
        others = np.delete(z, cell)
        every = np.array([z[cell] * (w @ np.array(d)) for d in itertools.permutations(others, 3)])
        observed = z[cell] * (w @ z[neighbours])
        beyond = sign(every - every.mean()) >= sign(observed - every.mean()) - 1e-9
        # Standard error 0.0035 at most.
        assert found["p_permutation"].iloc[cell] == pytest.approx(beyond.mean(), abs=0.015)


def test_null_cells_are_rejected_at_the_level():
    x = np.random.default_rng(8).normal(size=(1500, 4))
    xy = np.random.default_rng(9).random((1500, 2))
    tables = local(x, knn(xy, 6), list("abcd"), 199, genes=list("abcd"))
    rejected = np.mean([(t["p_permutation"] <= 0.05).mean() for t in tables.values()])
    assert abs(rejected - 0.05) < 0.02


def test_islands_constant_genes_and_threads():
    graph = knn(XY, 4).tolil()
    graph[3], graph[:, 3] = 0, 0
    graph = graph.tocsr()
    values = np.column_stack([VALUES, np.ones(N)])
    names = [*GENES, "flat"]
    one = local(values, graph, names, 19, genes=names, threads=1)
    assert np.isnan(one["wave"]["p_permutation"].iloc[3])
    assert one["wave"]["quadrant"].iloc[3] == 0
    assert one["wave"].drop(index=3).notna().all(axis=None)
    assert one["flat"].drop(columns="quadrant").isna().all(axis=None)
    other = local(values, graph, names, 19, genes=names, threads=3)
    for name in names:
        pd.testing.assert_frame_equal(one[name], other[name], check_exact=True)


@pytest.mark.parametrize("n", [0, 1, 3])
def test_too_few_cells(n):
    table = local(np.ones((n, 1)), sp.csr_matrix((n, n)), ["g"], 9, genes=["g"])["g"]
    assert len(table) == n
    assert table["I"].isna().all()
