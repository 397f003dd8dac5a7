"""Segmentation of an image in memory, with the same steps as that of a slide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail import masks
from vitrail.errors import VitrailError
from vitrail.segmentation.contract import Context, Segmenter

DIAMETER_UM = 7.0  # what a nucleus' diameter is taken for where it is given in pixels


class ArraySlide:
    """An image in memory in the place of `vitrail.io.slide.Slide`."""

    def __init__(self, image: npt.NDArray[Any], pixel_size: float) -> None:
        self._image = image
        self.pixel_size = pixel_size
        self.origin = (0.0, 0.0)
        self.shape = (int(image.shape[1]), int(image.shape[2]))
        self.channels = [str(channel) for channel in range(len(image))]

    def has(self, element: str) -> bool:
        """Whether it has an element: the image alone."""
        return element == "images/image"

    def read(self, y0: int, x0: int, y1: int, x1: int) -> npt.NDArray[Any]:
        """Pixels of a box, (c, y, x)."""
        return self._image[:, y0:y1, x0:x1]


def segment_image(
    segmenter: Segmenter,
    image: npt.NDArray[Any],
    pixel_size: float | None,
    diameter: float | None,
    channels: Mapping[str, int] | None,
    size_px: int = 2048,
) -> npt.NDArray[np.int32]:
    """Cells of an image; see `Segmenter.segment`.

    Tiles have edges of `size_px` pixels; a smaller image is one tile.
    """
    from vitrail.segment import gather, window_candidates
    from vitrail.stitch import stitch
    from vitrail.tile import divide

    image = np.asarray(image)
    if image.ndim not in (2, 3) or image.dtype.kind not in "uifb" or 0 in image.shape:
        raise VitrailError(
            f"the image has shape {image.shape} and type {image.dtype}; wanted: numbers in (y, x) "
            "or (c, y, x)"
        )
    if image.dtype.kind == "b":
        image = image.astype(np.uint8)
    slide: Any = ArraySlide(image if image.ndim == 3 else image[None], _scale(pixel_size, diameter))
    tiles, normalization = divide(
        slide, size_px=size_px, halo_um=max(segmenter.reach_um(), 40.0), stride_px=segmenter.stride
    )
    context = Context(slide.pixel_size, channels or {"nucleus": 0}, normalization.segmenter)
    found = [
        window_candidates(slide, tiles, tile, normalization, segmenter, context)
        for tile in range(len(tiles))
    ]
    cells = stitch([gather(found)], tiles).cells
    labels = np.zeros(slide.shape, np.int32)
    order = np.arange(len(cells))
    values = (order + 1).astype(np.int32)
    masks.paint(labels, 0, 0, order, values, cells.box, cells.mask, cells.offset)
    return labels


def _scale(pixel_size: float | None, diameter: float | None) -> float:
    if pixel_size is not None and pixel_size > 0:
        return float(pixel_size)
    if diameter is not None and diameter > 0:
        return DIAMETER_UM / float(diameter)
    raise VitrailError(
        f"pixel_size is {pixel_size} and diameter {diameter}; wanted: the micrometres of a pixel, "
        "or the pixels of a nucleus' diameter"
    )
