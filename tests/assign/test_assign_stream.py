"""Every transcript goes where a look-up by hand sends it, and none is lost."""

import math
from functools import partial

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrail.assign.chunks import encode
from vitrail.assign.lookup import CellLookup, Frame, unpack
from vitrail.assign.stream import Rules, assign
from vitrail.errors import VitrailError

UNIT = Frame(1.0)
GENES = ["ACTB", "BLANK_0001", "EPCAM"]


class Chunked:
    """A numpy array that pretends to be stored in chunks, and counts what is read."""

    def __init__(self, array, chunks):
        self.array, self.chunks, self.shape, self.reads = array, chunks, array.shape, 0

    def __getitem__(self, key):
        self.reads += 1
        return self.array[key]


def units_of(columns, size):
    gene = pa.array(columns["gene"], pa.string()).dictionary_encode()
    arrays = {name: pa.array(values) for name, values in columns.items() if name != "gene"}
    table = pa.table({**arrays, "gene": gene})
    starts = range(0, max(1, table.num_rows), size)
    return [partial(table.slice, start, size) for start in starts]


def run(
    columns,
    cells,
    nuclei=None,
    owner=None,
    *,
    size=3,
    frame=UNIT,
    cache=1 << 20,
    threads=1,
    **rules,
):
    """Assign and give back rows and account."""
    lookup = CellLookup(cells, nuclei, owner, cache_bytes=cache)
    parts = {}
    account = assign(
        units_of(columns, size),
        GENES,
        lookup,
        frame,
        parts.__setitem__,
        rules=Rules(**rules),
        transcripts_in=len(columns["x"]),
        threads=threads,
    )
    return pa.concat_tables(parts[k] for k in sorted(parts)).to_pylist(), account


def by_hand(row, cells, nuclei, owner, frame, rules):
    """The documented rule, one transcript at a time: (status, cell, compartment)."""
    if not (math.isfinite(row["x"]) and math.isfinite(row["y"])):
        return "position", 0, "none"
    i = math.floor((row["y"] - frame.origin[1]) / frame.pixel_size)
    j = math.floor((row["x"] - frame.origin[0]) / frame.pixel_size)
    if not (0 <= i < cells.shape[0] and 0 <= j < cells.shape[1]):
        return "outside", 0, "none"
    if not row["quality"] >= rules["min_quality"]:
        return "quality", 0, "none"
    if row["z"] not in rules["planes"]:
        return "plane", 0, "none"
    cell = int(cells[i, j])
    if cell == 0:
        return "background", 0, "none"
    nucleus = nuclei[i, j]
    compartment = "nucleus" if nucleus and owner[nucleus] == cell else "cytoplasm"
    return ("control" if row["gene"].startswith("BLANK") else "cell"), cell, compartment


@st.composite
def slides(draw):
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    h, w = rng.integers(1, 9, 2)
    pixel = draw(st.sampled_from([1.0, 0.5, 0.1086, 0.2125, 1 / 3]))
    origin = tuple(draw(st.sampled_from([0.0, -3.7, 1000.25])) for _ in range(2))
    n = draw(st.integers(0, 40))

    def axis(extent, start):
        # A third of the positions lie exactly on pixel borders, some outside, some nowhere.
        inside = rng.uniform(-1.5, extent + 1.5, n)
        place = np.where(rng.random(n) < 0.34, np.round(inside), inside) * pixel + start
        place[rng.random(n) < 0.05] = rng.choice([np.nan, np.inf, -np.inf])
        return place

    columns = {
        "x": axis(w, origin[0]),
        "y": axis(h, origin[1]),
        "z": rng.integers(0, 3, n).astype(np.float32),
        "gene": [GENES[k] for k in rng.integers(0, 3, n)],
        "transcript": np.arange(n),
        "quality": rng.choice([10, 20, 30, np.nan], n).astype(np.float32),
    }
    cells = rng.integers(0, 4, (h, w)).astype(np.int32)
    nuclei = rng.integers(0, 6, (h, w)).astype(np.int32)
    owner = np.array([0, *rng.integers(0, 4, 5)], dtype=np.int32)
    chunks = tuple(int(c) for c in rng.integers(1, 5, 2))
    return columns, cells, nuclei, owner, Frame(pixel, origin), chunks


@settings(max_examples=150, deadline=None)
@given(slides(), st.integers(1, 50), st.sampled_from([1, 1 << 20]), st.integers(1, 3))
def test_equals_the_look_up_by_hand(slide, size, cache, threads):
    columns, cells, nuclei, owner, frame, chunks = slide
    rules = {"min_quality": 20.0, "planes": [0, 2]}
    stored = [Chunked(cells, chunks), Chunked(nuclei, chunks)]
    rows, account = run(
        columns, *stored, owner, size=size, frame=frame, cache=cache, threads=threads, **rules
    )
    assert [row["transcript"] for row in rows] == list(range(len(columns["x"])))
    for row in rows:
        expected = by_hand(row, cells, nuclei, owner, frame, rules)
        assert (row["status"], row["cell"], row["compartment"]) == expected
    statuses = [row["status"] for row in rows]
    assert account["transcripts_in"] == len(rows)
    assert account["genes_in_cells"] == statuses.count("cell")
    assert account["controls_in_cells"] == statuses.count("control")
    assert account["unassigned"] == {
        reason: statuses.count(reason)
        for reason in ("position", "outside", "quality", "plane", "background", "ambiguous")
    }
    for gene in GENES:
        of_gene = [row["status"] for row in rows if row["gene"] == gene]
        assert account["by_gene"][gene] == {s: of_gene.count(s) for s in set(of_gene)}


