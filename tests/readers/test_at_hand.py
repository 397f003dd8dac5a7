"""Files of the sheet that are elsewhere, and the copies that a job reads instead."""

import hashlib

from vitrail.readers import at_hand, input_files
from vitrail.readers.watch import Watch

URL = "s3://bucket/A/image.ome.tif"


def test_files_on_this_machine_stay(tmp_path):
    image = tmp_path / "image.tif"
    image.touch()
    row = {"sample": "A", "image": [str(image)], "transcripts": None, "table": None}
    assert at_hand(row, {"image": [str(image)]}) == (row, {})


def test_a_copy_stands_for_its_url_and_goes_by_its_name():
    row = {"sample": "A", "image": [URL, "/data/second.tif"]}
    local, names = at_hand(row, {"image": ["cache/image.ome.tif", "/data/second.tif"]})
    assert local["image"] == ["cache/image.ome.tif", "/data/second.tif"]
    assert names["cache/image.ome.tif"] == URL
    assert row["image"][0] == URL


def test_a_table_has_a_copy_too():
    local, _ = at_hand({"sample": "A", "table": ["s3://b/t.h5ad"]}, {"table": ["cache/t.h5ad"]})
    assert local["table"] == ["cache/t.h5ad"]


def test_a_folder_stays_a_folder(tmp_path):
    """Its files are the job's inputs; here there is one, as there is one folder."""
    folder = tmp_path / "image.ome.zarr"
    folder.mkdir()
    (folder / "zarr.json").touch()
    row = {"sample": "A", "image": [str(folder)]}
    inputs = input_files(row, {"reader": "generic"})
    assert inputs["image"] == [str(folder / "zarr.json")]
    assert at_hand(row, inputs) == (row, {})


def test_the_record_of_files_uses_the_sheets_names(tmp_path):
    copy = tmp_path / "image.ome.tif"
    copy.write_bytes(b"1234")
    watch = Watch([str(copy)])
    known = {"bytes": 4, "sha256": hashlib.sha256(b"1234").hexdigest()}
    assert watch.files({str(copy): URL}) == [{"path": URL, **known}]
    assert watch.files() == [{"path": str(copy), **known}]
