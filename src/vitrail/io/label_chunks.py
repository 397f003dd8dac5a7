"""Chunks of a label image read straight from their files, by threads side by side.

zarr's own reading passes each chunk through one event loop, which takes longer than the decoding.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numcodecs.zstd import Zstd
from zarr.abc.codec import Codec
from zarr.codecs import BytesCodec, ZstdCodec
from zarr.storage import LocalStore


class LabelChunks:
    """Labels of a two-dimensional zarr array as int32, read chunk by chunk.

    Slices along the borders of chunks are read from the chunks' files where the array is stored as
    stage stitch stores it (local files, zstd); everything else goes through zarr.

    Parameters
    ----------
    array
        zarr array uint16 or int32 (y, x).
    """

    def __init__(self, array: Any) -> None:
        self._array = array
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.chunks: tuple[int, int] = tuple(array.chunks)
        self._folder = _chunk_folder(array)

    def __getitem__(self, key: tuple[slice, slice]) -> npt.NDArray[np.int32]:
        rows, columns = key
        height, width = self.chunks
        aligned = rows.start % height == 0 and columns.start % width == 0
        single = rows.stop - rows.start <= height and columns.stop - columns.start <= width
        if self._folder is None or not (aligned and single):
            return np.asarray(self._array[key]).astype(np.int32, copy=False)
        file = self._folder / str(rows.start // height) / str(columns.start // width)
        chunk = self._read(file)
        return chunk[: rows.stop - rows.start, : columns.stop - columns.start]

    def _read(self, file: Path) -> npt.NDArray[np.int32]:
        try:
            encoded = file.read_bytes()
        except FileNotFoundError:
            # A chunk that holds nothing but the fill value has no file.
            return np.full(self.chunks, self._array.fill_value, np.int32)
        chunk = np.empty(self.chunks, self._array.dtype.newbyteorder("<"))
        Zstd().decode(encoded, chunk)
        return chunk.astype(np.int32, copy=False)


def _chunk_folder(array: Any) -> Path | None:
    """Folder of the chunks where they are plain zstd files, else None."""
    codecs: tuple[Codec, ...] = getattr(array.metadata, "codecs", ())
    plain = (
        len(codecs) == 2
        and isinstance(codecs[0], BytesCodec)
        and codecs[0].endian is not None
        and codecs[0].endian.value == "little"
        and isinstance(codecs[1], ZstdCodec)
        and array.dtype in (np.uint16, np.int32)
        and isinstance(array.store, LocalStore)
        and array.metadata.chunk_key_encoding.to_dict()
        == {"name": "default", "configuration": {"separator": "/"}}
    )
    return Path(array.store.root) / array.path / "c" if plain else None
