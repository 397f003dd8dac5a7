"""Reading marker lists."""

import pytest

from vitrail.errors import VitrailError
from vitrail.io.markers import read_markers


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.yaml", "T cell: [CD3D, CD3E]\nB cell: [MS4A1]\n"),
        ("m.tsv", "# list\nT cell\tCD3D\nB cell\tMS4A1\n\nT cell\tCD3E\n"),
    ],
)
def test_lists_are_read(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert read_markers(tmp_path / name) == {"T cell": ["CD3D", "CD3E"], "B cell": ["MS4A1"]}


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("m.yaml", "", "holds NoneType, wanted lines 'type: "),
        ("m.yaml", "T: CD3D", "type 'T' has 'CD3D', wanted a list of gene names"),
        ("m.yaml", "T: []", r"type 'T' has \[\], wanted"),
        ("m.yaml", "T: [", "is not YAML"),
        ("m.tsv", "T\tCD3D\nB MS4A1\n", "line 2 is 'B MS4A1', wanted 'type<TAB>gene'"),
        ("m.tsv", "\n", "has no line"),
    ],
)
def test_broken_lists_are_named(tmp_path, name, text, sentence):
    (tmp_path / name).write_text(text)
    with pytest.raises(VitrailError, match=sentence):
        read_markers(tmp_path / name)
