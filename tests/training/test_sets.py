"""The table that the shipped weights for nuclei are trained on."""

import numpy as np
import pytest
import tifffile

from vitrail.io.examples import Row, read_table, write_table
from vitrail.training import sets


@pytest.fixture
def folders(tmp_path, monkeypatch):
    monkeypatch.setattr(sets, "HELD_OUT", {"bbbc039": 2, "dsb2018": 1})
    for name, count in (("bbbc039", 6), ("dsb2018", 4)):
        folder = tmp_path / "nuclei" / name
        folder.mkdir(parents=True)
        for number in range(count):
            shape = (16, 24) if number % 2 else (8, 8)
            tifffile.imwrite(folder / f"{number}.tif", np.zeros(shape, np.uint8))
            tifffile.imwrite(folder / f"{number}_label.tif", np.zeros(shape, np.uint16))
    synthetic = tmp_path / "synthetic"
    synthetic.mkdir()
    tifffile.imwrite(synthetic / "f.tif", np.zeros((8, 8), np.uint8))
    write_table(synthetic / "nuclei.tsv", [Row("f.tif", "", "synthetic", "train")])
    return tmp_path


def test_each_image_once_with_its_domain_and_a_fixed_split(folders):
    (folders / "out").mkdir()
    for name in ("a.tsv", "b.tsv"):
        arguments = [folders / "nuclei", folders / "synthetic", folders / "out" / name]
        sets.main([str(argument) for argument in arguments])
    first, again = (read_table(folders / "out" / name) for name in ("a.tsv", "b.tsv"))
    assert first == again
    assert len({row.image for row in first}) == len(first) == 6 + 4 + 1
    assert {row.domain for row in first} == {
        "bbbc039-8x8",
        "bbbc039-16x24",
        "dsb2018-8x8",
        "dsb2018-16x24",
        "synthetic",
    }
    held_out = [row.domain.split("-")[0] for row in first if row.split == "validation"]
    assert sorted(held_out) == ["bbbc039", "bbbc039", "dsb2018"]
    assert {row.min_area for row in first if "bbbc039" in row.domain} == {30}
