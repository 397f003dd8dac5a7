"""Synthetic fields to train on."""

from pathlib import Path

import numpy as np
import pytest

from vitrail.io.examples import read_image, read_labels, read_table
from vitrail.synthesize import read_spec
from vitrail.training.synthetic import EDGE, make_field, membranes, write_fields

SPEC = read_spec(Path(__file__).parents[2] / "config/demo/cohort.yaml")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fields")
    write_fields(SPEC, folder, 2, seed=3)
    return folder


def test_tables_name_what_was_written(folder):
    for kind, count in (("nuclei", 1), ("cells", 2)):
        rows = read_table(folder / f"{kind}.tsv")
        assert [row.split for row in rows] == ["validation", "train"]
        assert read_image(rows[0]).shape == (count, EDGE, EDGE)
        assert read_labels(rows[0]).max() > 30


def test_nuclei_lie_in_their_cells_and_shine_in_the_first_channel(folder):
    cells, nuclei = (read_table(folder / f"{kind}.tsv")[1] for kind in ("cells", "nuclei"))
    whole, inner = read_labels(cells), read_labels(nuclei)
    inside = inner > 0
    assert (whole[inside] == inner[inside]).all()
    light = read_image(nuclei)[0].astype(float)
    assert light[inside].mean() > light[whole == 0].mean()


def test_a_field_follows_from_its_seed(folder):
    row = read_table(folder / "cells.tsv")[1]
    field = make_field(SPEC, 4)
    np.testing.assert_array_equal(read_labels(row), field.cells)
    np.testing.assert_array_equal(read_image(row), field.image[::-1])


def test_membranes_shine_at_the_rims():
    labels = np.zeros((64, 64), np.int32)
    labels[8:30, 8:56], labels[30:56, 8:56] = 1, 2
    found = membranes(labels, SPEC, np.random.default_rng(0)).astype(float)
    rim, middle = found[8, 12:52], found[18:22, 12:52]
    assert rim.mean() > middle.mean()
    assert found[29:31, 12:52].mean() > middle.mean()  # the rim between two cells
