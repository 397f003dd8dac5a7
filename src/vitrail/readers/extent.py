"""Where a slide lies: its pixel size, the pixels that a region keeps, the grid without an image."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vitrail.coordinates import pixel_index
from vitrail.errors import VitrailError
from vitrail.readers.placement import Frame

if TYPE_CHECKING:
    from vitrail.readers.registry import SlideSource

Region = tuple[float, float, float, float]
# Relative difference of two statements of the pixel size that is worth a remark.
PIXEL_SIZE_TOLERANCE = 0.01
# A grid beyond this many pixels comes from a stray coordinate, not from a slide.
MAX_PIXELS = 10**11
# Fraction of a pixel by which a region's edge may miss a pixel's edge and still mean it.
ON_EDGE = 1e-6


@dataclass(frozen=True)
class PixelBox:
    """Half-open box of pixels of the whole image."""

    y0: int
    x0: int
    y1: int
    x1: int

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.y1 - self.y0, self.x1 - self.x0

    def origin(self, frame: Frame) -> tuple[float, float]:
        """(x, y) in micrometres of the box's outer corner."""
        x, y = frame.origin
        return x + self.x0 * frame.pixel_size, y + self.y0 * frame.pixel_size

    def strips(self, rows: int) -> Iterator[tuple[int, int]]:
        """Row ranges of `rows` rows each, from the top."""
        for y0 in range(self.y0, self.y1, rows):
            yield y0, min(y0 + rows, self.y1)


@dataclass(frozen=True)
class Grid:
    """Pixels of a slide: (x, y) of the outer corner in micrometres, (height, width)."""

    origin: tuple[float, float]
    shape: tuple[int, int]


def settle_pixel_size(
    row: Mapping[str, Any], entry: Mapping[str, Any], in_file: float | None
) -> tuple[float, str | None]:
    """Pixel size of a slide, and a remark where two statements of it differ.

    The sheet's word counts before the format's, and that before the file's.

    Parameters
    ----------
    row, entry
        Row of the sheet and format entry; ``pixel_size`` in micrometres or None.
    in_file
        What the image file says.

    Raises
    ------
    VitrailError
        If nothing states it: it is never guessed.
    """
    stated = row.get("pixel_size") or entry.get("pixel_size")
    if stated is None and in_file is None:
        raise VitrailError(
            f"sample {row.get('sample')}: the pixel size is not known, wanted micrometres a pixel "
            "in the sheet's column pixel_size (the image file does not say it)."
        )
    if stated is None:
        return float(in_file), None  # type: ignore[arg-type]
    size = float(stated)
    if in_file is None or abs(size - in_file) <= PIXEL_SIZE_TOLERANCE * in_file:
        return size, None
    return size, (
        f"pixel size: the sheet or format says {size:g} um, the image file {in_file:g} um; "
        f"{size:g} um is used"
    )


def check_rasters(source: SlideSource) -> tuple[int, int] | None:
    """(height, width) that image and label images share; None where there are none."""
    image = source.image
    shape = None if image is None else image.shape
    for labels in source.labels.values():
        if shape is None:
            shape = labels.shape
        elif labels.shape != shape:
            raise VitrailError(
                f"{labels.path}: has {labels.shape[0]} x {labels.shape[1]} pixels, wanted "
                f"{shape[0]} x {shape[1]} as the image has."
            )
    return shape


def pixel_box(frame: Frame, shape: tuple[int, int], region: Region | None) -> PixelBox:
    """Pixels of the image that a region touches.

    Parameters
    ----------
    frame
        The whole slide.
    shape
        Its (height, width).
    region
        (x0, y0, x1, y1) in micrometres; None for the whole image.

    Raises
    ------
    VitrailError
        If the region lies outside the image.
    """
    height, width = shape
    if region is None:
        return PixelBox(0, 0, height, width)
    x0, y0, x1, y1 = region
    box = PixelBox(
        max(0, _floor((y0 - frame.origin[1]) / frame.pixel_size)),
        max(0, _floor((x0 - frame.origin[0]) / frame.pixel_size)),
        min(height, _ceil((y1 - frame.origin[1]) / frame.pixel_size)),
        min(width, _ceil((x1 - frame.origin[0]) / frame.pixel_size)),
    )
    if min(box.shape) < 1:
        ends = [
            (start, start + size * frame.pixel_size)
            for start, size in zip(frame.origin, (width, height), strict=True)
        ]
        raise VitrailError(
            f"region {_shown(region)} lies outside the slide, which covers x {ends[0][0]:g} to "
            f"{ends[0][1]:g} and y {ends[1][0]:g} to {ends[1][1]:g} um."
        )
    return box


def grid_of_extent(extents: Iterable[Region], pixel_size: float, region: Region | None) -> Grid:
    """Grid of pixels over the extent of transcripts and boundaries, for slides without an image.

    Its origin is a multiple of the pixel size, so that the pixels of two runs coincide.

    Parameters
    ----------
    extents
        (x0, y0, x1, y1) in micrometres of each element, the last position included.
    pixel_size
        Micrometres a pixel.
    region
        The grid does not reach beyond it.

    Raises
    ------
    VitrailError
        If nothing has a position, or the grid would be absurdly large.
    """
    found = [extent for extent in extents if extent[0] <= extent[2]]
    if not found:
        where = "" if region is None else f" in region {_shown(region)}"
        raise VitrailError(
            f"no transcript or boundary has a position{where}, and there is no image that would "
            "say where the slide lies."
        )
    low = [min(extent[axis] for extent in found) for axis in (0, 1)]
    high = [max(extent[axis] for extent in found) for axis in (2, 3)]
    if region is not None:
        low = [max(a, b) for a, b in zip(low, region[:2], strict=True)]
        high = [min(a, b) for a, b in zip(high, region[2:], strict=True)]
    first = [int(index) for index in pixel_index(low, pixel_size)]
    last = [int(index) for index in pixel_index(high, pixel_size)]
    if region is not None:
        ends = [_ceil(edge / pixel_size) - 1 for edge in region[2:]]
        last = [min(a, b) for a, b in zip(last, ends, strict=True)]
    width, height = (b - a + 1 for a, b in zip(first, last, strict=True))
    if width * height > MAX_PIXELS:
        raise VitrailError(
            f"positions run from {low[0]:g}, {low[1]:g} to {high[0]:g}, {high[1]:g} um, which is "
            f"{width} x {height} pixels of {pixel_size:g} um: check the unit of the coordinates."
        )
    return Grid((first[0] * pixel_size, first[1] * pixel_size), (height, width))


def _floor(value: float) -> int:
    return math.floor(value + ON_EDGE)


def _ceil(value: float) -> int:
    return math.ceil(value - ON_EDGE)


def _shown(region: Region) -> str:
    return ",".join(f"{value:g}" for value in region)
