"""How good the seams are: flat edges along tile borders, against the same along mock borders.

A cell that stitching cut has a long straight edge on a tile's border. Real cells have such edges by
chance, so the same is counted along mock borders, shifted by half a tile, where no tile ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail.errors import VitrailError
from vitrail.tile import Tiles

Ints = npt.NDArray[np.int64]

FLAT = 0.6  # of the diameter of a disc of the cell's area: longer straight edges are suspicious
SHORTEST = 3  # pixels


@dataclass
class SeamCounts:
    """What lies along a set of lines.

    Attributes
    ----------
    length_px
        Length of the lines.
    crossing
        Cells that continue across a line.
    cut
        Cells that end at a line with a straight edge.
    doubled
        Pairs of cut cells that face each other.
    lost
        Cut cells that face background.
    """

    length_px: int = 0
    crossing: int = 0
    cut: int = 0
    doubled: int = 0
    lost: int = 0

    @property
    def share(self) -> float:
        """Cut cells among those that reach a line."""
        return self.cut / max(self.cut + self.crossing, 1)

    def add(self, before: npt.NDArray[Any], after: npt.NDArray[Any], flat: Ints) -> None:
        """Count along one line.

        Parameters
        ----------
        before, after
            Labels (n,) of the pixels on its two sides.
        flat
            int64 (labels + 1,), length of an edge from which a cell counts as cut.
        """
        self.length_px += len(before)
        through = np.unique(before[(before == after) & (before > 0)])
        self.crossing += len(through)
        cut = [_long(side, flat, through) for side in (before, after)]
        self.cut += sum(len(labels) for labels in cut)
        self.lost += _facing_background(before, after, cut[0])
        self.lost += _facing_background(after, before, cut[1])
        facing = np.isin(before, cut[0]) & np.isin(after, cut[1])
        pairs, length = np.unique(
            np.stack([before[facing], after[facing]]), axis=1, return_counts=True
        )
        if pairs.shape[1]:
            self.doubled += int(np.sum(2 * length >= np.minimum(flat[pairs[0]], flat[pairs[1]])))


def _long(side: npt.NDArray[Any], flat: Ints, through: npt.NDArray[Any]) -> npt.NDArray[Any]:
    labels, length = np.unique(side[side > 0], return_counts=True)
    return labels[(length >= flat[labels]) & ~np.isin(labels, through)]


def _facing_background(
    side: npt.NDArray[Any], other: npt.NDArray[Any], cut: npt.NDArray[Any]
) -> int:
    """Number of `cut` labels that have background across the line on at least half their edge."""
    mine = np.isin(side, cut)
    edge = np.bincount(side[mine], minlength=1)
    bare = np.bincount(side[mine & (other == 0)], minlength=len(edge))
    return int(np.count_nonzero((edge > 0) & (2 * bare >= edge)))


def seam_counts(labels: Any, area: Ints, tiles: Tiles, mock: bool = False) -> SeamCounts:
    """Count along the borders of the tiles' cores.

    Parameters
    ----------
    labels
        Label image (y, x), array or zarr array; read line by line.
    area
        int64 (n,), area in pixels of label i + 1.
    tiles
        The slide's tiles.
    mock
        Along lines shifted by half a tile instead.
    """
    diameter = 2 * np.sqrt(area / np.pi)
    flat = np.concatenate([[1], np.maximum(np.ceil(FLAT * diameter), SHORTEST)]).astype(np.int64)
    rows, columns = tiles.seams()
    if mock:
        rows, columns = _between(rows, labels.shape[0]), _between(columns, labels.shape[1])
    counts = SeamCounts()
    for y in rows:
        before, after = np.asarray(labels[int(y) - 1 : int(y) + 1, :])
        counts.add(before, after, flat)
    for x in columns:
        before, after = np.asarray(labels[:, int(x) - 1 : int(x) + 1]).T
        counts.add(before, after, flat)
    return counts


def _between(lines: Ints, size: int) -> Ints:
    """Lines half-way between the given ones and the slide's borders; none where there are none."""
    if len(lines) == 0:
        return lines
    edges = np.concatenate([[0], lines, [size]])
    middle = (edges[:-1] + edges[1:]) // 2
    return middle[(middle > 0) & ~np.isin(middle, lines)]


def check_excess(seams: SeamCounts, mock: SeamCounts, limit: float | None) -> float:
    """Share of cut cells at seams beyond that at mock seams; an error where it exceeds `limit`."""
    excess = seams.share - mock.share
    if limit is not None and excess > limit:
        raise VitrailError(
            f"stitch.max_seam_excess is {limit:g}, but {100 * seams.share:.1f} % of the cells at "
            f"tile borders are cut against {100 * mock.share:.1f} % along mock borders: raise "
            "tile.halo_um, or raise or empty the limit"
        )
    return excess