def test_rows_and_their_columns_stay_as_they_were():
    columns = {
        "x": [0.5, 1.5, 7.0],
        "y": [0.5, 0.5, 0.5],
        "gene": ["EPCAM", "ACTB", "EPCAM"],
        "transcript": [0, 1, 2],
        "source_cell": ["a", None, "a"],
    }
    rows, _ = run(columns, np.array([[1, 0]], dtype=np.int32))
    assert [{k: row[k] for k in columns} for row in rows] == [
        {k: columns[k][i] for k in columns} for i in range(3)
    ]
    assert [row["cell"] for row in rows] == [1, 0, 0]


def test_a_border_belongs_to_the_pixel_that_starts_there():
    columns = {"x": [0.0, 1.0, 2.0], "y": [0.0] * 3, "gene": ["ACTB"] * 3}
    rows, _ = run(columns, np.array([[1, 2]], dtype=np.int32))
    assert [(row["status"], row["cell"]) for row in rows] == [
        ("cell", 1),
        ("cell", 2),
        ("outside", 0),
    ]


def test_a_nucleus_of_another_cell_does_not_count():
    columns = {"x": [0.5, 1.5], "y": [0.5, 0.5], "gene": ["ACTB", "BLANK_0001"]}
    cells, nuclei = np.array([[1, 1]], dtype=np.int32), np.array([[1, 2]], dtype=np.int32)
    rows, account = run(columns, cells, nuclei, np.array([0, 1, 2], dtype=np.int32))
    assert [row["compartment"] for row in rows] == ["nucleus", "cytoplasm"]
    assert [row["status"] for row in rows] == ["cell", "control"]
    assert account["genes_in_nuclei"] == 1


def test_each_chunk_is_read_once_a_batch_and_kept_for_the_next():
    rng = np.random.default_rng(1)
    columns = {"x": rng.uniform(0, 8, 60), "y": rng.uniform(0, 8, 60), "gene": ["ACTB"] * 60}
    labels = np.ones((8, 8), dtype=np.int32)
    stored = Chunked(labels, (4, 4))
    run(columns, stored, size=60, cache=1)
    assert stored.reads == 4
    stored = Chunked(labels, (4, 4))
    run(columns, stored, size=1, cache=1 << 20)
    assert stored.reads == 4


def test_planes_as_a_range_and_planes_without_z():
    columns = {"x": [0.5] * 3, "y": [0.5] * 3, "z": np.float32([0, 1, 2]), "gene": ["ACTB"] * 3}
    cells = np.array([[1]], dtype=np.int32)
    rows, _ = run(columns, cells, planes={"min": 0.5, "max": 2})
    assert [row["status"] for row in rows] == ["plane", "cell", "cell"]
    del columns["z"]
    with pytest.raises(
        VitrailError, match=r"planes is \[0\], but the transcripts have no column z"
    ):
        run(columns, cells, planes=[0])


def test_no_transcript_is_a_valid_input():
    rows, account = run(
        {"x": np.empty(0), "y": np.empty(0), "gene": []}, np.zeros((2, 2), dtype=np.int32)
    )
    assert rows == []
    assert account["transcripts_in"] == 0
    assert account["by_gene"] == {gene: {} for gene in GENES}


def test_lost_rows_stop_the_stage():
    lookup = CellLookup(np.ones((1, 1), dtype=np.int32))
    units = units_of({"x": [0.5], "y": [0.5], "gene": ["ACTB"]}, 3)
    with pytest.raises(AssertionError, match="2 came in, 1 were read"):
        assign(units, GENES, lookup, UNIT, transcripts_in=2)


def test_a_gene_outside_the_panel_is_named():
    columns = {"x": [0.5], "y": [0.5], "gene": ["SOX2"]}
    with pytest.raises(VitrailError, match="column gene holds 'SOX2', wanted one of the 3 genes"):
        run(columns, np.ones((1, 1), dtype=np.int32))


def test_labels_and_table_of_different_runs_are_refused():
    one = np.ones((1, 1), dtype=np.int32)
    columns = {"x": [0.5], "y": [0.5], "gene": ["ACTB"]}
    with pytest.raises(VitrailError, match="label 1 is not in the table of nuclei, which has 0 r"):
        run(columns, one, one, np.zeros(1, dtype=np.int32))


@pytest.mark.parametrize("held", [0.25, 0.5, 0.75])
def test_calls_without_an_order_read_again_what_is_not_held(held):
    rng = np.random.default_rng(0)
    side, edge, calls = 160, 10, 9
    labels = np.repeat(rng.integers(0, 9, (side, side // 2)), 2, axis=1).astype(np.int32)
    stored = Chunked(labels, (edge, edge))
    chunks = (side // edge) ** 2
    total = sum(
        encode(labels[y : y + edge, x : x + edge] << 1).nbytes
        for y in range(0, side, edge)
        for x in range(0, side, edge)
    )
    lookup = CellLookup(stored, cache_bytes=int(held * total))
    y, x = (np.indices((side, side)).reshape(2, -1) + 0.5)[:, rng.permutation(side**2)]
    for _ in range(calls):
        found = unpack(lookup(x, y, Frame()))[0]
        assert (found == labels[y.astype(int), x.astype(int)]).all()
    again = (stored.reads - chunks) / (calls - 1) / chunks
    assert again == pytest.approx(1 - held, abs=0.03)
