"""Stage tile: a slide divided into tiles with a core and a halo, and the tiles into shards.

Cores partition the slide. A segmenter sees the halo box, the core grown by the halo, so that it
sees every cell whose centroid lies in the core whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from vitrail.errors import VitrailError

if TYPE_CHECKING:
    from vitrail.io.slide import Slide
    from vitrail.normalization import Normalization

Boxes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Tiles:
    """The tiles of one slide in row-major order.

    Attributes
    ----------
    core, halo
        int64 (n, 4), half-open boxes (y0, x0, y1, x1) in pixels. Cores partition the slide.
    tissue
        float32 (n,), share of the core that is tissue.
    shard
        int32 (n,), the shard that segments the tile.
    """

    core: Boxes
    halo: Boxes
    tissue: npt.NDArray[np.float32]
    shard: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.core)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the slide in pixels."""
        return int(self.core[:, 2].max(initial=0)), int(self.core[:, 3].max(initial=0))

    def seams(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Rows and columns at which a core starts, without the slide's own border."""
        rows, columns = np.unique(self.core[:, 0]), np.unique(self.core[:, 1])
        return rows[rows > 0], columns[columns > 0]

    def holding(self, y: npt.ArrayLike, x: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Index of the tile whose core holds each pixel (`y`, `x`)."""
        rows, columns = np.unique(self.core[:, 0]), np.unique(self.core[:, 1])
        row = np.searchsorted(rows, np.asarray(y), side="right") - 1
        column = np.searchsorted(columns, np.asarray(x), side="right") - 1
        return (row * len(columns) + column).astype(np.int64)


def divide(
    slide: Slide,
    *,
    size_px: int = 2048,
    halo_um: float = 48.0,
    stride_px: int = 16,
    shards: int = 1,
    percentiles: tuple[float, float] = (1.0, 99.0),
) -> tuple[Tiles, Normalization]:
    """Tiles of a slide and the slide-wide values that its segmentation needs.

    Parameters
    ----------
    slide
        The slide. Without an image every tile counts as tissue and there is nothing to normalise.
    size_px
        Edge of a core in pixels, rounded up to a multiple of `stride_px`.
    halo_um
        What a segmenter sees around a core, in micrometres, rounded up to a multiple of
        `stride_px`. At least the largest cell.
    stride_px
        Every box starts at a multiple of this.
    shards
        Number of shards. Shards beyond the number of tiles are empty.
    percentiles
        Intensities over tissue that become 0 and 1, in percent.
    """
    from vitrail.normalization import Normalization, measure
    from vitrail.sampling import sample_boxes, side_px

    if shards < 1:
        raise VitrailError(f"tile.shards is {shards}; wanted: 1 or more")
    halo_px = int(np.ceil(halo_um / slide.pixel_size - 1e-9))
    core, halo = grid(slide.shape, size_px, halo_px, stride_px)
    if slide.has("images/image"):
        normalization, tissue_map = measure(slide, percentiles)
        tissue = tissue_map.share(core)
        boxes = sample_boxes(tissue_map, slide.shape, side_px(slide.pixel_size))
        normalization.segmenter["sample"] = boxes.tolist()
    else:
        normalization = Normalization((), np.empty(0), np.empty(0), {})
        tissue = np.ones(len(core), np.float32)
    return Tiles(core, halo, tissue, balance(tissue, halo, shards)), normalization


def grid(shape: tuple[int, int], size: int, halo: int, stride: int) -> tuple[Boxes, Boxes]:
    """Core and halo boxes that cover an image, row-major.

    Parameters
    ----------
    shape
        Height and width in pixels.
    size, halo
        Edge of a core and width of the halo in pixels; both are rounded up to multiples of
        `stride`, so that every box starts on the grid of a network's strides.
    stride
        Pixels.

    Returns
    -------
    Two int64 arrays (n, 4) of half-open boxes (y0, x0, y1, x1).
    """
    if size < 1 or halo < 0 or stride < 1:
        raise VitrailError(
            f"tile: size_px {size}, halo {halo} px and stride_px {stride} make no grid; wanted: "
            "a positive size and stride and a halo that is not negative"
        )
    size, halo = -(-size // stride) * stride, -(-halo // stride) * stride
    height, width = shape
    y0, x0 = np.meshgrid(np.arange(0, height, size), np.arange(0, width, size), indexing="ij")
    start = np.column_stack([y0.ravel(), x0.ravel()]).astype(np.int64)
    core = np.concatenate([start, np.minimum(start + size, [height, width])], axis=1)
    grown = core + np.array([-halo, -halo, halo, halo])
    return core, np.clip(grown, 0, [height, width, height, width])


def balance(tissue: npt.NDArray[np.float32], halo: Boxes, shards: int) -> npt.NDArray[np.int32]:
    """Shard of each tile: runs of neighbouring tiles with about equal work.

    Work is the area that is read where there is tissue; neighbouring tiles in one shard share the
    chunks that they read.
    """
    area = (halo[:, 2] - halo[:, 0]) * (halo[:, 3] - halo[:, 1])
    work = area * np.where(tissue > 0, 0.25 + tissue.astype(np.float64), 0.01)
    total = work.sum()
    if total <= 0:
        return np.zeros(len(tissue), np.int32)
    middle = np.cumsum(work) - work / 2
    return np.minimum(middle / total * shards, shards - 1).astype(np.int32)


def halo_width(tiles: Tiles) -> int | None:
    """Width of the halo in pixels at inner borders; None where a slide is one tile."""
    rows, columns = tiles.core[:, 0] > 0, tiles.core[:, 1] > 0
    widths = np.concatenate(
        [tiles.core[rows, 0] - tiles.halo[rows, 0], tiles.core[columns, 1] - tiles.halo[columns, 1]]
    )
    return int(widths.max()) if len(widths) else None
