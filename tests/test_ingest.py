"""Stage ingest: files in, SpatialData store out."""

import hashlib
import json
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
import tifffile
from ingest_files import IMAGE, LABELS, TRANSCRIPTS, files, run
from stage_files import run_script

from vitrail.coordinates import pixel_index
from vitrail.ingest import Layout, ingest
from vitrail.io.slide import open_slide

__all__ = ["files"]


def test_the_script_writes_slide_and_facts(files, tmp_path):
    outputs = {"slide": tmp_path / "r" / "slide.zarr", "info": tmp_path / "r" / "slide.json"}
    row = {"sample": "A", "region": None, "z": None, "pixel_size": None, **files}
    settings = {"chunk": 64, "levels": None, "rows_per_part": 4}
    run_script("ingest", {}, outputs, settings, sample=row, format={"reader": "generic"})
    info = json.loads(outputs["info"].read_text())
    provenance = info.pop("provenance")
    assert provenance["stage"] == "ingest"
    assert provenance["settings"] == settings
    assert info == {
        "sample": "A",
        "pixel_size_um": 0.5,
        "origin_um": [0.0, 0.0],
        "shape": [120, 200],
        "channels": ["DAPI", "polyT"],
        "elements": ["images/image", "labels/cells", "points/transcripts", "shapes/nuclei"],
        "genes": ["A", "B", "Blank-1", "C"],
        "transcripts": {"rows_in_file": 6, "outside_region": 0, "rows": 6},
        "boundaries": {
            "nuclei": {
                "in_file": 2,
                "degenerate": 0,
                "repaired": 0,
                "outside_region": 0,
                "kept": 2,
            }
        },
        "region_um": None,
        "files": [
            {
                "path": path,
                "bytes": len(content := (tmp_path / path.rpartition("/")[2]).read_bytes()),
                "sha256": sha256(content).hexdigest(),
            }
            for cell in files.values()
            for path in cell
        ],
        "remarks": [],
    }
    slide = open_slide(outputs["slide"], outputs["info"])
    assert np.array_equal(slide.read(0, 0, 120, 200), IMAGE)
    assert np.array_equal(slide.labels("cells")[:], LABELS)
    assert [pq.read_table(p).num_rows for p in slide.transcript_parts()] == [4, 2]


def test_spatialdata_opens_it_with_everything_in_place(files, tmp_path):
    import spatialdata

    slide = run(tmp_path, files, settings={"chunk": 64})
    data = spatialdata.read_zarr(slide.path)
    assert np.array_equal(data["image"]["scale0"]["image"].values, IMAGE)
    assert np.array_equal(data["cells"]["scale0"]["image"].values, LABELS)
    points = data["transcripts"].compute()
    assert points["gene"].tolist() == TRANSCRIPTS["gene"]
    assert np.array_equal(points["x"], TRANSCRIPTS["x"], equal_nan=True)
    assert data["nuclei"].index.tolist() == ["n1", "far"]
    cut = data.query.bounding_box(
        axes=("x", "y"),
        min_coordinate=[8, 4],
        max_coordinate=[20, 12],
        target_coordinate_system="global",
    )
    # 24 x 16 pixels of 0.5 um, the transcript at (12, 6) and the nucleus at (10, 5).
    assert cut["image"]["scale0"]["image"].shape == (2, 16, 24)
    assert cut["transcripts"].compute()["transcript"].tolist() == [0]
    assert cut["nuclei"].index.tolist() == ["n1"]


def test_pyramid_is_that_of_spatialdatas_own_writer(files, tmp_path):
    import spatialdata
    from spatialdata.models import Image2DModel

    slide = run(tmp_path, {"image": files["image"]}, settings={"chunk": 64, "levels": 3})
    own = Image2DModel.parse(IMAGE, dims=("c", "y", "x"), scale_factors=[2, 2])
    read = spatialdata.read_zarr(slide.path)["image"]
    for level in ("scale0", "scale1", "scale2"):
        assert np.array_equal(read[level]["image"].values, own[level]["image"].values)


