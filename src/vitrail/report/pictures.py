"""Pictures of slides as small WebP images: cells by colour, image details, one gene's values.

Arrays in, RGB arrays out; `data_uri` makes one a part of the page.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

RGB = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating[Any]]

BACKGROUND = 255
LARGEST_DISC = 9  # pixels
# Colours of the channels of a detail, added up: nuclei blue, the next channels in warm and green,
# dim enough that nuclei stay seen through them.
CHANNEL_COLOURS = ((0.35, 0.6, 1.0), (0.75, 0.4, 0.08), (0.05, 0.6, 0.3))


@dataclass(frozen=True)
class Extent:
    """A rectangle in micrometres."""

    x0: float
    y0: float
    x1: float
    y1: float

    @classmethod
    def around(cls, xy: Floats, margin: float = 0.02) -> Extent:
        """Of positions (n, 2), with a margin relative to the longer side."""
        (x0, y0), (x1, y1) = xy.min(axis=0), xy.max(axis=0)
        space = max(x1 - x0, y1 - y0, 1.0) * margin
        return cls(float(x0 - space), float(y0 - space), float(x1 + space), float(y1 + space))

    @property
    def width(self) -> float:
        """Micrometres."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """Micrometres."""
        return self.y1 - self.y0


def data_uri(picture: RGB, quality: int | None = None) -> str:
    """A picture as a WebP data URI: without loss, or of a quality up to 100."""
    import imagecodecs

    encoded = imagecodecs.webp_encode(
        np.ascontiguousarray(picture), level=quality, lossless=quality is None, method=4
    )
    return "data:image/webp;base64," + base64.b64encode(encoded).decode()


def pixels_of(extent: Extent, longest: int) -> tuple[int, int, float]:
    """Height, width and pixels a micrometre of a picture whose longer side has `longest` pixels."""
    scale = longest / max(extent.width, extent.height)
    return max(1, round(extent.height * scale)), max(1, round(extent.width * scale)), scale


def draw_cells(xy: Floats, colours: RGB, extent: Extent, longest: int) -> RGB:
    """Cells as discs.

    Parameters
    ----------
    xy
        Positions (n, 2) in micrometres.
    colours
        (n, 3), later rows lie above earlier ones.
    extent
        What is shown.
    longest
        Pixels of the longer side.
    """
    height, width, scale = pixels_of(extent, longest)
    picture = np.full((height, width, 3), BACKGROUND, dtype=np.uint8)
    if not len(xy):
        return picture
    x = np.floor((xy[:, 0] - extent.x0) * scale).astype(np.int64)
    y = np.floor((xy[:, 1] - extent.y0) * scale).astype(np.int64)
    for dy, dx in _disc(_radius(xy, extent, scale)):
        inside = (y + dy >= 0) & (y + dy < height) & (x + dx >= 0) & (x + dx < width)
        picture[y[inside] + dy, x[inside] + dx] = colours[inside]
    return picture


def _radius(xy: Floats, extent: Extent, scale: float) -> float:
    """Pixels at which discs would cover most of the squares of the picture that hold cells."""
    squares = 64
    at = (xy - [extent.x0, extent.y0]) / max(extent.width, extent.height) * squares
    occupied = len(np.unique(np.floor(at).astype(np.int64), axis=0))
    area = occupied * (max(extent.width, extent.height) / squares * scale) ** 2
    return float(np.clip(np.sqrt(area * 0.8 / (np.pi * len(xy))), 0.6, LARGEST_DISC))


def _disc(radius: float) -> list[tuple[int, int]]:
    """Offsets of a disc's pixels, the outermost first, so that centres are drawn over rims."""
    reach = int(radius)
    offsets = [
        (dy, dx)
        for dy in range(-reach, reach + 1)
        for dx in range(-reach, reach + 1)
        if dy * dy + dx * dx <= radius * radius
    ]
    return sorted(offsets, key=lambda o: (-(o[0] ** 2 + o[1] ** 2), o))


def draw_labels(labels: npt.NDArray[np.integer[Any]], colours: RGB, outlined: bool) -> RGB:
    """Label image as coloured cells.

    Parameters
    ----------
    labels
        (y, x), 0 = background.
    colours
        (largest label + 1, 3); row 0 is the background's.
    outlined
        Whether pixels at a border between two labels are darkened.
    """
    picture = colours[labels]
    if outlined:
        edge = borders(labels) & (labels > 0)
        picture[edge] = (picture[edge] * 0.55).astype(np.uint8)
    return picture


def borders(labels: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.bool_]:
    """Pixels whose right or lower neighbour has another label, and those neighbours."""
    edge = np.zeros(labels.shape, dtype=bool)
    across = labels[:, 1:] != labels[:, :-1]
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    along = labels[1:] != labels[:-1]
    edge[1:] |= along
    edge[:-1] |= along
    return edge


def composite(image: npt.NDArray[Any]) -> RGB:
    """Up to three channels (c, y, x) as one picture, each from its 1st to its 99.7th percentile.

    One channel alone is shown in grey.
    """
    shown = image[: len(CHANNEL_COLOURS)].astype(np.float32)
    total = np.zeros((*image.shape[1:], 3), dtype=np.float32)
    for channel, colour in zip(shown, CHANNEL_COLOURS, strict=False):
        low, high = np.percentile(channel, [1, 99.7])
        share = np.clip((channel - low) / max(float(high - low), 1e-9), 0, 1)
        tint = np.array(colour if len(shown) > 1 else (1.0, 1.0, 1.0), dtype=np.float32)
        total += share[:, :, None] * tint
    return (np.clip(total, 0, 1) * 255).astype(np.uint8)


def with_outlines(picture: RGB, labels: npt.NDArray[np.integer[Any]], colours: RGB) -> RGB:
    """The picture in dim grey with each cell's rim in its colour (`colours` as in `draw_labels`).

    Colours are lightened: the darkest of the palette would not be seen on a dark image.
    """
    grey = (picture.max(axis=2) * 0.75).astype(np.uint8)
    outlined = np.repeat(grey[:, :, None], 3, axis=2)
    rim = borders(labels) & (labels > 0)
    outlined[rim] = 255 - ((255 - colours[labels[rim]]) * 0.75).astype(np.uint8)
    return outlined


def enlarge(picture: RGB, factor: int) -> RGB:
    """Each pixel as a square of pixels."""
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def densest_box(xy: Floats, extent: Extent, side: float) -> tuple[float, float]:
    """(x, y) of the corner of the square with the most cells, on a grid of half its side.

    Parameters
    ----------
    xy
        Positions (n, 2) in micrometres.
    extent
        Where the square may lie.
    side
        Micrometres.
    """
    half = side / 2
    columns = max(2, int(extent.width // half))
    rows = max(2, int(extent.height // half))
    column = np.clip(((xy[:, 0] - extent.x0) / half).astype(np.int64), 0, columns - 1)
    row = np.clip(((xy[:, 1] - extent.y0) / half).astype(np.int64), 0, rows - 1)
    count = np.bincount(row * columns + column, minlength=rows * columns).reshape(rows, columns)
    squares = count[1:, 1:] + count[:-1, 1:] + count[1:, :-1] + count[:-1, :-1]
    y, x = np.unravel_index(int(squares.argmax()), squares.shape)
    return extent.x0 + float(x) * half, extent.y0 + float(y) * half
