"""Chunks of labels are what zarr reads, whatever their type and wherever they end."""

import numpy as np
import pytest
import zarr

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


class NoReading:
    """The facts of an array, without its values."""

    def __init__(self, array):
        self.dtype, self.fill_value = array.dtype, array.fill_value
