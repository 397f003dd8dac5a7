"""NN-Descent behind a stand-in: compiling the package takes longer than all tests of graphs.

`benchmarks/graphs.py` runs the package itself and prints its recall.
"""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from vitrail.errors import VitrailError
from vitrail.graph import knn, nn_descent
from vitrail.graph.descent import exact_neighbours
from vitrail.graph.neighbours import nearest_neighbours

RNG = np.random.default_rng(6)
POINTS = RNG.integers(0, 1000, (300, 2)) + RNG.random((300, 2))


@pytest.fixture
def wrong_last(monkeypatch):
    """A search whose last of five neighbours is always the farthest point, so never right."""

    def search(points, n_neighbors, random_state, n_jobs):
        distance = np.linalg.norm(points[:, None] - points[None], axis=2)
        order = np.argsort(distance, axis=1)
        near = np.column_stack([order[:, : n_neighbors - 1], order[:, -1]])
        # As the package does now and then: the point itself is not the first.
        near[::2, :2] = near[::2, 1::-1]
        return SimpleNamespace(neighbor_graph=(near.astype(np.int32), None))

    monkeypatch.setitem(sys.modules, "pynndescent", SimpleNamespace(NNDescent=search))


def test_recall_is_the_share_of_true_neighbours(wrong_last):
    found = nn_descent(POINTS, 5, symmetric=False, check=300)
    assert found.recall == 0.8
    assert found.checked == 300
    assert np.diff(found.graph.indptr).tolist() == [5] * 300
    assert found.graph.diagonal().sum() == 0
    missed = knn(POINTS, 4, symmetric=False) - found.graph
    assert (missed.data < 0).sum() == 300
    assert (missed.data > 0).sum() == 0


def test_symmetric_graph_is_the_union(wrong_last):
    directed = nn_descent(POINTS, 5, symmetric=False).graph.toarray()
    found = nn_descent(POINTS, 5, check=40)
    assert np.array_equal(found.graph.toarray(), np.maximum(directed, directed.T))
    assert found.checked == 40


def test_exact_neighbours_are_those_of_the_tree():
    points = RNG.random((300, 3)).astype(np.float32)
    true = np.sort(exact_neighbours(points, np.arange(300), 5), axis=1)
    assert np.array_equal(true, np.sort(nearest_neighbours(points.astype(float), 5), axis=1))


def test_wrong_input_is_named(wrong_last, monkeypatch):
    with pytest.raises(VitrailError, match="k = 5 with 5 points, wanted 1 to 4"):
        nn_descent(RNG.random((5, 4)), 5)
    with pytest.raises(VitrailError, match="wanted finite numbers"):
        nn_descent(np.full((5, 4), np.nan), 2)
    monkeypatch.setitem(sys.modules, "pynndescent", None)
    with pytest.raises(VitrailError, match=r"no package pynndescent; install .vitrail\[descent\]"):
        nn_descent(POINTS, 5)
