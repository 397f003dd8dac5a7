"""Cell types by markers."""

import numpy as np
import pytest
from scipy import sparse

from vitrail.annotate.cell_types import call_types, marker_scores, markers_in_panel
from vitrail.errors import VitrailError


def test_markers_are_found_in_the_panel():
    columns, absent = markers_in_panel(
        {"T": ["CD3D", "CD3E", "CD3D"], "B": ["MS4A1"]}, ["CD3D", "X", "MS4A1"], "m.yaml"
    )
    assert columns == {"B": [2], "T": [0]}
    assert absent == ["CD3E"]


def test_a_type_without_a_marker_is_named():
    with pytest.raises(
        VitrailError,
        match=r"m.yaml: type 'B' has no marker in the panel of 1 genes \(found MS4A1\)",
    ):
        markers_in_panel({"B": ["MS4A1"], "T": ["a"]}, ["a"], "m.yaml")


def test_score_is_z_plus_excess():
    values = np.array([[2.0, 0, 0, 0], [0, 2, 0, 0], [0, 0, 1, 1]], dtype=np.float32)
    found = marker_scores(sparse.csr_matrix(values), [[0, 1], [2]])
    z = (values - values.mean(axis=0)) / values.std(axis=0)
    first = z[:, :2].mean(axis=1) + values[:, :2].mean(axis=1) - values.mean(axis=1)
    assert np.allclose(found[:, 0], first)
    assert np.allclose(found[:, 1], z[:, 2] + values[:, 2] - values.mean(axis=1))


def test_scores_are_averaged_over_neighbours():
    values = sparse.csr_matrix(np.eye(3, dtype=np.float32))
    alone = marker_scores(values, [[0], [1]])
    found = marker_scores(values, [[0], [1]], np.array([[1], [2], [0]]))
    assert np.allclose(found, (alone + alone[[1, 2, 0]]) / 2)


def test_low_or_close_scores_are_unknown():
    scores = np.array([[1.0, 0.9], [1.0, 0.5], [0.1, -1.0], [0.3, 2.0]])
    assert call_types(scores, min_score=0.2, margin=0.2).tolist() == [-1, 0, -1, 1]
    assert call_types(np.array([[0.5], [0.1]]), 0.2, 0.2).tolist() == [0, -1]
    assert call_types(np.empty((0, 2)), 0.2, 0.2).tolist() == []


def planted(rng, kinds, n_types=4, per_type=4, others=40, contrast=12.0, depth=60):
    """Counts of cells of known types: markers are `contrast` times as frequent in their own."""
    share = rng.lognormal(0, 0.6, n_types * per_type + others)
    marks = np.repeat(np.arange(n_types), per_type)
    rate = np.tile(share, (len(kinds), 1))
    rate[:, : len(marks)] *= np.where(kinds[:, None] == marks, contrast, 1.0)
    counts = rng.poisson(depth * rate / rate.sum(axis=1, keepdims=True))
    return sparse.csr_matrix(counts.astype(np.int32))


@pytest.mark.parametrize("kinds", ["mixed", "one type only", "one type makes up nine tenths"])
def test_planted_types_are_found(kinds):
    from vitrail.annotate.embed import nearest_neighbours, principal_components
    from vitrail.annotate.normalize import lognorm

    rng = np.random.default_rng(0)
    truth = {
        "mixed": rng.integers(0, 4, 600),
        "one type only": np.zeros(600, dtype=int),
        "one type makes up nine tenths": np.where(rng.random(600) < 0.9, 0, 3),
    }[kinds]
    everyone = np.ones(600, dtype=bool)
    values = lognorm(planted(rng, truth), everyone)
    near = nearest_neighbours(principal_components(values, everyone, 15), 15, seed=0)
    scores = marker_scores(values, [range(4 * t, 4 * t + 4) for t in range(4)], near)
    assert (call_types(scores, 0.2, 0.2) == truth).mean() > 0.95
