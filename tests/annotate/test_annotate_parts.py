"""Quality, normalisation, components, neighbours and clusters, each on known facts."""

import numpy as np
import pytest
from scipy import sparse

from vitrail.annotate import embed
from vitrail.annotate.cluster import by_size, leiden, shared_neighbours
from vitrail.annotate.embed import nearest_neighbours, principal_components
from vitrail.annotate.normalize import arcsinh, lognorm
from vitrail.annotate.quality import Thresholds, control_counts, count_metrics, judge
from vitrail.errors import VitrailError


def test_count_metrics():
    X = sparse.csr_matrix(np.array([[3, 0, 1], [0, 0, 0], [0, 0, 5]], dtype=np.int32))
    controls = sparse.csr_matrix(np.array([[1], [0], [5]], dtype=np.int32))
    found = count_metrics(X, controls)
    assert found["total_counts"].tolist() == [4, 0, 5]
    assert found["genes_detected"].tolist() == [2, 0, 1]
    assert found["control_share"].tolist() == [0.2, 0, 0.5]
    assert np.isnan(count_metrics(X, None)["control_share"]).all()


def test_blanks_and_control_probes_are_counted_apart():
    names = ["BLANK_0001", "NegControlCodeword_1", "NegControlProbe_7", "UnassignedCodeword_2"]
    controls = sparse.csr_matrix(np.array([[1, 2, 4, 8], [0, 0, 3, 0]], dtype=np.int32))
    patterns = [r"(?i:blank)[-_ ]?\d+", "NegControlCodeword.*", "UnassignedCodeword_.*"]
    found = control_counts(controls, names, patterns)
    assert found["blank_counts"].tolist() == [11, 0]
    assert found["control_probe_counts"].tolist() == [4, 3]
    assert found["blank_counts"].dtype == np.int64
    assert control_counts(None, names, patterns) == {}
    none = control_counts(sparse.csr_matrix((2, 0), dtype=np.int32), [], patterns)
    assert none["blank_counts"].tolist() == none["control_probe_counts"].tolist() == [0, 0]
    with pytest.raises(VitrailError, match=r"annotate: blanks: '\(' is not a regular expression"):
        control_counts(controls, names, ["("])


def test_the_first_reason_counts_and_they_add_up():
    obs = {
        "total_counts": np.array([9, 10, 50, 50, 50, 50]),
        "genes_detected": np.array([1, 3, 2, 9, 9, 9]),
        "control_share": np.array([0.5, 0.0, 0.0, 0.2, np.nan, 0.0]),
        "area_um2": np.array([20.0, 20, 20, 20, 20, 0]),
    }
    limits = Thresholds(min_counts=10, min_genes=3, max_control_share=0.1, min_area_um2=5)
    found = judge(obs, 6, limits)
    assert found.reason.values().tolist() == [
        "few counts",
        None,
        "few genes",
        "control probes",
        None,
        "no pixels",
    ]
    assert found.passed.tolist() == [False, True, False, False, True, False]
    assert sum(found.counts.values()) + found.passed.sum() == 6


def test_limits_are_included_and_absent_columns_ask_nothing():
    limits = Thresholds(min_area_um2=5, max_area_um2=7, min_counts=1, max_counts=2)
    found = judge({"area_um2": np.array([4.9, 5, 7, 7.1])}, 4, limits)
    assert found.reason.values().tolist() == ["small area", None, None, "large area"]
    found = judge({"total_counts": np.array([0, 1, 2, 3])}, 4, limits)
    assert found.reason.values().tolist() == ["few counts", None, None, "many counts"]
    assert judge({}, 2, limits).passed.all()


def test_lognorm_scales_to_the_median_of_passed_cells():
    X = sparse.csr_matrix(np.array([[1, 1], [4, 0], [0, 0], [9, 91]], dtype=np.int32))
    found = lognorm(X, np.array([True, True, True, False]))
    assert found.dtype == np.float32
    assert found.nnz == X.nnz
    expected = np.log1p([[1.5, 1.5], [3, 0], [0, 0], [0.27, 2.73]])
    assert np.allclose(found.toarray(), expected, rtol=1e-6)
    assert np.allclose(lognorm(X, np.ones(4, bool), 10).toarray()[0], np.log1p([5, 5]))


