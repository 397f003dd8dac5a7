"""Pixels of a fixed size over a tissue, and the tissue on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Grid:
    """Square pixels; arrays over them are (y, x).

    Attributes
    ----------
    origin
        (x, y) in micrometres of the outer corner of pixel (0, 0).
    step
        Edge of a pixel in micrometres.
    shape
        (height, width) in pixels.
    """

    origin: tuple[float, float]
    step: float
    shape: tuple[int, int]

    def pixel(self, xy: Floats) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Row and column of the pixel that holds each position; beyond the grid: the nearest."""
        place = np.floor((xy - np.array(self.origin)) / self.step).astype(np.int64)
        height, width = self.shape
        return place[:, 1].clip(0, height - 1), place[:, 0].clip(0, width - 1)

    def holds(self, xy: Floats) -> Mask:
        """Whether each position lies on the grid."""
        place = (xy - np.array(self.origin)) / self.step
        height, width = self.shape
        return np.asarray((place >= 0).all(axis=1) & (place < [width, height]).all(axis=1))

    def centres(self, mask: Mask) -> Floats:
        """Centres (n, 2) in micrometres of the pixels of a mask, row by row."""
        y, x = np.nonzero(mask)
        return np.asarray(np.array(self.origin) + (np.stack([x, y], axis=1) + 0.5) * self.step)

    def count(self, xy: Floats) -> Floats:
        """Number of positions in each pixel."""
        row, column = self.pixel(xy)
        flat = np.bincount(row * self.shape[1] + column, minlength=self.shape[0] * self.shape[1])
        return flat.reshape(self.shape).astype(np.float64)


def grid_over(xy: Floats, step: float, pad: float) -> Grid:
    """Grid over positions (n, 2), n > 0, with at least `pad` micrometres around them."""
    low = np.floor((xy.min(axis=0) - pad) / step) * step
    width, height = (np.floor((xy.max(axis=0) + pad - low) / step).astype(int) + 1).tolist()
    return Grid((float(low[0]), float(low[1])), float(step), (height, width))


def tissue_of(cells: Floats, grid: Grid, reach: float) -> Mask:
    """Pixels that belong to the tissue: the morphological closing of the cells' pixels.

    A disc of radius `reach` micrometres fits nowhere between the cells of one tissue. Closing
    bridges the gaps between cells and adds no rim around the outermost ones, so that areas, and
    with them densities, are not biased along the tissue's edge. The grid must be padded by `reach`.
    """
    from scipy.ndimage import distance_transform_edt

    occupied = grid.count(cells) > 0
    near = distance_transform_edt(~occupied, sampling=grid.step) <= reach
    inner = np.asarray(distance_transform_edt(np.pad(near, 1), sampling=grid.step) > reach)
    return np.asarray(inner[1:-1, 1:-1] | occupied)


def without_small(mask: Mask, pixels: float) -> Mask:
    """Mask without 4-connected parts of fewer pixels, and with holes of fewer pixels filled."""
    from scipy.ndimage import label

    def parts_of(values: Mask) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        labels, count = label(values)
        return labels, np.bincount(labels.ravel(), minlength=count + 1)

    labels, size = parts_of(mask)
    small = size < pixels
    small[0] = False
    kept = mask & ~small[labels]
    labels, size = parts_of(~kept)
    open_ended = np.zeros(len(size), bool)
    for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        open_ended[side] = True
    holes = (size < pixels) & ~open_ended
    holes[0] = False
    return np.asarray(kept | holes[labels])
