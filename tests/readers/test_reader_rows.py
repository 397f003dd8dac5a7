from pathlib import Path

import pytest

from vitrail import readers
from vitrail.errors import VitrailError

FORMATS = {
    "generic": {"reader": "generic", "transcripts": {"columns": {"x": "x", "y": "y"}}},
    "mine": {"transcripts": {"columns": {"x": "global_x"}}},
    "foreign": {"reader": "nothing"},
}


def row(**cells):
    return {"sample": "A", "row": 2, "format": None, **cells}


def test_a_format_says_only_what_differs_from_generic():
    entry = readers.format_settings(FORMATS, "mine")
    assert entry["transcripts"]["columns"] == {"x": "global_x", "y": "y"}
    assert FORMATS["generic"]["transcripts"]["columns"]["x"] == "x"
    assert readers.format_settings(FORMATS, None) == FORMATS["generic"]


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        (
            {"format": "xenum"},
            "sheet.tsv, row 2 (sample A): format 'xenum' is unknown, wanted one of the config's "
            "'formats': foreign, generic, mine.",
        ),
        (
            {"format": "foreign"},
            "sheet.tsv, row 2 (sample A): reader 'nothing' is unknown, wanted one of "
            f"{', '.join(readers.READER_NAMES)}.",
        ),
        (
            {"labels": ["a.tif"], "boundaries": ["b.csv"]},
            "sheet.tsv, row 2 (sample A): has labels and boundaries, wanted one of the two.",
        ),
        (
            {"z": "middle"},
            "sheet.tsv, row 2 (sample A): z is 'middle', wanted the index of a plane from 0, "
            "'max' or 'mean'.",
        ),
    ],
)
def test_a_bad_row_is_refused_before_anything_runs(cells, sentence):
    with pytest.raises(VitrailError) as caught:
        readers.check(row(**cells), FORMATS, "sheet.tsv")
    assert str(caught.value) == sentence


def test_good_rows_pass():
    for z in (None, "0", "12", "max", "mean", 3):
        readers.check(row(z=z, format="mine"), FORMATS, "sheet.tsv")


def test_files_of_a_row_are_listed_by_column_and_folders_by_their_files(tmp_path):
    folder = tmp_path / "image.ome.zarr"
    (folder / "0" / "c").mkdir(parents=True)
    for name in ("zarr.json", "0/zarr.json", "0/c/1"):
        (folder / name).write_text("x")
    found = readers.input_files(
        row(image=[str(folder)], transcripts="t.csv; u.csv", labels=None), FORMATS["generic"]
    )
    assert found == {
        "image": [str(folder / name) for name in ("0/c/1", "0/zarr.json", "zarr.json")],
        "transcripts": ["t.csv", "u.csv"],
    }


def test_the_workflow_can_ask_without_third_party_packages():
    import subprocess
    import sys

    code = (
        "import sys; import vitrail.readers; from vitrail.readers import vendors; "
        "[vendors.vendor(name) for name in vitrail.readers.VENDOR_NAMES]; "
        "print([m for m in ('numpy', 'pyarrow', 'zarr', 'tifffile') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_defaults_of_the_config_are_those_of_the_library():
    import yaml

    from vitrail.readers import format as forms

    config = Path(__file__).parents[2] / "config" / "config.yaml"
    generic = yaml.safe_load(config.read_text())["formats"]["generic"]
    assert generic["reader"] == readers.DEFAULT_FORMAT
    assert forms.image_format(generic) == forms.image_format({})
    assert forms.transcript_format(generic) == forms.transcript_format({})
    for kind in ("cells", "nuclei"):
        assert forms.boundary_format(generic, kind) == forms.boundary_format({}, kind)
    assert forms.table_format(generic) == forms.table_format({})
