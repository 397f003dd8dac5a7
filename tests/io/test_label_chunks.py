"""Chunks of labels are what zarr reads, whatever their type and wherever they end."""

import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec

from vitrail.io.label_chunks import LabelChunks


@pytest.mark.parametrize("dtype", [np.uint16, np.int32])
def test_chunks_are_those_of_zarr(tmp_path, dtype, monkeypatch):
    labels = np.random.default_rng(0).integers(0, 40_000, (21, 30)).astype(dtype)
    labels[:8, 8:16] = 0
    array = zarr.create_array(str(tmp_path / "l.zarr"), data=labels, chunks=(8, 8))
    read = LabelChunks(array)
    # Parts across chunks go through zarr.
    part = read[slice(3, 13), slice(0, 9)]
    assert part.dtype == np.int32
    assert np.array_equal(part, labels[3:13, :9])
    # Whole chunks do not.
    monkeypatch.setattr(read, "_array", NoReading(array))
    for y in range(0, 21, 8):
        for x in range(0, 30, 8):
            window = slice(y, min(y + 8, 21)), slice(x, min(x + 8, 30))
            chunk = read[window]
            assert chunk.dtype == np.int32
            assert np.array_equal(chunk, labels[window])


@pytest.mark.parametrize("options", [{"compressors": BloscCodec()}, {"zarr_format": 2}])
def test_other_codecs_and_formats_go_through_zarr(tmp_path, options):
    labels = np.random.default_rng(2).integers(0, 9, (21, 14)).astype(np.int32)
    path = str(tmp_path / "labels")
    array = zarr.create_array(path, shape=(21, 14), chunks=(8, 5), dtype="int32", **options)
    array[:] = labels
    window = slice(8, 16), slice(5, 10)
    assert np.array_equal(LabelChunks(array)[window], labels[window])


def test_a_chunk_that_is_cut_off_is_an_error(tmp_path):
    labels = np.arange(64, dtype=np.int32).reshape(8, 8)
    array = zarr.create_array(str(tmp_path / "labels"), data=labels, chunks=(8, 8))
    file = tmp_path / "labels/c/0/0"
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(RuntimeError):
        LabelChunks(array)[slice(0, 8), slice(0, 8)]


class NoReading:
    """The facts of an array, without its values."""

    def __init__(self, array):
        self.dtype, self.fill_value = array.dtype, array.fill_value
