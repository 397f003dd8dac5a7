import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from vitrail.errors import VitrailError
from vitrail.readers.boundaries import BoundarySource
from vitrail.readers.format import boundary_format
from vitrail.readers.placement import Frame

SQUARE = shapely.box(0, 0, 4, 4)
TRIANGLE = shapely.Polygon([(10, 10), (14, 10), (10, 14)])
OUTLINES = {"b": SQUARE, "a": TRIANGLE}


def corners(outlines, closed=True):
    rows = [
        (name, x, y)
        for name, shape in outlines.items()
        for x, y in shape.exterior.coords[: None if closed else -1]
    ]
    return {
        name: list(column)
        for name, column in zip(("cell_id", "x", "y"), zip(*rows, strict=True), strict=True)
    }


UNIT = Frame(1.0)


def read(path, keys=None, z=None, region=None, frame=UNIT):
    form = boundary_format({"boundaries": keys or {}}, "cells")
    return BoundarySource(str(path), form, z).read(frame, region)


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_corners(tmp_path, kind, closed):
    table = corners(OUTLINES, closed)
    path = tmp_path / "b"
    if kind == "parquet":
        pq.write_table(pa.table(table), path)
    else:
        lines = [",".join(map(str, row)) for row in zip(*table.values(), strict=True)]
        path.write_text("\n".join(["cell_id,x,y", *lines]) + "\n")
    found = read(path)
    assert found.ids == ["b", "a"]
    assert shapely.equals(found.geometry, [SQUARE, TRIANGLE]).all()


def test_corners_of_a_cell_may_lie_apart_in_the_file(tmp_path):
    table = corners(OUTLINES, closed=False)
    order = np.argsort(np.tile(np.arange(4), 2)[:7], kind="stable")
    pq.write_table(pa.table(table).take(order), tmp_path / "b")
    found = read(tmp_path / "b")
    assert shapely.equals(found.geometry, [SQUARE, TRIANGLE]).all()


def test_geoparquet_and_a_named_column_of_wkb(tmp_path):
    import geopandas

    geopandas.GeoDataFrame({"cell_id": [7, 9]}, geometry=[SQUARE, TRIANGLE]).to_parquet(
        tmp_path / "geo.parquet"
    )
    table = {"EntityID": [7, 9], "Geometry": shapely.to_wkb([SQUARE, TRIANGLE])}
    pq.write_table(pa.table(table), tmp_path / "wkb.parquet")
    for name, keys in (
        ("geo", {}),
        ("wkb", {"columns": {"cell": "EntityID", "geometry": "Geometry"}}),
    ):
        found = read(tmp_path / f"{name}.parquet", keys)
        assert found.ids == ["7", "9"]
        assert shapely.equals(found.geometry, [SQUARE, TRIANGLE]).all()


def test_placement_is_that_of_transcripts(tmp_path):
    pq.write_table(pa.table(corners(OUTLINES)), tmp_path / "b")
    found = read(
        tmp_path / "b", {"unit": "pixel", "flip_y": True}, frame=Frame(0.5, (1.0, 2.0), 20)
    )
    assert found.geometry[0].bounds == (1.0, 10.0, 3.0, 12.0)


def test_planes_are_chosen_or_united(tmp_path):
    shapes = [shapely.box(0, 0, 2, 2), shapely.box(1, 0, 3, 2), shapely.box(8, 8, 9, 9)]
    table = {"cell_id": [1, 1, 2], "plane": [0, 1, 1], "geometry": shapely.to_wkb(shapes)}
    pq.write_table(pa.table(table), tmp_path / "b")
    columns = {"geometry": "geometry", "plane": "plane"}
    assert read(tmp_path / "b", {"columns": columns}, z=0).ids == ["1"]
    assert read(tmp_path / "b", {"columns": columns, "plane": 1}, z="max").ids == ["1", "2"]
    united = read(tmp_path / "b", {"columns": columns, "plane": "union"})
    assert united.ids == ["1", "2"]
    assert united.geometry[0].equals(shapely.box(0, 0, 3, 2))
    with pytest.raises(VitrailError) as caught:
        read(tmp_path / "b", {"columns": columns}, z=5)
    assert str(caught.value) == f"{tmp_path}/b: has no outline in plane 5 (found 0, 1)."
    with pytest.raises(VitrailError) as caught:
        read(tmp_path / "b", {"columns": columns}, z="max")
    assert str(caught.value) == (
        f"{tmp_path}/b: has an outline a plane, wanted the format's boundaries.plane to be "
        "'union' or an index, or the sheet's column z to be an index."
    )


