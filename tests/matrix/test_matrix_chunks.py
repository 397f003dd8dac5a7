"""Windows are cut out of chunks that are decoded once."""

from collections import Counter

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrail.matrix.chunks import ChunkedReader
from vitrail.matrix.measure import measure


class Counting:
    """An array on disk that counts how often each chunk is asked for."""

    def __init__(self, array):
        self._array = array
        self.shape, self.dtype, self.chunks = array.shape, array.dtype, array.chunks
        self.reads = Counter()

    def __getitem__(self, key):
        channels = [key[0]] if len(key) == 3 else [0]
        rows, columns = (
            range(side.start // edge, -(-min(side.stop, size) // edge))
            for side, edge, size in zip(key[-2:], self.chunks[-2:], self.shape[-2:], strict=True)
        )
        self.reads.update((c, i, j) for c in channels for i in rows for j in columns)
        return self._array[key]


@pytest.fixture
def slide(tmp_path):
    """Cells that lie across the borders of chunks and of blocks, in each chunk."""
    cells = np.zeros((90, 110), dtype=np.int32)
    label = 0
    for y in range(2, 84, 7):
        for x in range(1, 104, 9):
            label += 1
            cells[y : y + 6, x : x + 8] = label
    nuclei = np.where(cells % 2, cells, 0)
    image = np.random.default_rng(1).integers(0, 60_000, (3, *cells.shape)).astype(np.uint16)
    arrays = {"cells": (cells, (16, 16)), "nuclei": (nuclei, (16, 16)), "image": (image, (1, 8, 8))}
    group = zarr.open_group(str(tmp_path / "slide.zarr"), mode="w")
    for name, (array, chunks) in arrays.items():
        group.create_array(name, data=array, chunks=chunks)
    return {name: Counting(group[name]) for name in arrays}, label


@pytest.mark.parametrize("edge", [16, 32, 1000])
def test_each_chunk_of_the_image_is_decoded_once_and_of_the_cells_twice(slide, edge):
    arrays, n = slide
    owner = np.arange(n + 1, dtype=np.int32)
    measure(arrays["cells"], arrays["nuclei"], owner, n, arrays["image"], edge=edge)
    assert set(arrays["cells"].reads.values()) == {2}
    assert set(arrays["nuclei"].reads.values()) == {1}
    assert set(arrays["image"].reads.values()) == {1}
    # Cells reach down to row 84 and right to column 107.
    assert len(arrays["cells"].reads) == 6 * 7
    assert len(arrays["image"].reads) == 3 * 11 * 14


@settings(max_examples=60, deadline=None)
@given(
    corners=st.lists(st.tuples(*[st.integers(0, 19)] * 4), max_size=8),
    held=st.sampled_from([0, 100, 1 << 20]),
    chunks=st.tuples(st.integers(1, 25), st.integers(1, 25)),
)
def test_windows_hold_the_arrays_pixels(corners, held, chunks):
    array = zarr.create_array({}, data=np.arange(800).reshape(2, 20, 20), chunks=(1, *chunks))
    boxes = [(min(a, c), min(b, d), max(a, c) + 1, max(b, d) + 1) for a, b, c, d in corners]
    reader = ChunkedReader(array, boxes, held_bytes=held)
    for box in boxes:
        for channel in range(2):
            y0, x0, y1, x1 = box
            assert np.array_equal(reader.read(box, channel), array[channel, y0:y1, x0:x1])
    assert not reader._held
    assert reader._bytes == 0


def test_without_room_chunks_are_decoded_again(slide):
    arrays, _ = slide
    image = arrays["image"]
    boxes = [(0, 0, 8, 8), (0, 0, 16, 8)]
    for held, reads in ((0, 2), (1 << 10, 1)):
        image.reads.clear()
        reader = ChunkedReader(image, boxes, held_bytes=held)
        for box in boxes:
            reader.read(box, 1)
        assert image.reads == {(1, 0, 0): reads, (1, 1, 0): 1}
