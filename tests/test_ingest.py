"""Stage ingest: files in, SpatialData store out."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
import tifffile
from stage_files import run_script

from vitrail.coordinates import pixel_index
from vitrail.errors import VitrailError
from vitrail.ingest import Layout, ingest
from vitrail.io.slide import open_slide

RNG = np.random.default_rng(3)
IMAGE = RNG.integers(0, 60000, (2, 120, 200), dtype=np.uint16)
LABELS = np.zeros((120, 200), np.int32)
LABELS[10:30, 20:50] = 1
LABELS[40:80, 100:160] = 7
TRANSCRIPTS = {
    "x": [12.0, 60.0, 99.99, -5.0, float("nan"), 100.0],
    "y": [6.0, 30.0, 59.9, 3.0, 1.0, 60.0],
    "gene": ["B", "A", "A", "C", "B", "Blank-1"],
}


@pytest.fixture
def files(tmp_path):
    tifffile.imwrite(
        tmp_path / "image.ome.tif",
        IMAGE,
        tile=(64, 64),
        compression="zlib",
        metadata={
            "axes": "CYX",
            "Channel": {"Name": ["DAPI", "polyT"]},
            "PhysicalSizeX": 0.5,
            "PhysicalSizeY": 0.5,
        },
    )
    tifffile.imwrite(tmp_path / "labels.tif", LABELS, compression="zlib")
    pq.write_table(pa.table(TRANSCRIPTS), tmp_path / "transcripts.parquet")
    corners = [("n1", 10, 5), ("n1", 15, 5), ("n1", 15, 10), ("far", 90, 50), ("far", 95, 50)]
    lines = [f"{name},{x},{y}" for name, x, y in [*corners, ("far", 95, 55)]]
    (tmp_path / "nuclei.csv").write_text("\n".join(["cell_id,x,y", *lines]) + "\n")
    return {
        "image": [str(tmp_path / "image.ome.tif")],
        "transcripts": [str(tmp_path / "transcripts.parquet")],
        "labels": [str(tmp_path / "labels.tif")],
        "nucleus_boundaries": [str(tmp_path / "nuclei.csv")],
    }


def run(folder, row, entry=None, settings=None, name="slide"):
    paths = folder / f"{name}.zarr", folder / f"{name}.json"
    if paths[0].exists():
        shutil.rmtree(paths[0])
    ingest({"sample": "A", **row}, entry or {}, settings or {}, *paths, provenance={"stage": "i"})
    return open_slide(*paths)


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
            {"path": path, "bytes": (tmp_path / path.rpartition("/")[2]).stat().st_size}
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


# Bad input, each with its sentence


def sentence(folder, row, entry=None):
    with pytest.raises(VitrailError) as caught:
        run(folder, row, entry)
    return str(caught.value)


def test_no_pixel_size(files, tmp_path):
    tifffile.imwrite(tmp_path / "plain.tif", IMAGE[0])
    assert sentence(tmp_path, {"image": str(tmp_path / "plain.tif")}) == (
        "sample A: the pixel size is not known, wanted micrometres a pixel in the sheet's column "
        "pixel_size (the image file does not say it)."
    )


def test_pixels_that_are_not_square(tmp_path):
    metadata = {"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.6}
    tifffile.imwrite(tmp_path / "a.ome.tif", IMAGE[0], metadata=metadata)
    assert sentence(tmp_path, {"image": str(tmp_path / "a.ome.tif")}) == (
        f"{tmp_path}/a.ome.tif: pixels are 0.5 by 0.6 um, wanted square ones."
    )


@pytest.mark.parametrize("column", ["image", "transcripts", "labels", "nucleus_boundaries"])
def test_a_file_that_is_not_there(files, tmp_path, column):
    assert sentence(tmp_path, {**files, column: ["/nowhere/a.tif"]}) == (
        f"/nowhere/a.tif: does not exist, wanted the file of column {column}."
    )


def test_no_file_at_all(tmp_path):
    assert sentence(tmp_path, {"pixel_size": 1.0}) == (
        "the sample names no file, wanted one of image, transcripts, labels, nucleus_labels, "
        "boundaries, nucleus_boundaries."
    )


def test_labels_and_boundaries_of_cells(files, tmp_path):
    row = {**files, "boundaries": files["nucleus_boundaries"]}
    assert sentence(tmp_path, row) == "has labels and boundaries, wanted one of the two."


def test_labels_of_another_shape(files, tmp_path):
    tifffile.imwrite(tmp_path / "small.tif", LABELS[:100])
    assert sentence(tmp_path, {**files, "labels": str(tmp_path / "small.tif")}) == (
        f"{tmp_path}/small.tif: has 100 x 200 pixels, wanted 120 x 200 as the image has."
    )


def test_a_region_outside_the_slide(files, tmp_path):
    assert sentence(tmp_path, {**files, "region": [200, 10, 300, 20]}) == (
        "region 200,10,300,20 lies outside the slide, which covers x 0 to 100 and y 0 to 60 um."
    )


def test_a_region_without_anything_where_there_is_no_image(files, tmp_path):
    row = {"nucleus_boundaries": files["nucleus_boundaries"], "pixel_size": 0.5}
    assert sentence(tmp_path, {**row, "region": [500, 500, 600, 600]}) == (
        "no transcript or boundary has a position in region 500,500,600,600, and there is no "
        "image that would say where the slide lies."
    )


def test_coordinates_in_the_wrong_unit_do_not_make_a_giant_grid(tmp_path):
    table = {"x": [0.0, 1e7], "y": [0.0, 1e7], "gene": ["A", "B"]}
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    row = {"transcripts": str(tmp_path / "t.parquet"), "pixel_size": 0.5}
    assert sentence(tmp_path, row) == (
        "positions run from 0, 0 to 1e+07, 1e+07 um, which is 20000001 x 20000001 pixels of 0.5 "
        "um: check the unit of the coordinates."
    )


def test_a_file_that_changes_while_it_is_read(files, tmp_path, monkeypatch):
    from vitrail.readers.transcripts import TranscriptSource

    path = files["transcripts"][0]
    size = Path(path).stat().st_size
    read = TranscriptSource.read

    def growing(self, *arguments):
        yield from read(self, *arguments)
        with open(path, "ab") as file:
            file.write(b"more")

    monkeypatch.setattr(TranscriptSource, "read", growing)
    assert sentence(tmp_path, files) == (
        f"{path}: changed while it was read ({size} bytes before, {size + 4} after); is it still "
        "being copied?"
    )


def test_two_transcript_files(files, tmp_path):
    row = {**files, "transcripts": files["transcripts"] * 2}
    assert sentence(tmp_path, row) == (
        "the sample names 2 files in column transcripts, wanted one."
    )


def test_an_unknown_key_of_a_format(files, tmp_path):
    assert sentence(tmp_path, files, {"transcripts": {"colums": {}}}) == (
        "the format's part 'transcripts' has the unknown key 'colums', known are columns, "
        "no_cell, delimiter, placement."
    )


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
