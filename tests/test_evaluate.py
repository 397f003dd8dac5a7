"""Scoring of a segmenter over a table's rows."""

import numpy as np
import pytest
import tifffile

from vitrail.errors import VitrailError
from vitrail.evaluate import AUTO, TRUTH, chosen_rows, score
from vitrail.io.examples import Row


class Recalls:
    """Stands for a segmenter: gives the truth without its first instance, and notes what it got."""

    def __init__(self):
        self.calls = []

    def segment(self, image, pixel_size=None, diameter=None, channels=None):
        self.calls.append((image.shape, diameter, channels))
        labels = image[0].astype(np.int32)
        return np.where(labels == 1, 0, labels)


@pytest.fixture
def rows(tmp_path):
    labels = np.zeros((20, 30), np.uint16)
    labels[2:8, 2:8], labels[10:16, 2:8], labels[2:8, 12:18] = 1, 2, 3
    found = []
    for name, image, truth in (
        ("a", labels, labels),
        ("b", np.stack([labels, 0 * labels]), labels),
        ("c", 0 * labels, 0 * labels),
    ):
        tifffile.imwrite(tmp_path / f"{name}.tif", image, metadata={"axes": "CYX"[-image.ndim :]})
        tifffile.imwrite(tmp_path / f"{name}_label.tif", truth)
        channels = (0,) if image.ndim == 2 else (0, 1)
        place = f"{tmp_path}/{name}"
        domain = "one-x" if name == "a" else "two"
        found.append(Row(f"{place}.tif", f"{place}_label.tif", domain, "test", channels))
    return found


def test_scores_by_set_and_by_image(rows):
    found, images = score(rows, Recalls(), resamples=0)
    f1 = {r["set"]: r["value"] for r in found if (r["metric"], r["threshold"]) == ("f1", 0.5)}
    assert f1 == {"one": 4 / 5, "two": 4 / 5, "all": 8 / 10}
    assert [(i["set"], i["objects"], i["found"], i["f1"]) for i in images] == [
        ("one", 3, 2, 4 / 5),
        ("two", 3, 2, 4 / 5),
        ("two", 0, 0, 1),
    ]


def test_channels_have_their_roles_and_the_diameter_is_what_was_asked(rows):
    for asked, wanted in ((AUTO, None), (12, 12.0), (TRUTH, 2 * np.sqrt(36 / np.pi))):
        segmenter = Recalls()
        score(rows[:2], segmenter, asked, resamples=0)
        (shape, first, roles), (pair, second, both) = segmenter.calls
        assert (shape, pair) == ((1, 20, 30), (2, 20, 30))
        assert first == second == (wanted and pytest.approx(wanted))
        assert roles == {"nucleus": 0}
        assert both == {"cytoplasm": 0, "nucleus": 1}


def test_rows_of_a_split(rows):
    assert chosen_rows(rows, None) == rows
    assert chosen_rows(rows, "train") == []


def test_nothing_to_score_is_an_error(rows):
    with pytest.raises(VitrailError, match="no image of the table to evaluate on has labels"):
        score([Row(rows[0].image, "", "one", "test")], Recalls())


def test_labels_of_another_shape_are_an_error(rows, tmp_path):
    tifffile.imwrite(tmp_path / "d.tif", np.zeros((9, 9), np.uint8))
    row = Row(rows[0].image, f"{tmp_path}/d.tif", "one", "test")
    with pytest.raises(VitrailError, match=r"has shape \(9, 9\); wanted: \(20, 30\)"):
        score([row], Recalls())
