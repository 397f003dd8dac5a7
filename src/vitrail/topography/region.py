"""The tumour's region, its border, and signed distances to it.

The border is where tumour and other tissue meet. Where the tumour ends at the edge of the slide, of
a tissue core or of an empty space there is no invasive margin, and no border.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from vitrail.topography.grid import Floats, Grid, Mask, grid_over, tissue_of, without_small

# The share of tumour cells is not known where its kernel holds less than this many cells.
LEAST_WEIGHT = 1e-3
BATCH = 1 << 18


@dataclass(frozen=True)
class Region:
    """Tumour and tissue.

    Attributes
    ----------
    grid
        The pixels.
    tissue, tumour
        Masks over them; the tumour is part of the tissue.
    border
        Straight pieces of the border (pieces, 2, 2): ends as (x, y) in micrometres.
    outlines
        Given outlines (shapely polygons), or None where the mask is the tumour.
    """

    grid: Grid
    tissue: Mask
    tumour: Mask
    border: Floats
    outlines: Any = None

    @property
    def border_um(self) -> float:
        """Length of the border in micrometres."""
        return float(np.linalg.norm(self.border[:, 1] - self.border[:, 0], axis=1).sum())

    def inside(self, xy: Floats) -> Mask:
        """Whether each position (n, 2) lies in the tumour."""
        if self.outlines is not None:
            return np.asarray(shapely.intersects_xy(self.outlines, xy[:, 0], xy[:, 1]))
        return np.asarray(self.tumour[self.grid.pixel(xy)] & self.grid.holds(xy))

    def signed_distance(self, xy: Floats) -> Floats:
        """Exact distance (n,) to the border in micrometres, negative inside of the tumour.

        Euclidean, from the position itself to the nearest point of the nearest piece of the
        border. NaN where there is no border.
        """
        out = np.full(len(xy), np.nan)
        if not len(self.border) or not len(xy):
            return out
        pieces: Any = shapely.linestrings(self.border)
        tree = shapely.STRtree(pieces)
        for begin in range(0, len(xy), BATCH):
            points = shapely.points(xy[begin : begin + BATCH])
            # `all_matches` would give a point several rows where pieces are equally near.
            (own, _), distance = tree.query_nearest(points, return_distance=True, all_matches=False)
            out[begin + own] = distance
        return np.where(self.inside(xy), -out, out)


def region_of_cells(
    xy: npt.ArrayLike,
    tumour: npt.ArrayLike,
    counted: npt.ArrayLike | None = None,
    *,
    grid_um: float = 10.0,
    bandwidth_um: float = 25.0,
    min_share: float = 0.5,
    min_region_um2: float = 5000.0,
    tissue_reach_um: float = 30.0,
) -> Region:
    """Tumour region from the cells: where tumour cells are at least a share of those around.

    Parameters
    ----------
    xy
        Positions (n, 2) of all cells in micrometres.
    tumour
        Boolean (n,): tumour cells.
    counted
        Boolean (n,): cells that the share is of; the tumour cells among them. Cells that invade
        the tumour are best left out, or they would change the region that they are counted in.
        None: all.
    grid_um
        Edge of a pixel.
    bandwidth_um
        Standard deviation of the Gaussian kernel by which cells are weighted around a pixel.
    min_share
        Least share of tumour cells, 0 to 1.
    min_region_um2
        Smaller regions are not tumour, smaller holes in it are.
    tissue_reach_um
        Gaps between cells wider than twice this are not tissue.
    """
    from scipy.ndimage import gaussian_filter

    positions, grid, tissue = _tissue(xy, grid_um, tissue_reach_um)
    is_tumour = np.asarray(tumour, dtype=bool)
    kept = np.ones(len(positions), bool) if counted is None else np.asarray(counted, dtype=bool)
    if not is_tumour.any():
        return Region(grid, tissue, np.zeros(grid.shape, bool), np.zeros((0, 2, 2)))
    sigma = bandwidth_um / grid.step
    own, every = (
        gaussian_filter(grid.count(positions[chosen]), sigma, mode="constant")
        for chosen in (is_tumour, kept | is_tumour)
    )
    # The kernel's peak turns a sum of weights into a number of cells.
    known = every * (2 * np.pi * sigma**2) >= LEAST_WEIGHT
    share = np.divide(own, every, out=np.zeros(grid.shape), where=known)
    dense = tissue & (share >= min_share)
    member = is_tumour & dense[grid.pixel(positions)]
    # The share alone would draw the border midway between tumour and stroma where cells that are
    # left out line it. What lies between tumour cells, or nearest to one, is tumour.
    dense &= tissue_of(positions[member], grid, bandwidth_um) | (
        _distance_to(positions[member], grid) < _distance_to(positions[~member], grid)
    )
    mask = without_small(dense, min_region_um2 / grid.step**2)
    tissue = tissue | mask
    return Region(grid, tissue, mask, _pixel_border(grid, mask, tissue & ~mask))


def region_of_outlines(
    xy: npt.ArrayLike,
    outlines: Sequence[Any],
    *,
    grid_um: float = 10.0,
    tissue_reach_um: float = 30.0,
) -> Region:
    """Tumour region from given outlines: shapely polygons in micrometres.

    The border is the outlines themselves, but for stretches that have no tissue on one side within
    a pixel.
    """
    _, grid, tissue = _tissue(xy, grid_um, tissue_reach_um)
    union = shapely.make_valid(shapely.union_all(np.asarray(outlines, dtype=object)))
    shapely.prepare(union)
    centres = grid.centres(tissue)
    mask = np.zeros(grid.shape, bool)
    mask[tissue] = shapely.intersects_xy(union, centres[:, 0], centres[:, 1])
    return Region(grid, tissue, mask, _outline_border(grid, tissue, union), union)


def _tissue(xy: npt.ArrayLike, grid_um: float, reach: float) -> tuple[Floats, Grid, Mask]:
    positions = np.asarray(xy, dtype=np.float64).reshape(-1, 2)
    if not len(positions):
        return positions, Grid((0.0, 0.0), grid_um, (1, 1)), np.zeros((1, 1), bool)
    grid = grid_over(positions, grid_um, reach + 2 * grid_um)
    return positions, grid, tissue_of(positions, grid, reach)


def _distance_to(cells: Floats, grid: Grid) -> Floats:
    """Distance of each pixel to the nearest pixel with a cell, in micrometres."""
    from scipy.ndimage import distance_transform_edt

    if not len(cells):
        return np.full(grid.shape, np.inf)
    return np.asarray(distance_transform_edt(grid.count(cells) == 0, sampling=grid.step))


def _pixel_border(grid: Grid, tumour: Mask, other: Mask) -> Floats:
    """Edges between pixels of the tumour and pixels of other tissue (pieces, 2, 2)."""
    pieces = []
    for axis in (0, 1):
        low, high = (slice(None, -1), slice(1, None))
        first = (low, slice(None)) if axis == 0 else (slice(None), low)
        second = (high, slice(None)) if axis == 0 else (slice(None), high)
        meet = (tumour[first] & other[second]) | (other[first] & tumour[second])
        y, x = np.nonzero(meet)
        # The corner that ends both pixels, and the one from which their common edge runs to it.
        end = np.stack([x + 1, y + 1], axis=1).astype(np.float64)
        begin = end - ([1.0, 0.0] if axis == 0 else [0.0, 1.0])
        pieces.append(np.stack([begin, end], axis=1))
    return np.concatenate(pieces) * grid.step + np.array(grid.origin)


def _outline_border(grid: Grid, tissue: Mask, union: Any) -> Floats:
    """Pieces of the outlines, of at most a pixel's length, with tissue on both sides."""
    pieces = []
    for line in shapely.get_parts(shapely.get_rings(shapely.get_parts(union))):
        corners = shapely.get_coordinates(shapely.segmentize(line, grid.step))
        pieces.append(np.stack([corners[:-1], corners[1:]], axis=1))
    if not pieces:
        return np.zeros((0, 2, 2))
    border = np.concatenate(pieces)
    along = border[:, 1] - border[:, 0]
    length = np.linalg.norm(along, axis=1)
    border, along, length = border[length > 0], along[length > 0], length[length > 0]
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1) / length[:, None] * grid.step
    middle = border.mean(axis=1)
    both = np.ones(len(border), bool)
    for side in (middle + normal, middle - normal):
        both &= tissue[grid.pixel(side)] & grid.holds(side)
    return border[both]
