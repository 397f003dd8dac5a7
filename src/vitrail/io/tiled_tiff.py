"""Tiled, compressed TIFF files written from tiles that come in any order."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
from tifffile import TiffWriter

# Classic TIFF ends at 4 GiB; images that could come near are written as BigTIFF.
CLASSIC_LIMIT = 3 << 30
LEVEL = 1


class TileSpool:
    """Compressed tiles of a stack of planes, kept in an unnamed file until all are there.

    A TIFF holds plane after plane, while a slide is made region after region, all planes at once;
    the spool turns the one order into the other without holding the image.

    Parameters
    ----------
    folder
        Folder whose file system holds the spool.
    planes, shape
        Number of planes, height and width in pixels.
    dtype
        Of the pixels.
    edge
        Edge of a tile in pixels, a multiple of 16.
    """

    def __init__(
        self, folder: Path, planes: int, shape: tuple[int, int], dtype: npt.DTypeLike, edge: int
    ) -> None:
        self.planes, self.shape, self.edge = planes, shape, edge
        self.dtype = np.dtype(dtype)
        self._file = TemporaryFile(dir=folder)  # noqa: SIM115 (closed by __exit__)
        self._place: dict[tuple[int, int, int], tuple[int, int]] = {}

    def __enter__(self) -> TileSpool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, plane: int, y0: int, x0: int, pixels: npt.NDArray[Any]) -> None:
        """Add a region that starts at a tile's corner and ends at one or at the image's border."""
        edge = self.edge
        for y in range(0, pixels.shape[0], edge):
            for x in range(0, pixels.shape[1], edge):
                part = pixels[y : y + edge, x : x + edge]
                tile = np.zeros((edge, edge), self.dtype)
                tile[: part.shape[0], : part.shape[1]] = part
                coded = imagecodecs.zlib_encode(tile.tobytes(), LEVEL)
                key = (plane, (y0 + y) // edge, (x0 + x) // edge)
                self._place[key] = (self._file.tell(), len(coded))
                self._file.write(coded)

    def write(self, path: str | Path, ome: dict[str, Any] | None = None) -> None:
        """Write the TIFF; an OME-TIFF where there is metadata for one."""
        planes, (height, width) = self.planes, self.shape
        shape = (planes, height, width) if ome or planes > 1 else (height, width)
        big = planes * height * width * self.dtype.itemsize > CLASSIC_LIMIT
        with TiffWriter(path, bigtiff=big, ome=ome is not None) as file:
            file.write(
                self._tiles(),
                shape=shape,
                dtype=self.dtype,
                tile=(self.edge, self.edge),
                compression="zlib",
                photometric="minisblack",
                metadata=ome,
            )
        self._file.seek(0, 2)

    def _tiles(self) -> Iterator[bytes]:
        height, width = self.shape
        for plane in range(self.planes):
            for row in range(-(-height // self.edge)):
                for column in range(-(-width // self.edge)):
                    start, size = self._place[plane, row, column]
                    self._file.seek(start)
                    yield self._file.read(size)


def ome_metadata(channels: Sequence[str], pixel_size: float, name: str) -> dict[str, Any]:
    """OME metadata of a (c, y, x) image; its identifier follows from `name` alone."""
    return {
        "axes": "CYX",
        "Name": name,
        "PhysicalSizeX": pixel_size,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": pixel_size,
        "PhysicalSizeYUnit": "µm",
        "Channel": {"Name": list(channels)},
        "UUID": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, name)}",
    }
