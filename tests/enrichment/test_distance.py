import warnings

import numpy as np
import pandas as pd
import pytest

from vitrail.enrichment import co_occurrence, neighbourhood_enrichment
from vitrail.errors import VitrailError

RNG = np.random.default_rng(8)


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("some_focal", [False, True])
def test_each_ring_is_a_graph_whose_edges_are_counted(dimensions, some_focal):
    xy = RNG.integers(0, 9, (150, dimensions)).astype(float)
    codes = RNG.integers(-1, 3, 150)
    focal = RNG.random(150) < 0.6 if some_focal else None
    table = co_occurrence(xy, codes, "abc", [1, 2.5, 4], focal=focal)
    distance = np.sqrt(((xy[:, None] - xy[None]) ** 2).sum(axis=2))
    for low, high in ((-1, 1), (1, 2.5), (2.5, 4)):
        ring = (distance > low) & (distance <= high) & ~np.eye(150, dtype=bool)
        wanted = neighbourhood_enrichment(ring, codes, "abc", 0, focal=focal)
        found = table[table["distance_high"] == high].reset_index(drop=True)
        pd.testing.assert_frame_equal(found[wanted.columns], wanted)


def test_permutations_and_threads():
    xy = RNG.random((300, 2)) * 50
    codes = (xy[:, 0] > 25).astype(int)
    one, three = (co_occurrence(xy, codes, "ab", [5, 10], 99, threads=t) for t in (1, 3))
    pd.testing.assert_frame_equal(one, three)
    assert (one["p_permutation"] == 0.01).all()
    assert np.allclose(one["permuted_mean"], one["expected"], rtol=0.1)


def test_squidpy_counts_the_same_pairs(monkeypatch):
    import anndata as ad
    import squidpy as sq
    from squidpy.gr import _ppatterns

    # Compiling their functions for many threads takes longer than all tests here.
    for name in ("_occur_count", "_co_occurrence_helper"):
        monkeypatch.setattr(_ppatterns, name, getattr(_ppatterns, name).py_func)
    xy = RNG.random((90, 2)) * 60
    types = pd.Categorical(np.array(["x", "y", "z"])[RNG.integers(0, 3, 90)])
    adata = ad.AnnData(
        np.zeros((90, 1)), obs=pd.DataFrame({"t": types}, index=[str(i) for i in range(90)])
    )
    adata.obsm["spatial"] = xy
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, _ = sq.gr.co_occurrence(adata, "t", interval=np.array([0.0, 10, 20, 30]), copy=True)
    table = co_occurrence(xy, list(types), distances=[10, 20, 30])
    within = table["count"].to_numpy().reshape(3, 3, 3).cumsum(axis=0)
    near = within / within.sum(axis=2, keepdims=True)
    share = within.sum(axis=1) / within.sum(axis=(1, 2))[:, None]
    assert np.allclose(theirs, (near / share[:, None, :]).transpose(2, 1, 0), rtol=1e-5)


def test_wrong_distances_are_named():
    for distances in ([], [0, 1], [2, 1]):
        with pytest.raises(VitrailError, match="wanted increasing numbers above 0"):
            co_occurrence(np.zeros((2, 2)), [0, 0], "a", distances)


def test_no_typed_cell():
    table = co_occurrence(np.zeros((2, 2)), [-1, -1], "a", [1, 2])
    assert table["count"].tolist() == [0, 0]
    assert len(co_occurrence(np.zeros((0, 2)), [], (), [1])) == 0
