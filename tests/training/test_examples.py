"""Tables of examples, and what training makes of them."""

import numpy as np
import pytest
import tifffile

from vitrail.errors import VitrailError
from vitrail.io.examples import Row, read_image, read_labels, read_table, write_table
from vitrail.training.load import load_examples


def write(folder, name, image, labels=None, axes=None):
    metadata = {"metadata": {"axes": axes}} if axes else {}
    tifffile.imwrite(folder / f"{name}.tif", image, **metadata)
    if labels is not None:
        tifffile.imwrite(folder / f"{name}_label.tif", labels)


def discs(radius, shape=(96, 96), step=32):
    y, x = np.indices(shape)
    labels = np.zeros(shape, np.uint16)
    for number, (cy, cx) in enumerate(
        [(a, b) for a in range(16, shape[0], step) for b in range(16, shape[1], step)], start=1
    ):
        labels[(y - cy) ** 2 + (x - cx) ** 2 <= radius**2] = number
    return labels


@pytest.fixture
def folder(tmp_path):
    labels = discs(8)
    write(tmp_path, "a", (1000 * (labels > 0) + 50).astype(np.uint16), labels)
    write(tmp_path, "b", np.stack([50 + 0 * labels, 10 * labels]), labels, "CYX")
    write(tmp_path, "c", np.full((96, 96), 7, np.uint8), np.zeros((96, 96), np.uint16))
    return tmp_path


HEADER = "image\tlabels\tdomain\tsplit\tchannels\tmin_area"


def table(folder, *lines, header=HEADER):
    path = folder / "table.tsv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def test_a_table_names_files_beside_it(folder):
    path = table(
        folder, "a.tif\ta_label.tif\tone\ttrain\t0\t30", "b.tif\t\ttwo-x\tvalidation\t1,0\t"
    )
    first, second = read_table(path)
    assert first == Row(f"{folder}/a.tif", f"{folder}/a_label.tif", "one", "train", (0,), 30)
    assert second == Row(f"{folder}/b.tif", "", "two-x", "validation", (1, 0), 0)
    assert read_image(second)[:, 16, 16].tolist() == [10, 50]


def test_optional_columns_may_be_missing(folder):
    path = table(folder, "a.tif\ta_label.tif\tone\ttest", header="image\tlabels\tdomain\tsplit")
    assert read_table(path)[0].channels == (0,)


def test_what_is_written_is_read_again(folder):
    rows = [
        Row("a.tif", "a_label.tif", "one", "train", (0,), 30),
        Row("b.tif", "", "t", "test", (1, 0)),
    ]
    write_table(folder / "out.tsv", rows)
    again = read_table(folder / "out.tsv")
    assert [(r.domain, r.split, r.channels, r.min_area) for r in again] == [
        ("one", "train", (0,), 30),
        ("t", "test", (1, 0), 0),
    ]


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (
            ["x.tif\t\tone\ttrain\t0\t0"],
            "column image is 'x.tif'; wanted: a file that exists",
        ),
        (["a.tif\tx.tif\tone\ttrain\t0\t0"], "row 2, column labels is 'x.tif'"),
        (["a.tif\t\tone\ttrian\t0\t0"], "column split is 'trian'; wanted: train, validation, test"),
        (["a.tif\t\t\ttrain\t0\t0"], "column domain is ''; wanted: a name"),
        (["a.tif\t\tone\ttrain\tred\t0"], "column channels is 'red'"),
        (["a.tif\t\tone\ttrain\t0\t-3"], "column min_area is '-3'; wanted: a number of pixels"),
        (["a.tif\t\tone\ttrain"], "row 2 has more or fewer values than the header"),
        (["a.tif\t\to\ttrain\t0\t0", "a.tif\t\to\ttest\t0\t0"], "row 3 has the image of row 2"),
    ],
)
def test_bad_rows_are_one_sentence(folder, lines, sentence):
    with pytest.raises(VitrailError) as error:
        read_table(table(folder, *lines))
    assert sentence in str(error.value)
    assert "table.tsv" in str(error.value)


def test_bad_columns_and_no_table_are_one_sentence(folder):
    with pytest.raises(VitrailError, match="has the columns picture, labels; wanted: image"):
        read_table(table(folder, "a\tb", header="picture\tlabels"))
    with pytest.raises(VitrailError, match="does not exist; wanted: a table of images"):
        read_table(folder / "none.tsv")


def test_a_channel_that_is_not_there_is_an_error(folder):
    row = Row(f"{folder}/a.tif", "", "one", "train", (0, 1))
    with pytest.raises(VitrailError, match="has 1 channels; wanted: the channels 0, 1"):
        read_image(row)


def test_debris_is_left_out(folder):
    labels = discs(8)
    labels[0, :5] = 99
    write(folder, "d", labels, labels)
    row = Row(f"{folder}/d.tif", f"{folder}/d_label.tif", "one", "train", min_area=6)
    assert set(np.unique(read_labels(row))) == set(range(10))


def test_images_are_normalised_and_their_objects_measured(folder):
    rows = [
        Row(f"{folder}/{name}.tif", f"{folder}/{name}_label.tif", "one", "train", channels)
        for name, channels in (("a", (0,)), ("b", (1, 0)), ("c", (0,)))
    ]
    a, b, c = load_examples(rows, diameter=34.0)
    area = (discs(8) == 1).sum()
    assert a.factor == pytest.approx(34 / (2 * np.sqrt(area / np.pi)))
    assert a.image.shape == (2, 96, 96)
    assert not a.image[1].any()
    assert a.image[0, 16, 16] == 1
    assert a.image[0, 0, 0] == 0
    assert b.image[0].any()  # the second channel is without contrast
    assert not b.image[1].any()
    assert c.factor == a.factor  # without objects: the diameter of its domain


def test_labels_of_another_shape_are_an_error(folder):
    write(folder, "e", np.zeros((40, 40), np.uint8))
    row = Row(f"{folder}/e.tif", f"{folder}/a_label.tif", "one", "train")
    with pytest.raises(VitrailError, match=r"has shape \(96, 96\); wanted: \(40, 40\)"):
        load_examples([row], 20.0)
