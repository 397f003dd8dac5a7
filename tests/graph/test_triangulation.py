import numpy as np
import pytest
from scipy.spatial import Delaunay

from vitrail.errors import VitrailError
from vitrail.graph import delaunay


def edges(graph):
    found = graph.tocoo()
    return {(int(i), int(j)) for i, j in zip(found.row, found.col, strict=True) if i < j}


def test_edges_are_those_of_the_triangulation():
    xy = np.random.default_rng(0).random((300, 2)) * 100 + 50_000
    indptr, indices = Delaunay(xy - xy.mean(axis=0)).vertex_neighbor_vertices
    wanted = {(i, int(j)) for i in range(300) for j in indices[indptr[i] : indptr[i + 1]] if i < j}
    graph = delaunay(xy)
    assert edges(graph) == wanted
    assert (graph != graph.T).nnz == 0


def test_long_edges_are_cut_and_the_limit_itself_is_kept():
    square = np.array([[0.0, 0], [1, 0], [0, 1], [1.1, 1.1]])
    assert edges(delaunay(square, max_edge=1.0)) == {(0, 1), (0, 2)}


def test_coincident_cells_hang_on_the_first_of_them():
    xy = np.array([[0.0, 0], [4, 0], [0, 4], [4, 0], [-0.0, 0.0]])
    assert edges(delaunay(xy)) == {(0, 1), (0, 2), (1, 2), (1, 3), (0, 4)}


@pytest.mark.parametrize("angle", [0.0, 0.3, np.pi / 2])
def test_cells_on_a_line_make_a_chain(angle):
    along = np.array([3.0, 1.0, 2.0, 7.0, 5.0])
    xy = along[:, None] * [np.cos(angle), np.sin(angle)]
    assert edges(delaunay(xy)) == {(1, 2), (0, 2), (0, 4), (3, 4)}


def test_few_cells():
    assert delaunay(np.zeros((0, 2))).shape == (0, 0)
    assert delaunay([[1.0, 1.0]]).nnz == 0
    assert edges(delaunay([[1.0, 1.0], [2.0, 2.0]])) == {(0, 1)}
    assert edges(delaunay(np.ones((3, 2)))) == {(0, 1), (0, 2)}


def test_lattice_is_connected_with_all_lattice_edges():
    xy = np.stack(np.meshgrid(np.arange(6.0), np.arange(5.0)), -1).reshape(-1, 2)
    found = edges(delaunay(xy))
    straight = {(i, i + 1) for i in range(30) if i % 6 != 5} | {(i, i + 6) for i in range(24)}
    assert straight <= found
    assert len(found) == len(straight) + 20  # one diagonal a square


def test_only_the_plane():
    with pytest.raises(VitrailError, match=r"wanted \(n, 2\)"):
        delaunay(np.zeros((4, 3)))
    with pytest.raises(VitrailError, match="max_edge = -1, wanted a number above 0"):
        delaunay(np.zeros((4, 2)), -1)
