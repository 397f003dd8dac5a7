"""Stage assign as its script runs it: files in, files out."""

import json

import numpy as np
import pyarrow as pa
import pytest
import zarr
from stage_files import run_script, write_segmentation, write_slide

from vitrail.io.points import part_paths

SETTINGS = {"min_quality": 20, "planes": "all", "controls": [r"Blank-\d+"]}
CELLS = np.zeros((20, 30), dtype=np.int32)
CELLS[2:10, 2:10] = 1
CELLS[2:10, 10:20] = 2
NUCLEI = np.where(np.isin(np.arange(30), (4, 5, 6, 13, 14)), CELLS, 0).astype(np.int32)


def transcripts(n=170, source=True):
    rng = np.random.default_rng(4)
    x, y = rng.uniform(-1, 15, n), rng.uniform(0, 11, n)
    column, row = np.floor(x / 0.5).astype(int), np.floor(y / 0.5).astype(int)
    inside = (column >= 0) & (column < 30) & (row < 20)
    cell = np.zeros(n, dtype=int)
    cell[inside] = CELLS[row[inside], column[inside]]
    columns = {
        "x": x,
        "y": y,
        "gene": [["ACTB", "Blank-1", "EPCAM"][k] for k in rng.integers(0, 3, n)],
        "transcript": np.arange(n),
        "quality": rng.choice([10, 30], n).astype(np.float32),
    }
    if source:
        columns["source_cell"] = [f"v{c}" if c else None for c in cell]
    return columns, cell


@pytest.fixture
def files(tmp_path):
    columns, cell = transcripts()
    inputs = write_slide(tmp_path, CELLS.shape, transcripts=columns)
    inputs |= write_segmentation(tmp_path, CELLS, NUCLEI, [1, 2])
    outputs = {"transcripts": tmp_path / "t.zarr", "account": tmp_path / "a.json"}
    return inputs, outputs, columns, cell


def test_transcripts_and_account(files):
    import pyarrow.parquet as pq

    inputs, outputs, columns, cell = files
    run_script("assign", inputs, outputs, SETTINGS)
    tables = [pq.read_table(part) for part in part_paths(outputs["transcripts"])]
    # Parts are those of the raw transcripts.
    assert [t.num_rows for t in tables] == [50, 50, 50, 20]
    found = pa.concat_tables(tables).unify_dictionaries().to_pandas()
    assert list(found.columns) == [*columns, "cell", "compartment", "status"]
    assert found["transcript"].tolist() == list(range(170))
    assert np.array_equal(found["x"], columns["x"])
    good = columns["quality"] >= 20
    assert np.array_equal(found["cell"], np.where(good, cell, 0))
    account = json.loads(outputs["account"].read_text())
    unassigned = account["unassigned"]
    assert account["transcripts_in"] == 170
    counted = account["genes_in_cells"] + account["controls_in_cells"]
    assert counted == (good & (cell > 0)).sum() == 170 - sum(unassigned.values())
    assert unassigned["outside"] == (found["status"] == "outside").sum() > 0
    assert account["controls"] == ["Blank-1"]
    assert account["vendor_agreement"]["share"] == 1.0
    assert account["vendor_agreement"]["mapping"] == "source"
    assert account["provenance"]["stage"] == "assign"


def test_same_bits_again(files, tmp_path):
    inputs, outputs, _, _ = files
    run_script("assign", inputs, outputs, SETTINGS)
    again = {"transcripts": tmp_path / "again/t.zarr", "account": tmp_path / "again/a.json"}
    # Threads make no difference.
    run_script("assign", inputs, again, SETTINGS, threads=3)
    for one in outputs["transcripts"].rglob("*"):
        other = again["transcripts"] / one.relative_to(outputs["transcripts"])
        assert one.is_dir() or one.read_bytes() == other.read_bytes()
    assert outputs["account"].read_bytes() == again["account"].read_bytes()


def test_spatialdata_reads_the_element(files, tmp_path):
    import spatialdata as sd
    from spatialdata.models import PointsModel

    inputs, outputs, columns, _ = files
    store = tmp_path / "store.zarr"
    sd.SpatialData().write(store)
    zarr.open_group(store / "points", mode="w")
    run_script("assign", inputs, outputs | {"transcripts": store / "points/transcripts"}, SETTINGS)
    zarr.consolidate_metadata(store)
    points = sd.read_zarr(store, selection=("points",))["transcripts"]
    PointsModel().validate(points)
    frame = points.compute()
    assert np.array_equal(frame["x"], columns["x"])
    assert set(frame["status"].astype(str)) <= {
        "cell",
        "control",
        "outside",
        "quality",
        "background",
    }
    assert points.attrs["spatialdata_attrs"] == {"feature_key": "gene", "instance_key": "cell"}


def test_a_slide_without_a_transcript(tmp_path):
    columns = {"x": np.empty(0), "y": np.empty(0), "gene": []}
    inputs = write_slide(tmp_path, CELLS.shape, transcripts=columns)
    inputs |= write_segmentation(tmp_path, CELLS)
    outputs = {"transcripts": tmp_path / "t.zarr", "account": tmp_path / "a.json"}
    run_script("assign", inputs, outputs, SETTINGS)
    assert json.loads(outputs["account"].read_text())["transcripts_in"] == 0


def test_bad_input_ends_in_one_sentence(files, caplog):
    inputs, outputs, _, _ = files
    with pytest.raises(SystemExit):
        run_script("assign", inputs, outputs, SETTINGS | {"planes": [0]})
    assert "planes is [0], but the transcripts have no column z" in caplog.text
    assert not outputs["transcripts"].exists()
