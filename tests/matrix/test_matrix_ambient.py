"""Ambient ground and transcripts outside of cells, against distances computed by brute force."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.ndimage import distance_transform_edt
from scipy.spatial.distance import cdist

from vitrail.assign.lookup import Frame
from vitrail.matrix.ambient import (
    Ambient,
    AmbientCounter,
    AmbientRules,
    expected_layer,
    gene_columns,
)
from vitrail.matrix.background import Background
from vitrail.matrix.blocks import Rows
from vitrail.matrix.layers import Layers, cytoplasm
from vitrail.matrix.outside import GrownLabels, OutsideCounter, outside_cells

STATUS = ["cell", "control", "background"]


def transcripts(x, y, gene, status, genes=("A", "B", "Blank-1")):
    def coded(values, names):
        codes = pa.array([names.index(value) for value in values], pa.int32())
        return pa.DictionaryArray.from_arrays(codes, pa.array(names))

    places = [pa.array(np.asarray(values, float)) for values in (x, y)]
    columns = [*places, coded(gene, list(genes)), coded(status, STATUS)]
    return pa.table(columns, ["x", "y", "gene", "status"])


def seen(cells, pixel_size=0.5, bin_um=2.0, edge=37):
    background = Background(cells.shape, pixel_size, bin_um)
    for y in range(0, cells.shape[0], edge):
        for x in range(0, cells.shape[1], edge):
            background.watch(cells[y : y + edge, x : x + edge], y, x)
    return background


def some_cells(seed, shape=(130, 170), n=6):
    rng = np.random.default_rng(seed)
    cells = np.zeros(shape, dtype=np.int32)
    for label in range(1, n + 1):
        y, x = rng.integers(0, shape[0]), rng.integers(0, shape[1])
        cells[y : y + rng.integers(1, 20), x : x + rng.integers(1, 20)] = label
    return cells


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), guard=st.floats(0, 12), reach=st.floats(5, 40))
def test_ambient_ground_keeps_its_distances(seed, guard, reach):
    cells = some_cells(seed)
    background = seen(cells)
    chosen = background.chosen(guard, reach)
    pixels = np.repeat(np.repeat(chosen, background.edge, 0), background.edge, 1)
    pixels = pixels[: cells.shape[0], : cells.shape[1]]
    assert background.area(chosen) == pixels.sum()
    # Between the centres of pixels; between their nearest corners it is up to sqrt(2) px less.
    distance = distance_transform_edt(cells == 0) * 0.5
    assert (distance[pixels] - 0.5 * np.sqrt(2) > guard - 1e-9).all()
    slack = 2 * np.sqrt(2) * background.edge * 0.5
    assert (distance[pixels] < reach + slack).all()
    # And what keeps them with a wide margin is chosen: the ground is not needlessly small.
    sure = (distance > guard + 2 * slack) & (distance < reach - slack)
    assert pixels[sure].all()


def test_bins_do_not_depend_on_blocks():
    cells = some_cells(3)
    whole = seen(cells, edge=1000)
    for edge in (11, 64):
        assert np.array_equal(seen(cells, edge=edge).occupied, whole.occupied)


def test_ground_is_the_same_in_windows():
    """Windows of the computation meet at 1,024 bins."""
    occupied = np.zeros((30, 2100), dtype=np.uint8)
    occupied[15, [10, 1019, 1030, 2040]] = 1
    background = Background((30, 2100), 1.0, 1.0)
    background.occupied = occupied
    distance = distance_transform_edt(occupied == 0)
    expected = (distance > 3 + np.sqrt(2)) & (distance <= 12)
    assert np.array_equal(background.chosen(3, 12), expected)


def test_density_is_that_of_planted_transcripts():
    cells = np.zeros((400, 400), dtype=np.int32)
    cells[180:220, 180:220] = 1
    frame = Frame(0.5, (1000.0, -50.0))
    rng = np.random.default_rng(0)
    n = 40_000
    x, y = rng.uniform(0, 200, n), rng.uniform(0, 200, n)
    inside = cells[(y / 0.5).astype(int), (x / 0.5).astype(int)] > 0
    gene = np.where(rng.random(n) < 0.75, "A", "B")
    gene[:5] = "Blank-1"
    status = np.where(inside, "cell", "background")
    counter = AmbientCounter(seen(cells), frame, 2, AmbientRules(guard_um=4, reach_um=50))
    for part in (slice(0, 15_000), slice(15_000, n)):
        table = transcripts(x[part] + 1000, y[part] - 50, gene[part], status[part])
        counter.add(outside_cells(table, ["A", "B"]))
    found = counter.result()
    # 40,000 transcripts on 40,000 square micrometres; 5 standard deviations of the counts.
    for k, density in enumerate((0.75, 0.25)):
        assert found.density[k] == pytest.approx(density, abs=5 * np.sqrt(density / found.area))
    assert found.area > 5000
    pixels = np.repeat(np.repeat(counter._ground, 4, 0), 4, 1)
    by_hand = pixels[(y / 0.5).astype(int), (x / 0.5).astype(int)] & ~inside
    assert found.counts.tolist() == [(by_hand & (gene == name)).sum() for name in "AB"]


def test_without_ground_nothing_is_known():
    cells = np.ones((40, 40), dtype=np.int32)
    counter = AmbientCounter(seen(cells), Frame(0.5), 1, AmbientRules())
    counter.add(outside_cells(transcripts([1.0], [1.0], ["A"], ["cell"]), ["A"]))
    found = counter.result()
    assert found.area == 0
    assert np.isnan(found.density).all()
    columns = gene_columns(found, np.array([3]), 100.0)
    assert np.isnan(columns["ambient_share"]).all()


def test_expected_contamination_is_area_times_density():
    X = sparse.csr_matrix(np.array([[3, 0, 1], [0, 0, 0], [0, 2, 5]], dtype=np.int32))
    area, density = np.array([10.0, 20.0, 40.0]), np.array([0.01, 0.5, 0.0])
    layer = expected_layer(X, area, density)
    assert layer.dtype == np.float32
    expected = np.where(X.toarray() > 0, np.outer(area, density), 0)
    assert np.allclose(layer.toarray(), expected)
    found = gene_columns(Ambient(100.0, np.array([1, 50, 0])), np.array([7, 14, 0]), 70.0)
    assert found["ambient_share"][:2].tolist() == pytest.approx([0.1, 2.5])
    assert np.isnan(found["ambient_share"][2])


def test_cytoplasm_is_what_the_nucleus_leaves():
    X = sparse.csr_matrix(np.array([[3, 1], [0, 4]], dtype=np.int32))
    nucleus = sparse.csr_matrix(np.array([[3, 0], [0, 1]], dtype=np.int32))
    rest = cytoplasm(Rows(0, X, nucleus), 2)
    assert rest.toarray().tolist() == [[0, 1], [0, 3]]
    assert (rest.nnz, rest.dtype) == (2, np.int32)
    assert cytoplasm(Rows(0, X, nucleus), 1).toarray().tolist() == [[0], [0]]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), radius=st.floats(0, 9), cut=st.integers(1, 50))
def test_grown_labels_are_the_nearest_cell_in_any_window(seed, radius, cut):
    cells = some_cells(seed, shape=(40, 50))
    grown = GrownLabels(cells, radius)
    whole = grown[slice(0, 40), slice(0, 50)]
    parts = [grown[slice(0, 40), slice(0, cut)], grown[slice(0, 40), slice(cut, 50)]]
    assert np.array_equal(np.concatenate(parts, axis=1), whole)
    labelled = np.argwhere(cells > 0)
    distance = cdist(np.argwhere(np.ones_like(cells)), labelled)
    labels = cells[tuple(labelled.T)]
    nearest = distance.min(axis=1)
    lowest = np.where(np.isclose(distance, nearest[:, None]), labels, labels.max() + 1).min(axis=1)
    expected = np.where(nearest <= radius, lowest, 0).reshape(cells.shape)
    assert np.array_equal(whole, expected)


def test_transcripts_beside_a_cell_count_for_it():
    cells = np.zeros((20, 40), dtype=np.int32)
    cells[5:15, 5:10], cells[5:15, 20:30] = 1, 2
    x = np.array([2.25, 1.75, 5.25, 6.9, 5.25, 19.0, 7.25])
    gene = ["A", "A", "B", "A", "Blank-1", "A", "B"]
    # Column 4 is 1 px from cell 1, column 3 is 2; 10 is 1 px from cell 1; 13 is 4 and 7 px away.
    status = ["background"] * 6 + ["cell"]
    table = transcripts(x, np.full(7, 5.0), gene, status)
    for distance, expected in ((0.5, [[1, 1], [0, 0]]), (2.0, [[3, 1], [0, 0]])):
        counter = OutsideCounter(cells, Frame(0.5), (2, 3), distance)
        counter.add(outside_cells(table, ["A", "B"]))
        (rows,) = counter.blocks(1)
        assert rows.total[:, :2].toarray().tolist() == expected
        assert rows.total[:, 2].nnz == 0


def test_settings_are_read():
    assert Layers.of({}) == Layers()
    assert Layers.of({"ambient": None, "layers": []}).ambient is None
    wanted = Layers.of({"ambient": {"guard_um": 1.0, "reach_um": 9.0, "layer": False}})
    assert wanted.ambient == AmbientRules(1.0, 9.0, False)
