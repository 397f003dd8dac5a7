"""Input that stage ingest refuses, each with its one sentence."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile
from ingest_files import IMAGE, LABELS, files, run

from vitrail.errors import VitrailError

__all__ = ["files"]


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
