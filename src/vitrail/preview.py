"""Stage preview: a picture of a region with the outlines of its cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vitrail.errors import VitrailError
from vitrail.segmentation.channels import roles

if TYPE_CHECKING:
    from vitrail.io.slide import Slide

Colour = tuple[int, int, int]
Rgb = npt.NDArray[np.uint8]

# Light-on-dark colours by role, and what other channels get in turn.
COLOURS: dict[str, Colour] = {
    "nucleus": (80, 130, 255),
    "cytoplasm": (50, 190, 90),
    "membrane": (220, 90, 200),
}
OUTLINE: Colour = (255, 225, 80)
NUCLEUS_OUTLINE: Colour = (255, 255, 255)
PERCENTILES = (1.0, 99.7)


def preview(
    slide: Slide,
    cells: Any,
    nuclei: Any,
    *,
    region_um: Sequence[float] | None = None,
    side_um: float = 200.0,
    size_px: int = 1000,
    channels: Mapping[str, Any] | None = None,
    nuclei_outlines: bool = True,
) -> Rgb:
    """Overlay picture of a region: the image's channels in colour, outlines one pixel wide.

    Parameters
    ----------
    slide
        The slide; without an image cells are drawn as areas.
    cells, nuclei
        Label images (y, x), arrays or zarr arrays.
    region_um
        Box (x0, y0, x1, y1) in micrometres. None: a square of `side_um` where cells are densest.
    side_um
        Edge of that square in micrometres.
    size_px
        Largest edge of the picture in pixels; the region is enlarged by a whole number, so that
        pixels stay sharp, or thinned out.
    channels
        Roles of the channels, see `vitrail.segmentation.channels.roles`.
    nuclei_outlines
        Draw nuclei as well.

    Returns
    -------
    uint8 (height, width, 3).
    """
    box = _box(slide, cells, region_um, side_um)
    y0, x0, y1, x1 = box
    labels = np.asarray(cells[y0:y1, x0:x1])
    inner = np.asarray(nuclei[y0:y1, x0:x1])
    longest = max(y1 - y0, x1 - x0)
    factor, step = max(size_px // longest, 1), -(-longest // size_px)
    labels, inner = labels[::step, ::step], inner[::step, ::step]
    if slide.has("images/image"):
        picture = _composite(slide.read(*box)[:, ::step, ::step], slide.channels, channels)
    else:
        picture = _areas(labels)
    labels, inner, picture = (_enlarge(plane, factor) for plane in (labels, inner, picture))
    if nuclei_outlines:
        picture[_edges(inner)] = NUCLEUS_OUTLINE
    picture[_edges(labels)] = OUTLINE
    return picture


def write_png(path: str, picture: Rgb) -> None:
    """Write a picture."""
    from PIL import Image

    Image.fromarray(picture).save(path, format="PNG", optimize=True)


def _box(
    slide: Slide, cells: Any, region_um: Sequence[float] | None, side_um: float
) -> tuple[int, int, int, int]:
    height, width = slide.shape
    if region_um is None:
        side = min(max(round(side_um / slide.pixel_size), 1), height, width)
        y0, x0 = _densest(cells, side)
        return y0, x0, y0 + side, x0 + side
    from vitrail.coordinates import pixel_index

    x0, x1 = pixel_index([region_um[0], region_um[2]], slide.pixel_size, slide.origin[0])
    y0, y1 = pixel_index([region_um[1], region_um[3]], slide.pixel_size, slide.origin[1])
    box = (max(int(y0), 0), max(int(x0), 0), min(int(y1), height), min(int(x1), width))
    if box[0] >= box[2] or box[1] >= box[3]:
        raise VitrailError(
            f"preview.region_um is {list(region_um)}, which does not overlap the slide; wanted: "
            "[x0, y0, x1, y1] in micrometres inside of it"
        )
    return box


def _densest(cells: Any, side: int) -> tuple[int, int]:
    """Start of the square, among squares half overlapping, with most labelled pixels.

    Looks at a row and a column in eight, which is enough to compare areas and bounds the memory.
    """
    height, width = cells.shape
    step = max(side // 2, 1)
    best, place = -1, ((height - side) // 2, (width - side) // 2)
    for y0 in sorted({min(y, height - side) for y in range(0, height, step)}):
        strip = np.asarray(cells[y0 : y0 + side, :])[::8] > 0
        covered = np.concatenate([[0], np.cumsum(strip.sum(axis=0))])
        for x0 in sorted({min(x, width - side) for x in range(0, width, step)}):
            found = int(covered[x0 + side] - covered[x0])
            if found > best:
                best, place = found, (y0, x0)
    return place


def _composite(
    image: npt.NDArray[Any], names: Sequence[str], wanted: Mapping[str, Any] | None
) -> Rgb:
    """Channels in the colours of their roles, added up."""
    mixed = np.zeros((*image.shape[1:], 3))
    for role, channel in roles(names, wanted).items():
        low, high = np.percentile(image[channel], PERCENTILES)
        scaled = np.clip((image[channel].astype(np.float64) - low) / max(high - low, 1e-9), 0, 1)
        mixed += scaled[..., None] * np.array(COLOURS[role])
    return np.clip(mixed, 0, 255).astype(np.uint8)


def _areas(labels: npt.NDArray[Any]) -> Rgb:
    """Cells in muted colours by label, where there is no image."""
    hue = (labels.astype(np.int64) * 37 % 11)[..., None]
    shade = 60 + hue * np.array([5, 7, 9])
    return np.where(labels[..., None] > 0, shade, 20).astype(np.uint8)


def _enlarge(plane: npt.NDArray[Any], factor: int) -> npt.NDArray[Any]:
    return plane.repeat(factor, axis=0).repeat(factor, axis=1)


def _edges(labels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Labelled pixels with another label above or to the left, or background on any side."""
    padded = np.pad(labels, 1)
    inside = labels > 0
    edge = (padded[:-2, 1:-1] != labels) | (padded[1:-1, :-2] != labels)
    bare = (padded[2:, 1:-1] == 0) | (padded[1:-1, 2:] == 0)
    return inside & (edge | bare)
