"""Segmentation of an image in memory, with the same steps as that of a slide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail import masks
from vitrail.errors import VitrailError
from vitrail.normalization import measure
from vitrail.sampling import sample_boxes
from vitrail.segment import gather, window_candidates
from vitrail.segmentation.channels import ROLES
from vitrail.segmentation.contract import Context, Segmenter
from vitrail.segmentation.planes import read_sample
from vitrail.stitch import stitch
from vitrail.tile import Tiles, grid

DIAMETER_UM = 7.0  # what a nucleus' diameter is taken for where it is given in pixels
NOMINAL_UM = 0.5  # what a pixel is taken for where nothing is known and nothing depends on it
LEAST_HALO_UM = 40.0
SAMPLE_PX = 1024  # edge of a sampled window


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
    image = np.asarray(image)
    if image.ndim not in (2, 3) or image.dtype.kind not in "uifb" or 0 in image.shape:
        raise VitrailError(
            f"the image has shape {image.shape} and type {image.dtype}; wanted: numbers in (y, x) "
            "or (c, y, x)"
        )
    if image.dtype.kind == "b":
        image = image.astype(np.uint8)
    image = image if image.ndim == 3 else image[None]
    slide: Any = ArraySlide(image, _scale(segmenter, pixel_size, diameter))
    roles = dict(channels) if channels else segmenter.default_channels(len(image))
    _check_roles(roles, len(image))
    normalization, tissue = measure(slide)
    context = Context(slide.pixel_size, roles, normalization.segmenter)
    boxes = sample_boxes(tissue, slide.shape, SAMPLE_PX)
    sample = read_sample(slide, boxes, normalization, context, diameter, pixel_size is not None)
    values = {**normalization.segmenter, segmenter.name: segmenter.prepare(sample)}
    context = replace(context, values=values)
    halo_px = int(np.ceil(max(segmenter.reach_um(context), LEAST_HALO_UM) / slide.pixel_size))
    core, halo = grid(slide.shape, size_px, halo_px, segmenter.stride)
    shards = np.zeros(len(core), np.int32)
    tiles = Tiles(core, halo, tissue.share(core), shards)
    found = [
        window_candidates(slide, tiles, tile, normalization, segmenter, context)
        for tile in range(len(tiles))
    ]
    cells = stitch([gather(found)], tiles).cells
    labels = np.zeros(slide.shape, np.int32)
    order = np.arange(len(cells))
    values_of = (order + 1).astype(np.int32)
    masks.paint(labels, 0, 0, order, values_of, cells.box, cells.mask, cells.offset)
    return labels


def _check_roles(roles: Mapping[str, int], count: int) -> None:
    for role, channel in roles.items():
        if role not in ROLES or not 0 <= channel < count:
            raise VitrailError(
                f"channels gives {role!r} the channel {channel} of an image with {count}; wanted: "
                f"{', '.join(ROLES)} with a number from 0"
            )


def _scale(segmenter: Segmenter, pixel_size: float | None, diameter: float | None) -> float:
    """Micrometres of a pixel; nominal where the segmenter needs none."""
    if pixel_size is not None and pixel_size > 0:
        return float(pixel_size)
    if diameter is not None and diameter > 0:
        return DIAMETER_UM / float(diameter)
    if not segmenter.needs_scale and pixel_size is None and diameter is None:
        return NOMINAL_UM
    raise VitrailError(
        f"pixel_size is {pixel_size} and diameter {diameter}; wanted: the micrometres of a pixel, "
        "or the pixels of a nucleus' diameter"
    )
