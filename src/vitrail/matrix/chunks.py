"""Windows of an image on disk, cut out of chunks that are decoded once.

Neighbouring windows share the chunks at their borders. Which window is the last to need a chunk is
known beforehand, so each is held just until then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Box = tuple[int, int, int, int]
Key = tuple[int, ...]

# Chunks that wait for a window further down: a row of chunks of a slide of 60,000 pixels in
# four channels. Where they are more, the rest is decoded again.
HELD_BYTES = 512 << 20


class ChunkedReader:
    """Reads windows of a (y, x) or (c, y, x) array, every chunk once.

    Parameters
    ----------
    array
        A zarr array, or a numpy array (which counts as one chunk a channel).
    boxes
        The windows (y0, x0, y1, x1), half-open, that will be read, each once a channel.
    held_bytes
        Most memory for chunks that are kept for later windows. Beyond it a chunk is read once
        more for each window that needs it; only time depends on it.
    """

    def __init__(self, array: Any, boxes: Iterable[Box], held_bytes: int = HELD_BYTES) -> None:
        self._array = array
        self._chunk = _chunk_shape(array)
        self._waiting = Counter(key for box in boxes for key in self._keys(box))
        self._left: dict[Key, int] = {}
        self._held: dict[Key, npt.NDArray[Any]] = {}
        self._held_bytes = held_bytes
        self._bytes = 0

    def read(self, box: Box, channel: int | None = None) -> npt.NDArray[Any]:
        """Pixels (y, x) of a window, of one channel where the array has channels."""
        y0, x0, y1, x1 = box
        out = np.empty((y1 - y0, x1 - x0), self._array.dtype)
        for row, column in self._keys(box):
            chunk = self._take(row, column, channel)
            top, left = row * self._chunk[0], column * self._chunk[1]
            a0, b0 = max(y0, top), max(x0, left)
            a1, b1 = min(y1, top + chunk.shape[0]), min(x1, left + chunk.shape[1])
            out[a0 - y0 : a1 - y0, b0 - x0 : b1 - x0] = chunk[
                a0 - top : a1 - top, b0 - left : b1 - left
            ]
        return out

    def _keys(self, box: Box) -> Iterator[tuple[int, int]]:
        height, width = self._chunk
        for row in range(box[0] // height, -(-box[2] // height)):
            for column in range(box[1] // width, -(-box[3] // width)):
                yield row, column

    def _take(self, row: int, column: int, channel: int | None) -> npt.NDArray[Any]:
        """One chunk; held for the windows that still need it, where there is room."""
        key = (row, column) if channel is None else (channel, row, column)
        left = self._left.get(key, self._waiting[row, column]) - 1
        self._left[key] = left
        if key in self._held:
            chunk = self._held[key]
            if left == 0:
                self._bytes -= self._held.pop(key).nbytes
            return chunk
        chunk = self._decode(row, column, channel)
        if left > 0 and self._bytes + chunk.nbytes <= self._held_bytes:
            self._held[key] = chunk
            self._bytes += chunk.nbytes
        return chunk

    def _decode(self, row: int, column: int, channel: int | None) -> npt.NDArray[Any]:
        height, width = self._chunk
        window = (
            slice(row * height, min((row + 1) * height, self._array.shape[-2])),
            slice(column * width, min((column + 1) * width, self._array.shape[-1])),
        )
        return np.asarray(self._array[window if channel is None else (channel, *window)])


def _chunk_shape(array: Any) -> tuple[int, int]:
    """Height and width of what is read at once: a shard where there are any, else a chunk."""
    for name in ("shards", "chunks"):
        shape = getattr(array, name, None)
        if shape is not None:
            return int(shape[-2]), int(shape[-1])
    return max(1, int(array.shape[-2])), max(1, int(array.shape[-1]))