def test_each_outline_is_kept_or_counted(tmp_path):
    bow_tie = shapely.Polygon([(0, 0), (4, 4), (4, 0), (0, 4)])
    table = corners(
        {"bow": bow_tie, "ok": shapely.box(6, 0, 8, 2), "far": shapely.box(90, 0, 91, 1)}
    )
    for name, points in {"line": [(1, 1), (2, 2)], "flat": [(0, 0), (1, 0), (2, 0)]}.items():
        for x, y in points:
            for column, value in zip(table.values(), (name, x, y), strict=True):
                column.append(value)
    pq.write_table(pa.table(table), tmp_path / "b")
    found = read(tmp_path / "b", region=(0, 0, 7, 7))
    assert found.ids == ["bow", "ok"]
    assert found.geometry[0].is_valid
    assert found.geometry[0].area == 8
    # Outlines that reach beyond the region stay whole.
    assert found.geometry[1].bounds == (6, 0, 8, 2)
    assert found.account() == {
        "in_file": 5,
        "degenerate": 2,
        "repaired": 1,
        "outside_region": 1,
        "kept": 2,
    }


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (
            {"id": ["a"], "x": [1.0], "y": [1.0]},
            "has no column 'cell_id' (found id, x, y), wanted the cell of boundaries.columns.",
        ),
        (
            {"cell_id": ["a"], "x": ["left"], "y": [1.0]},
            "column 'x' holds 'left', wanted numbers.",
        ),
        (
            {"cell_id": ["a"], "x": [float("nan")], "y": [1.0]},
            "holds a corner whose position is not a number.",
        ),
        (
            {"cell_id": ["a", None], "x": [1.0, 2.0], "y": [1.0, 2.0]},
            "column 'cell_id' is empty in a row, wanted an id.",
        ),
    ],
)
def test_files_that_hold_no_outlines(tmp_path, table, sentence):
    pq.write_table(pa.table(table), tmp_path / "b")
    with pytest.raises(VitrailError) as caught:
        read(tmp_path / "b")
    assert str(caught.value) == f"{tmp_path}/b: {sentence}"


@pytest.mark.parametrize("planes", [[0, 0, 0], [0, 0, 1]])
def test_rows_without_a_geometry_and_repaired_ones(tmp_path, planes):
    """Software that repairs leaves empty rows, and polygons among lines."""
    mixed = shapely.GeometryCollection([TRIANGLE, shapely.LineString([(0, 0), (9, 9)])])
    table = {"cell_id": [1, 2, 3], "geometry": shapely.to_wkb([SQUARE, None, mixed])}
    pq.write_table(pa.table({**table, "plane": planes}), tmp_path / "b")
    found = read(tmp_path / "b", {"columns": {"geometry": "geometry", "plane": "plane"}}, z=0)
    assert found.ids == (["1", "3"] if planes[2] == 0 else ["1"])
    assert shapely.equals(found.geometry, [SQUARE, TRIANGLE][: len(found.ids)]).all()
    assert found.degenerate == 1


def test_points_are_not_outlines(tmp_path):
    table = {"cell_id": [1], "geometry": shapely.to_wkb([shapely.Point(1, 1)])}
    pq.write_table(pa.table(table), tmp_path / "b")
    with pytest.raises(VitrailError) as caught:
        read(tmp_path / "b", {"columns": {"geometry": "geometry"}})
    assert str(caught.value) == (
        f"{tmp_path}/b: column 'geometry' holds a Point (cell 1, 0 more rows), wanted polygons."
    )


def test_a_file_without_outlines_is_valid(tmp_path):
    (tmp_path / "b.csv").write_text("cell_id,x,y\n")
    found = read(tmp_path / "b.csv")
    assert (found.ids, len(found.geometry), found.in_file) == ([], 0, 0)
