"""Stage assign where the sample brings outlines along: exact, by the policy, by source id."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from stage_files import run_script, write_segmentation, write_slide

from vitrail.io.boundaries import write_boundaries
from vitrail.io.points import part_paths

SETTINGS = {"min_quality": None, "planes": "all", "controls": [r"Blank-\d+"]}
# Slanted outlines in micrometres: v2 and v1 overlap, v3 was dropped by the segmentation.
OUTLINES = {
    "v2": shapely.Polygon([(3.1, 0.2), (9.7, 0.9), (9.2, 8.8), (2.6, 9.1)]),
    "v3": shapely.box(10.2, 1.1, 12.3, 5.4),
    "v1": shapely.Polygon([(0.3, 0.4), (4.9, 1.3), (4.2, 9.3), (0.6, 8.2)]),
}
NUCLEI = {"w1": shapely.box(1.2, 2.3, 2.4, 6.1), "w2": shapely.box(6.3, 3.2, 8.1, 7.7)}


def labels():
    """Pixels of half a micrometre; what they hold does not matter for exact outlines."""
    cells = np.zeros((20, 30), dtype=np.int32)
    cells[1:18, 1:8], cells[1:18, 8:18] = 1, 2
    nuclei = np.zeros_like(cells)
    nuclei[5:12, 3:5], nuclei[7:15, 13:16] = 1, 2
    return cells, nuclei


def stage(folder, columns, *, nuclei=True, ids=None, **settings):
    """Run the stage; rows and account."""
    cells, inner = labels()
    inputs = write_slide(folder, cells.shape, transcripts=columns)
    inputs |= write_segmentation(folder, cells, inner, [1, 2])
    info = json.loads((folder / "slide.json").read_text())
    for kind, shapes in (("cells", OUTLINES), ("nuclei", NUCLEI)):
        if kind == "cells" or nuclei:
            path = folder / f"slide.zarr/shapes/{kind}/shapes.parquet"
            path.parent.mkdir(parents=True)
            names = ids if ids and kind == "cells" else list(shapes)
            write_boundaries(path, names, list(shapes.values()))
            info["elements"].append(f"shapes/{kind}")
    (folder / "slide.json").write_text(json.dumps(info))
    outputs = {"transcripts": folder / "t.zarr", "account": folder / "a.json"}
    run_script("assign", inputs, outputs, SETTINGS | settings)
    table = pa.concat_tables([pq.read_table(part) for part in part_paths(outputs["transcripts"])])
    return table.to_pylist(), json.loads(outputs["account"].read_text())


def points(n=400):
    rng = np.random.default_rng(7)
    gene = [["ACTB", "Blank-1"][k] for k in rng.integers(0, 2, n)]
    x, y = rng.uniform(-1, 16, n), rng.uniform(-1, 11, n)
    x[0] = np.nan
    return {"x": x, "y": y, "gene": gene, "transcript": np.arange(n)}


def by_hand(row, overlap):
    """Status and compartment of a transcript by shapely, the policy written out."""
    if not np.isfinite(row["x"]):
        return "position", 0, "none"
    if not (0 <= row["x"] < 15 and 0 <= row["y"] < 10):
        return "outside", 0, "none"
    point = shapely.Point(row["x"], row["y"])
    inside = [k for k in (1, 2) if OUTLINES[f"v{k}"].contains(point)]
    if not inside:
        return "background", 0, "none"
    cell = inside[0]
    if len(inside) == 2:
        if overlap == "drop":
            return "ambiguous", 0, "none"
        # Equal scores give the transcript to the first outline, which is v2's.
        middles = {1: (2.0, 4.25), 2: (7.25, 5.5)}
        distance = {k: point.distance(shapely.Point(middles[k])) for k in inside}
        cell = min(inside, key=distance.get) if overlap == "nearest" else 2
    in_nucleus = NUCLEI[f"w{cell}"].contains(point)
    status = "control" if row["gene"] == "Blank-1" else "cell"
    return status, cell, "nucleus" if in_nucleus else "cytoplasm"


@pytest.mark.parametrize("overlap", ["nearest", "score", "drop"])
def test_outlines_decide(tmp_path, overlap):
    rows, account = stage(tmp_path, points(), overlap=overlap)
    assert len(rows) == 400
    for row in rows:
        assert (row["status"], row["cell"], row["compartment"]) == by_hand(row, overlap)
    assert account["cells_from"] == "outlines"
    assert account["transcripts_in"] == 400
    counted = account["genes_in_cells"] + account["controls_in_cells"]
    assert counted + sum(account["unassigned"].values()) == 400
    assert (account["unassigned"]["ambiguous"] > 0) == (overlap == "drop")


def test_nuclei_without_outlines_go_by_their_pixels(tmp_path):
    rows, _ = stage(tmp_path, points(), nuclei=False)
    _, inner = labels()
    for row in rows:
        if row["cell"]:
            pixel = inner[int(row["y"] // 0.5), int(row["x"] // 0.5)]
            assert (row["compartment"] == "nucleus") == (pixel == row["cell"])


def test_pixels_on_request(tmp_path):
    rows, account = stage(tmp_path, points(), boundaries="pixels")
    cells, _ = labels()
    assert account["cells_from"] == "labels"
    for row in rows:
        if row["status"] in ("cell", "control", "background"):
            assert row["cell"] == cells[int(row["y"] // 0.5), int(row["x"] // 0.5)]


def test_two_outlines_of_one_id_are_named(tmp_path, caplog):
    with pytest.raises(SystemExit):
        stage(tmp_path, points(), ids=["v1", "v2", "v1"])
    assert "two outlines have the id 'v1', wanted an id of its own" in caplog.text