def test_arcsinh_puts_channels_on_one_scale():
    X = np.array([[1.0, 1000], [2, 2000], [3, 3000], [np.nan, np.nan]])
    found = arcsinh(X, np.array([True, True, True, False])).toarray()
    assert np.allclose(found[:, 0], found[:, 1])
    assert np.allclose(found[:, 0], np.arcsinh([0.5, 1, 1.5, 0]))


def random_values(n=80, m=12, seed=0):
    return sparse.random(n, m, 0.5, "csr", np.float32, np.random.default_rng(seed))


@pytest.mark.parametrize("dense_genes", [1, 2000])
@pytest.mark.parametrize("scale", [False, True])
def test_components_are_the_singular_vectors(monkeypatch, dense_genes, scale):
    monkeypatch.setattr(embed, "DENSE_GENES", dense_genes)
    values = random_values()
    passed = np.arange(80) % 4 > 0
    found = principal_components(values, passed, 5, scale=scale)
    dense = values.toarray().astype(np.float64)
    dense -= dense[passed].mean(axis=0)
    if scale:
        dense /= dense[passed].std(axis=0)
    _, _, loadings = np.linalg.svd(dense[passed], full_matrices=False)
    expected = dense @ loadings[:5].T
    assert found.shape == (80, 5)
    assert np.allclose(np.abs(found), np.abs(expected), atol=1e-4)


def test_no_more_components_than_there_can_be():
    assert principal_components(random_values(4, 12), np.ones(4, bool), 30).shape == (4, 3)
    assert principal_components(random_values(40, 2), np.ones(40, bool), 30).shape == (40, 2)


def test_neighbours_are_exact_and_leave_out_the_cell_itself(monkeypatch):
    points = np.random.default_rng(1).normal(size=(90, 4))
    points[5] = points[6]
    monkeypatch.setattr(embed, "BLOCK_ROWS", 32)
    found = nearest_neighbours(points, 7, seed=0)
    distance = np.linalg.norm(points[:, None] - points, axis=-1)
    np.fill_diagonal(distance, np.inf)
    assert np.allclose(
        np.take_along_axis(distance, found, axis=1), np.sort(distance, axis=1)[:, :7]
    )
    assert found[5, 0] == 6


def test_many_cells_get_nearly_all_of_their_neighbours(monkeypatch):
    rng = np.random.default_rng(2)
    points = rng.normal(size=(8, 10))[rng.integers(0, 8, 3000)] * 3 + rng.normal(size=(3000, 10))
    exact = nearest_neighbours(points, 10, seed=0)
    monkeypatch.setattr(embed, "EXACT_CELLS", 100)
    monkeypatch.setattr(embed, "PROBES", 12)  # of 54 divisions
    found = nearest_neighbours(points, 10, seed=0)
    assert (found != np.arange(3000)[:, None]).all()
    shared = [len(set(a) & set(b)) for a, b in zip(found, exact, strict=True)]
    assert np.mean(shared) > 9.5  # of 10
    assert np.array_equal(found, nearest_neighbours(points, 10, seed=0))


def test_shared_neighbours_weighs_by_jaccard():
    neighbours = np.array([[1, 2], [0, 2], [0, 1], [4, 0], [3, 0]])
    found = shared_neighbours(neighbours).toarray()
    assert found[0, 1] == found[0, 2] == found[1, 2] == 1.0
    assert found[3, 4] == 1.0
    assert found[0, 3] == 1 / 5
    assert found[1, 3] == 0


def test_separate_groups_are_separate_clusters():
    rng = np.random.default_rng(3)
    group = np.repeat([0, 1, 2], [30, 60, 45])[rng.permutation(135)]
    points = rng.normal(size=(135, 3)) + 30 * np.eye(3)[group]
    neighbours = nearest_neighbours(points, 20, seed=0)
    found = leiden(neighbours, resolution=0.3, seed=0)
    assert found.tolist() == np.array([2, 0, 1])[group].tolist()
    assert np.array_equal(found, leiden(neighbours, resolution=0.3, seed=0))


def test_clusters_are_numbered_by_size_then_by_first_cell():
    assert by_size(np.array([7, 3, 3, 9, 9, 1, 3])).tolist() == [2, 0, 0, 1, 1, 3, 0]
