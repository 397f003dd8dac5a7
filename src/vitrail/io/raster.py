"""Raster elements of a SpatialData store: pyramids written strip by strip, with their metadata.

A pyramid follows OME-NGFF 0.5 as spatialdata lays it out: arrays ``s0``, ``s1``, ... in the
element's folder, each half the size of the one before, and a transformation to ``global``.
Writing the chunks as they come takes a tenth of the time of spatialdata's own writer and holds a
strip instead of the slide.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec

from vitrail.io.spatialdata_store import NGFF_VERSION, RASTER_VERSION, write_group

Array = npt.NDArray[Any]

# Micrographs shrink by bit planes: 1.7-fold where zstd alone gets 1.3-fold, at the same speed.
# The checksum makes a flipped byte an error, never another number.
COMPRESSORS = (BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle"), Crc32cCodec())
# Values of a block that is halved at once.
CACHE_VALUES = 1 << 16


class RasterElement:
    """An image (c, y, x) or a label image (y, x) of a store, while it is being written.

    Parameters
    ----------
    folder
        The element's folder, for example ``slide.zarr/images/image``.
    shape
        Shape of level 0: (c, y, x), or (y, x) for labels.
    dtype
        Its dtype.
    pixel_size, origin
        Micrometres a pixel of level 0, and (x, y) of the outer corner of pixel (0, 0).
    channels
        Names of the channels of an image; None for labels.
    chunk
        Edge of a chunk in pixels; one chunk holds one channel.
    levels
        Number of levels of the pyramid; fewer where a level would be smaller than one pixel.
    """

    def __init__(
        self,
        folder: Path,
        shape: tuple[int, ...],
        dtype: npt.DTypeLike,
        pixel_size: float,
        origin: Sequence[float],
        *,
        channels: Sequence[str] | None,
        chunk: int,
        levels: int,
    ) -> None:
        self.chunk = chunk
        self.is_image = channels is not None
        folder.mkdir(parents=True)
        leading, extent = shape[:-2], shape[-2:]
        self.levels = []
        for level in range(levels):
            size = tuple(length >> level for length in extent)
            if min(size) < 1:
                break
            self.levels.append(self._array(folder / f"s{level}", (*leading, *size), dtype))
        attributes = _attributes(folder.name, len(self.levels), pixel_size, origin, channels)
        write_group(folder, attributes)

    def _array(self, path: Path, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Any:
        names = ("c", "y", "x")[-len(shape) :]
        chunks = (1,) * (len(shape) - 2) + (self.chunk, self.chunk)
        return zarr.create_array(
            str(path),
            shape=shape,
            chunks=chunks,
            dtype=dtype,
            compressors=COMPRESSORS,
            fill_value=0,
            dimension_names=names,
            zarr_format=3,
        )

    def strips(self, channels: slice = slice(None)) -> StripWriter:
        """Begin to write the rows of some channels (or of a label image), from the top."""
        return StripWriter(self, channels)


class StripWriter:
    """Takes the rows of level 0 in order and writes all levels, whole chunks at a time."""

    def __init__(self, element: RasterElement, channels: slice) -> None:
        self.element = element
        self.channels = channels
        self._waiting: list[list[Array]] = [[] for _ in element.levels]
        self._written = [0] * len(element.levels)
        self._odd: list[Array | None] = [None] * len(element.levels)

    def write(self, rows: Array) -> None:
        """Add rows (c, y, x) or (y, x) below those that were written before."""
        self._add(0, rows)

    def close(self) -> None:
        """Write what waits for its chunk to be full."""
        for level in range(len(self.element.levels)):
            self._flush(level)

    def _add(self, level: int, rows: Array) -> None:
        if rows.shape[-2] == 0:
            return
        self._waiting[level].append(rows)
        if sum(part.shape[-2] for part in self._waiting[level]) >= self.element.chunk:
            self._flush(level, whole_chunks=True)
        if level + 1 < len(self.element.levels):
            self._add(level + 1, self._halved(level, rows))

    def _halved(self, level: int, rows: Array) -> Array:
        kept = self._odd[level]
        if kept is not None:
            rows = np.concatenate([kept, rows], axis=-2)
        even = rows.shape[-2] // 2 * 2
        self._odd[level] = rows[..., even:, :].copy() if even < rows.shape[-2] else None
        rows = rows[..., :even, : rows.shape[-1] // 2 * 2]
        return halve(rows) if self.element.is_image else rows[..., ::2, ::2]

    def _flush(self, level: int, whole_chunks: bool = False) -> None:
        parts = self._waiting[level]
        if not parts:
            return
        rows = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-2)
        ready = rows.shape[-2]
        if whole_chunks:
            ready -= ready % self.element.chunk
        start = self._written[level]
        target = self.element.levels[level]
        key: tuple[slice, ...] = (slice(start, start + ready), slice(None))
        target[(self.channels, *key) if self.element.is_image else key] = rows[..., :ready, :]
        self._written[level] = start + ready
        rest = rows[..., ready:, :]
        self._waiting[level] = [rest.copy()] if rest.shape[-2] else []


def halve(image: Array) -> Array:
    """Mean of each block of 2 x 2 pixels; integers are rounded down, as in spatialdata.

    Parameters
    ----------
    image
        uint8, uint16 or float32 of shape (..., 2 m, 2 n).
    """
    height, width = image.shape[-2] // 2, image.shape[-1] // 2
    result = np.empty((*image.shape[:-2], height, width), dtype=image.dtype)
    # A few rows at a time, so that the wider sums stay in the processor's cache.
    step = max(1, CACHE_VALUES // max(1, 2 * width))
    for y in range(0, height, step):
        _halve_block(image[..., 2 * y : 2 * (y + step), :], result[..., y : y + step, :])
    return result


def _halve_block(block: Array, out: Array) -> None:
    if block.dtype.kind == "f":
        rows = block[..., 0::2, :] + block[..., 1::2, :]
        np.multiply(rows[..., 0::2] + rows[..., 1::2], np.float32(0.25), out=out)
        return
    # Four values of 16 bits fit into 18 bits, four of 8 bits into 10.
    wide = np.uint16 if block.dtype == np.uint8 else np.uint32
    rows = np.add(block[..., 0::2, :], block[..., 1::2, :], dtype=wide)
    total = rows[..., 0::2] + rows[..., 1::2]
    out[...] = total >> 2


def _attributes(
    name: str,
    levels: int,
    pixel_size: float,
    origin: Sequence[float],
    channels: Sequence[str] | None,
) -> dict[str, Any]:
    lead = 0 if channels is None else 1
    axes = [{"name": axis, "type": "space"} for axis in ("y", "x")]
    if lead:
        axes = [{"name": "c", "type": "channel"}, *axes]
    multiscale = {
        "name": name,
        "axes": axes,
        "datasets": [
            {
                "path": f"s{level}",
                "coordinateTransformations": [
                    {"type": "scale", "scale": [1.0] * lead + [float(1 << level)] * 2}
                ],
            }
            for level in range(levels)
        ],
        "coordinateTransformations": [_to_global(axes, lead, pixel_size, origin)],
    }
    ome: dict[str, Any] = {"version": NGFF_VERSION, "multiscales": [multiscale]}
    if channels is None:
        ome["image-label"] = {"version": "0.5"}
    else:
        ome["omero"] = {"channels": [{"label": channel} for channel in channels]}
    return {"ome": ome, "spatialdata_attrs": {"version": RASTER_VERSION}}


def _to_global(
    axes: list[dict[str, str]], lead: int, pixel_size: float, origin: Sequence[float]
) -> dict[str, Any]:
    described = [dict(axis, unit="unit") if axis["type"] == "space" else axis for axis in axes]
    ends = {
        "input": {"name": "".join(axis["name"] for axis in axes), "axes": described},
        "output": {"name": "global", "axes": described},
    }
    steps = [
        {"type": "scale", "scale": [1.0] * lead + [float(pixel_size)] * 2, **ends},
        {
            "type": "translation",
            "translation": [0.0] * lead + [float(origin[1]), float(origin[0])],
            **ends,
        },
    ]
    return {"type": "sequence", "transformations": steps, **ends}
