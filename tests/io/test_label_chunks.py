"""Chunks of labels are what zarr reads, whatever their type and wherever they end."""

import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec

from vitrail.io.label_chunks import LabelChunks

LABELS = np.random.default_rng(2).integers(0, 9, (21, 14)).astype(np.int32)


class NoReading:
    """The facts of an array, without its values."""

    def __init__(self, array):
        self.dtype, self.fill_value = array.dtype, array.fill_value


def windows(height=8, width=5):
    for y in range(0, 21, height):
        for x in range(0, 14, width):
            yield slice(y, min(y + height, 21)), slice(x, min(x + width, 14))


@pytest.mark.parametrize("options", [{}, {"compressors": BloscCodec()}, {"zarr_format": 2}])
def test_equal_to_zarr(tmp_path, options):
    labels = LABELS.copy()
    labels[8:16, 5:10] = 0  # a chunk of nothing but the fill value has no file
    array = zarr.create_array(
        str(tmp_path / "labels"), shape=labels.shape, chunks=(8, 5), dtype="int32", **options
    )
    array[:] = labels
    chunks = LabelChunks(array)
    for window in windows():
        assert np.array_equal(chunks[window], labels[window])
    for window in windows(6, 14):
        assert np.array_equal(chunks[window], labels[window])


@pytest.mark.parametrize("dtype", [np.uint16, np.int32])
def test_plain_files_are_read_without_zarr(tmp_path, monkeypatch, dtype):
    array = zarr.create_array(
        str(tmp_path / "labels"), shape=LABELS.shape, chunks=(8, 5), dtype=dtype
    )
    array[:] = LABELS.astype(dtype)
    chunks = LabelChunks(array)
    monkeypatch.setattr(chunks, "_array", NoReading(array))
    for window in windows():
        assert chunks[window].dtype == np.int32
        assert np.array_equal(chunks[window], LABELS[window])


def test_a_chunk_that_is_cut_off_is_an_error(tmp_path):
    array = zarr.create_array(
        str(tmp_path / "labels"), shape=LABELS.shape, chunks=(8, 5), dtype="int32"
    )
    array[:] = LABELS
    file = tmp_path / "labels/c/0/0"
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(RuntimeError):
        LabelChunks(array)[slice(0, 8), slice(0, 5)]
