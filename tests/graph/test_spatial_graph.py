import warnings

import numpy as np
import pytest

from vitrail.errors import VitrailError
from vitrail.graph import build, knn
from vitrail.io.graph import read_graph, write_graph

RNG = np.random.default_rng(7)
XY = RNG.random((120, 2)) * 200
PASS = RNG.random(120) > 0.2


@pytest.mark.parametrize("kind", ["knn", "radius", "delaunay"])
def test_cells_that_fail_have_no_edges(kind):
    graph = build(XY, PASS, kind=kind)
    assert graph.connectivities.shape == (120, 120)
    failed = np.flatnonzero(~PASS)
    assert graph.connectivities[failed].nnz == 0
    assert graph.connectivities[:, failed].nnz == 0
    assert graph.meta["cells"] == PASS.sum()
    assert graph.meta["edges"] == graph.connectivities.nnz > 0


def test_edges_among_passing_cells_ignore_the_others():
    kept = np.flatnonzero(PASS)
    inner = build(XY, PASS, k=4).connectivities[kept][:, kept]
    assert (inner != knn(XY[kept], 4)).nnz == 0


def test_positions_of_failing_cells_are_not_read():
    broken = np.where(PASS[:, None], XY, np.nan)
    assert (build(broken, PASS).connectivities != build(XY, PASS).connectivities).nnz == 0


def test_distances_are_stored_beside_each_edge_and_zeros_too():
    xy = np.array([[0.0, 0], [0, 0], [3, 4], [6, 8]])
    graph = build(xy, k=1)
    assert graph.distances.nnz == graph.connectivities.nnz
    assert np.array_equal(graph.distances.indices, graph.connectivities.indices)
    assert graph.distances[0, 1] == 0.0
    assert graph.distances[3, 2] == 5.0
    assert graph.connectivities[0, 1] == 1.0


@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize("kind", ["knn", "radius", "delaunay"])
def test_empty_and_single(n, kind):
    graph = build(np.zeros((n, 2)), np.ones(n, bool), kind=kind)
    assert graph.connectivities.shape == (n, n)
    assert graph.connectivities.nnz == 0


def test_no_cell_passes():
    graph = build(XY, np.zeros(120, bool))
    assert graph.connectivities.shape == (120, 120)
    assert graph.meta["cells"] == graph.meta["edges"] == 0


def test_unknown_kind():
    with pytest.raises(VitrailError, match="found 'grid', wanted one of knn, radius, delaunay"):
        build(XY, kind="grid")


def test_file_round_trip_and_equal_bytes(tmp_path):
    graph = build(XY, PASS, kind="delaunay", max_edge_um=40.0)
    for name in ("a.npz", "b.npz"):
        write_graph(tmp_path / name, graph, {"stage": "graph"})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    read = read_graph(tmp_path / "a.npz")
    assert (read.connectivities != graph.connectivities).nnz == 0
    assert np.array_equal(read.distances.data, graph.distances.data)
    assert read.meta == {**graph.meta, "provenance": {"stage": "graph"}}


def test_not_a_graph_file(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.zeros(3))
    with pytest.raises(VitrailError, match=r"x\.npz: found no graph"):
        read_graph(tmp_path / "x.npz")


@pytest.mark.parametrize("kind", ["knn", "radius", "delaunay"])
def test_squidpy_takes_it_as_it_is(kind):
    import anndata as ad
    import pandas as pd
    import squidpy as sq

    from vitrail.autocorrelation import geary, moran

    graph = build(XY, kind=kind)
    values = RNG.random((120, 3)) + (XY[:, :1] / 100)
    types = pd.Categorical.from_codes(RNG.integers(0, 3, 120), ["a", "b", "c"])
    adata = ad.AnnData(values, obs=pd.DataFrame({"cell_type": types}, index=map(str, range(120))))
    adata.obsp["spatial_connectivities"] = graph.connectivities
    adata.obsp["spatial_distances"] = graph.distances
    adata.obsm["spatial"] = XY
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sq.gr.spatial_autocorr(adata, mode="moran", transformation=False)
        sq.gr.spatial_autocorr(adata, mode="geary", transformation=False)
        sq.gr.nhood_enrichment(adata, "cell_type", n_perms=10, seed=1, show_progress_bar=False)
        sq.gr.interaction_matrix(adata, "cell_type")
    found = moran(adata, adata)
    assert np.allclose(adata.uns["moranI"].loc[found.index, "I"], found["I"], rtol=1e-9)
    found = geary(adata, adata)
    assert np.allclose(adata.uns["gearyC"].loc[found.index, "C"], found["C"], rtol=1e-9)
    count = adata.uns["cell_type_nhood_enrichment"]["count"]
    onehot = np.eye(3)[types.codes]
    assert np.array_equal(count, onehot.T @ (graph.connectivities @ onehot))
    assert np.array_equal(adata.uns["cell_type_interactions"], count)
