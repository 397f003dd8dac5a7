import json

import numpy as np
import pytest
import zarr

from vitrail.io.raster import RasterElement, halve


def write(folder, image, chunk, levels, rows, channels=("a", "b")):
    element = RasterElement(
        folder,
        image.shape,
        image.dtype,
        0.5,
        (10.0, 20.0),
        channels=channels,
        chunk=chunk,
        levels=levels,
    )
    strips = element.strips()
    for y in range(0, image.shape[-2], rows):
        strips.write(image[..., y : y + rows, :])
    strips.close()
    return [zarr.open_array(str(folder / f"s{k}"), mode="r")[:] for k in range(len(element.levels))]


@pytest.mark.parametrize("rows", [1, 13, 64, 1000])
@pytest.mark.parametrize("shape", [(2, 300, 257), (2, 64, 64), (2, 129, 31)])
def test_levels_are_means_of_four_whatever_the_strips(tmp_path, rows, shape):
    image = np.random.default_rng(0).integers(0, 65535, shape, dtype=np.uint16)
    levels = write(tmp_path / "image", image, 64, 4, rows)
    assert len(levels) == 4
    assert np.array_equal(levels[0], image)
    expected = image
    for level in levels[1:]:
        y, x = (size // 2 * 2 for size in expected.shape[1:])
        blocks = expected[:, :y, :x].astype(np.int64).reshape(2, y // 2, 2, x // 2, 2)
        expected = (blocks.sum(axis=(2, 4)) // 4).astype(np.uint16)
        assert np.array_equal(level, expected)


def test_labels_are_picked_not_mixed(tmp_path):
    labels = np.random.default_rng(0).integers(0, 2**31 - 1, (90, 77), dtype=np.int32)
    levels = write(tmp_path / "cells", labels, 32, 3, 32, channels=None)
    assert np.array_equal(levels[1], labels[:90:2, :76:2])
    assert np.array_equal(levels[2], levels[1][:44:2, :38:2])


@pytest.mark.parametrize(
    ("dtype", "values", "mean"),
    [
        ("uint8", [255, 255, 255, 254], 254),
        ("uint16", [65535, 65535, 65535, 65535], 65535),
        ("float32", [1.0, 2.0, -4.0, 0.5], -0.125),
    ],
)
def test_the_mean_of_four_cannot_overflow(dtype, values, mean):
    assert halve(np.array(values, dtype).reshape(1, 2, 2)).tolist() == [[[mean]]]


def test_levels_end_before_they_are_empty(tmp_path):
    levels = write(tmp_path / "image", np.ones((2, 5, 9), np.uint8), 64, 6, 64)
    assert [level.shape for level in levels] == [(2, 5, 9), (2, 2, 4), (2, 1, 2)]


def test_metadata_name_channels_and_place(tmp_path):
    write(tmp_path / "image", np.ones((2, 8, 8), np.uint8), 8, 2, 8)
    attributes = json.loads((tmp_path / "image" / "zarr.json").read_text())["attributes"]
    assert [c["label"] for c in attributes["ome"]["omero"]["channels"]] == ["a", "b"]
    multiscale = attributes["ome"]["multiscales"][0]
    scale, translation = multiscale["coordinateTransformations"][0]["transformations"]
    assert scale["scale"] == [1.0, 0.5, 0.5]
    assert translation["translation"] == [0.0, 20.0, 10.0]