def digest(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_input_gives_the_same_bits_with_any_threads(files, tmp_path):
    row = {"sample": "A", **files}
    for name, threads in (("a", 1), ("b", 4)):
        ingest(
            row,
            {},
            {"chunk": 64},
            tmp_path / name,
            tmp_path / f"{name}.json",
            provenance={},
            threads=threads,
        )
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_layout_changes_no_value(files, tmp_path):
    small = run(tmp_path, files, settings={"chunk": 64, "rows_per_part": 1}, name="small")
    large = run(tmp_path, files, settings={"chunk": 1024}, name="large")
    assert np.array_equal(small.read(0, 0, 120, 200), large.read(0, 0, 120, 200))
    tables = [
        pa.concat_tables([pq.read_table(p) for p in s.transcript_parts()]).to_pandas()
        for s in (small, large)
    ]
    assert tables[0]["gene"].tolist() == tables[1]["gene"].tolist()
    assert small.info["genes"] == large.info["genes"]


@pytest.mark.parametrize(
    ("shape", "levels"), [((100, 90), 2), ((1024, 1024), 2), ((2049, 10), 3), ((46000, 33000), 7)]
)
def test_levels_go_on_until_one_chunk_holds_one(shape, levels):
    assert Layout().levels_of(shape) == levels


# Region


def test_a_region_cuts_image_labels_transcripts_and_boundaries(files, tmp_path):
    slide = run(tmp_path, {**files, "region": [9.75, 5.0, 61.0, 31.0]})
    # Pixels that the region touches: x from 9.5 um, pixel 19, to 61 um, pixel 121.
    assert slide.origin == (9.5, 5.0)
    assert slide.shape == (52, 103)
    assert np.array_equal(slide.read(0, 0, *slide.shape), IMAGE[:, 10:62, 19:122])
    assert np.array_equal(slide.labels("cells")[:], LABELS[10:62, 19:122])
    table = pq.read_table(slide.transcript_parts()[0])
    # Positions stay those of the whole slide; the row without one is kept.
    assert table["transcript"].to_pylist() == [0, 1, 4]
    assert table["x"].to_pylist()[:2] == [12.0, 60.0]
    assert slide.info["transcripts"] == {"rows_in_file": 6, "outside_region": 3, "rows": 3}
    assert slide.info["region_um"] == [9.75, 5.0, 61.0, 31.0]
    assert slide.boundaries("nuclei")[0] == ["n1"]
    # A gene that the region does not have is still a gene of the sample.
    assert slide.info["genes"] == ["A", "B", "Blank-1", "C"]


def test_a_region_on_pixel_edges_takes_no_pixel_more(files, tmp_path):
    # 0.1 um pixels: 0.3 / 0.1 and 0.7 / 0.1 are not whole in floating point.
    row = {"image": files["image"], "pixel_size": 0.1, "region": [0.3, 0.6, 0.7, 1.1]}
    slide = run(tmp_path, row)
    assert slide.shape == (5, 4)
    assert np.array_equal(slide.read(0, 0, 5, 4), IMAGE[:, 6:11, 3:7])


# Without an image


def test_without_an_image_the_grid_spans_transcripts_and_boundaries(files, tmp_path):
    row = {k: files[k] for k in ("transcripts", "nucleus_boundaries")}
    slide = run(tmp_path, {**row, "pixel_size": 0.4})
    # x from -5 to 100, y from 3 to 60 (the row at x = NaN does not count).
    assert slide.origin == (-13 * 0.4, 7 * 0.4)
    assert slide.shape == (150 - 7 + 1, 250 + 13 + 1)
    assert slide.channels == []
    table = pq.read_table(slide.transcript_parts()[0])
    column = pixel_index(table["x"].to_numpy(), 0.4, slide.origin[0])[[0, 1, 2, 3, 5]]
    row_index = pixel_index(table["y"].to_numpy(), 0.4, slide.origin[1])[[0, 1, 2, 3, 5]]
    assert column.min() == 0
    assert column.max() == slide.shape[1] - 1
    assert row_index.min() >= 0
    assert row_index.max() == slide.shape[0] - 1


def test_without_an_image_the_grid_ends_with_the_region(files, tmp_path):
    row = {k: files[k] for k in ("transcripts", "nucleus_boundaries")}
    slide = run(tmp_path, {**row, "pixel_size": 0.5, "region": [11.0, 4.0, 14.0, 9.0]})
    # The nucleus from (10, 5) to (15, 10) reaches beyond the region on three sides.
    assert slide.origin == (11.0, 5.0)
    assert slide.shape == (8, 6)
    assert slide.boundaries("nuclei")[0] == ["n1"]


def test_labels_alone_are_a_grid(files, tmp_path):
    slide = run(tmp_path, {"labels": files["labels"], "pixel_size": 0.25})
    assert (slide.shape, slide.origin, slide.channels) == ((120, 200), (0.0, 0.0), [])


def test_flip_half_pixel_and_origin_put_transcripts_on_their_pixels(tmp_path):
    # A vendor's file: pixel centres are whole numbers from (1000, 2000), y runs upwards.
    tifffile.imwrite(tmp_path / "labels.tif", LABELS)
    y, x = np.nonzero(LABELS)
    table = {"px": x + 1000.0, "py": 2000.0 + 119 - y, "g": ["A"] * len(x)}
    pq.write_table(pa.table({**table, "cell": LABELS[y, x]}), tmp_path / "t.parquet")
    entry = {
        "transcripts": {
            "columns": {"x": "px", "y": "py", "gene": "g", "cell": "cell"},
            "unit": "pixel",
            # The flip takes a row r to 120 - r and not to 119 - r, so the origin is one less.
            "origin": [1000, 1999],
            "flip_y": True,
            "half_pixel": True,
        }
    }
    row = {"labels": str(tmp_path / "labels.tif"), "transcripts": str(tmp_path / "t.parquet")}
    slide = run(tmp_path, {**row, "pixel_size": 0.3}, entry)
    found = pq.read_table(slide.transcript_parts()[0]).to_pandas()
    column = pixel_index(found["x"], 0.3, slide.origin[0])
    line = pixel_index(found["y"], 0.3, slide.origin[1])
    assert np.array_equal(slide.labels("cells")[:][line, column], found["source_cell"].astype(int))


# Pixel size


def test_the_sheets_pixel_size_wins_and_a_conflict_is_said(files, tmp_path):
    slide = run(tmp_path, {**files, "pixel_size": 0.6})
    assert slide.pixel_size == 0.6
    assert slide.info["remarks"] == [
        "pixel size: the sheet or format says 0.6 um, the image file 0.5 um; 0.6 um is used"
    ]
    assert run(tmp_path, {**files, "pixel_size": 0.502}).info["remarks"] == []


def test_the_formats_pixel_size_counts_before_the_files(files, tmp_path):
    assert run(tmp_path, files, {"pixel_size": 0.499}).pixel_size == 0.499
    assert run(tmp_path, {**files, "pixel_size": 0.501}, {"pixel_size": 0.499}).pixel_size == 0.501


# Empty, and valid


def test_a_table_without_transcripts_is_an_empty_element(files, tmp_path):
    (tmp_path / "none.csv").write_text("x,y,gene\n")
    slide = run(tmp_path, {**files, "transcripts": str(tmp_path / "none.csv")})
    assert slide.info["transcripts"] == {"rows_in_file": 0, "outside_region": 0, "rows": 0}
    assert slide.info["genes"] == []
    (part,) = slide.transcript_parts()
    assert pq.read_table(part).schema.names == ["x", "y", "gene", "transcript"]


def test_pixels_that_are_not_finite_are_counted(tmp_path):
    image = np.ones((20, 30), np.float32)
    image[2, 3] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", image)
    slide = run(tmp_path, {"image": str(tmp_path / "a.tif"), "pixel_size": 1.0})
    assert slide.info["not_finite_pixels"] == 1
    assert slide.read(2, 3, 3, 4).tolist() == [[[0.0]]]


def test_boundaries_of_a_region_stay_whole(files, tmp_path):
    row = {"image": files["image"], "boundaries": files["nucleus_boundaries"]}
    slide = run(tmp_path, {**row, "region": [0, 0, 12, 12]})
    ids, shapes = slide.boundaries("cells")
    assert ids == ["n1"]
    assert shapely.bounds(shapes[0]).tolist() == [10, 5, 15, 10]
