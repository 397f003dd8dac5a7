"""The slide's image for the viewer: an OME-TIFF of JPEG 2000 tiles with its pyramid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr
from tifffile import TiffWriter

TILE = 1024
Array = npt.NDArray[Any]


def write_image(
    path: Path, image: Path, channels: Sequence[str], pixel_size: float, threads: int = 1
) -> None:
    """Write the image, tile by tile, from the levels of its element.

    Parameters
    ----------
    path
        File to be made.
    image
        Folder of the element ``images/image``.
    channels
        Names of its channels.
    pixel_size
        Micrometres a pixel of level 0.
    threads
        Threads that encode.

    Notes
    -----
    Whole numbers are kept as they are; floating-point values are scaled to 16 bits.
    """
    names = sorted((p.name for p in image.glob("s*") if p.is_dir()), key=lambda name: int(name[1:]))
    levels = [zarr.open_array(str(image / name), mode="r") for name in names]
    scale = _scale(levels[0])
    metadata = {
        "axes": "CYX",
        "PhysicalSizeX": pixel_size,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": pixel_size,
        "PhysicalSizeYUnit": "µm",
        "Channel": {"Name": list(channels)},
    }
    with TiffWriter(path, bigtiff=True, ome=True) as file:
        for index, level in enumerate(levels):
            per_centimetre = 1e4 / (pixel_size * 2**index)
            file.write(
                _tiles(level, scale),
                shape=level.shape,
                dtype=np.uint16 if scale else level.dtype,
                tile=(TILE, TILE),
                compression="jpeg2000",
                photometric="minisblack",
                resolution=(per_centimetre, per_centimetre),
                resolutionunit="CENTIMETER",
                maxworkers=threads,
                metadata=metadata if index == 0 else None,
                subifds=len(levels) - 1 if index == 0 else None,
                subfiletype=0 if index == 0 else 1,
            )


def _scale(level: Any) -> float | None:
    """Factor to 16 bits of floating-point images; None for whole numbers."""
    if level.dtype.kind != "f":
        return None
    highest = max((float(tile.max(initial=0)) for tile in _tiles(level, None)), default=0.0)
    return 65535 / highest if highest > 0 else 1.0


def _tiles(level: Any, scale: float | None) -> Iterator[Array]:
    channels, height, width = level.shape
    for channel in range(channels):
        for y in range(0, height, TILE):
            for x in range(0, width, TILE):
                tile = np.asarray(level[channel, y : y + TILE, x : x + TILE])
                if scale is not None:
                    tile = np.clip(tile * scale + 0.5, 0, 65535).astype(np.uint16)
                yield np.ascontiguousarray(tile)
