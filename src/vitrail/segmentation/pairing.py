"""Cells and their nuclei where each was found by itself.

Pairs are made by overlap, largest first (in a tie the instance that comes first in reading order):
a cell takes the nucleus that it shares most pixels with, and a nucleus belongs to one cell.

- A nucleus that two cells claim goes to the one that shares more; the other takes its next one.
- A paired cell becomes the union of itself and its nucleus, also where that nucleus lies in a
  neighbour, which loses those pixels.
- A nucleus without a cell of its own, most of which lies in one cell all the same, is a second
  nucleus of that cell (`several="keep"`); or the cell's pixels are divided between its nuclei, each
  pixel going to the nearest (`several="split"`).
- Any other nucleus without a cell becomes a cell, grown by `expansion` pixels over background.
- A cell without a nucleus stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from vitrail.errors import VitrailError
from vitrail.segmentation.filters import nearest_label
from vitrail.segmentation.tidy import compact, tidy

Labels = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]

SEVERAL = ("keep", "split")
INSIDE = 0.5  # share of a nucleus in a cell above which it is a nucleus of that cell


@dataclass(frozen=True)
class Paired:
    """Cells that hold their nuclei.

    Attributes
    ----------
    cells
        int32 (y, x), from 1 without gaps.
    nuclei
        int32 (y, x), as they came.
    cell_of_nucleus
        int32 (nuclei + 1,), label of the cell of each nucleus; entry 0 is 0.
    source
        int64 (cells,), label of the cell as it came; 0 for one made from a nucleus.
    nucleus_of_cell
        int64 (cells,), label of the nucleus that the cell was paired with, made or split from; 0
        for none.
    """

    cells: Labels
    nuclei: Labels
    cell_of_nucleus: npt.NDArray[np.int32]
    source: Ints
    nucleus_of_cell: Ints


def pair(cells: Labels, nuclei: Labels, expansion: float = 0.0, several: str = "keep") -> Paired:
    """Pair cells with nuclei.

    Parameters
    ----------
    cells, nuclei
        int32 (y, x), 0 = background.
    expansion
        Pixels by which a nucleus without a cell grows, over background alone.
    several
        `keep` or `split`: what becomes of a cell with several nuclei.
    """
    if several not in SEVERAL:
        raise VitrailError(
            f"several nuclei in a cell are to be '{several}'; wanted: one of {', '.join(SEVERAL)}"
        )
    overlaps = _overlaps(cells, nuclei)
    area = np.bincount(nuclei.ravel(), minlength=int(nuclei.max(initial=0)) + 1)
    partner, home = _match(overlaps, area, int(cells.max(initial=0)))
    number_of_cells = int(cells.max(initial=0))
    # A nucleus that makes or takes a cell of its own gets a number behind those of the cells.
    alone = partner == 0
    alone[0] = False
    alone &= area > 0
    second = alone & (home > 0)
    lone = alone & (home == 0)
    owner = np.where(partner > 0, partner, 0)
    own = lone | second if several == "split" else lone
    owner[own] = number_of_cells + 1 + np.flatnonzero(own)
    if several == "split":
        cells = _split(cells, nuclei, np.where(second, home, 0), partner, owner)
    else:
        owner[second] = home[second]
    joined = np.where(nuclei > 0, owner[nuclei], cells).astype(np.int32)
    joined = _grow(joined, nuclei, lone, owner, expansion)
    return _finish(joined, nuclei, owner, area, partner, own, number_of_cells)


def _overlaps(cells: Labels, nuclei: Labels) -> tuple[Ints, Ints, Ints]:
    """Cell, nucleus and shared pixels of each overlapping pair, largest share first.

    In a tie the pair whose first shared pixel comes first in reading order, which is the same in
    every window.
    """
    flat_cells, flat_nuclei = cells.ravel(), nuclei.ravel()
    both = np.flatnonzero((flat_cells > 0) & (flat_nuclei > 0))
    width = int(nuclei.max(initial=0)) + 1
    key = flat_cells[both].astype(np.int64) * width + flat_nuclei[both]
    pairs, first, count = np.unique(key, return_index=True, return_counts=True)
    order = np.lexsort((first, -count))
    return pairs[order] // width, pairs[order] % width, count[order]


def _match(overlaps: tuple[Ints, Ints, Ints], area: Ints, cells: int) -> tuple[Ints, Ints]:
    """Cell that each nucleus is paired with, and the cell that holds most of it; 0 for none."""
    partner, home = np.zeros(len(area), np.int64), np.zeros(len(area), np.int64)
    taken = np.zeros(cells + 1, bool)
    for cell, nucleus, shared in zip(*(column.tolist() for column in overlaps), strict=True):
        if shared > INSIDE * area[nucleus]:
            home[nucleus] = cell
        if partner[nucleus] == 0 and not taken[cell]:
            partner[nucleus] = cell
            taken[cell] = True
    return partner, home


def _split(cells: Labels, nuclei: Labels, home: Ints, partner: Ints, owner: Ints) -> Labels:
    """Divide each cell with several nuclei: every pixel goes to the nearest of them."""
    divided = np.unique(home[home > 0])
    if not len(divided):
        return cells
    of_cell = np.zeros(int(cells.max(initial=0)) + 1, bool)
    of_cell[divided] = True
    lives_in = np.where(home > 0, home, partner)
    return _nearest_of_cell(cells, nuclei, of_cell, lives_in, owner)


@njit(cache=True)
def _nearest_of_cell(cells, nuclei, divided, lives_in, owner):  # type: ignore[no-untyped-def]
    """Each pixel of a divided cell gets the owner of the nearest nucleus that lives in the cell.

    Exact squared distances to the nuclei's pixels, cell by cell; in a tie the nucleus whose pixel
    comes first in reading order.
    """
    height, width = cells.shape
    count = divided.size
    # Pixels of the nuclei of each divided cell, in reading order.
    number = np.zeros(count + 1, np.int64)
    for y in range(height):
        for x in range(width):
            nucleus = nuclei[y, x]
            if nucleus > 0 and lives_in[nucleus] > 0 and divided[lives_in[nucleus]]:
                number[lives_in[nucleus] + 1] += 1
    start = np.cumsum(number)
    filled = start.copy()
    place = np.empty((start[-1], 2), np.int64)
    for y in range(height):
        for x in range(width):
            nucleus = nuclei[y, x]
            if nucleus > 0 and lives_in[nucleus] > 0 and divided[lives_in[nucleus]]:
                home = lives_in[nucleus]
                place[filled[home], 0], place[filled[home], 1] = y, x
                filled[home] += 1
    out = cells.copy()
    for y in range(height):
        for x in range(width):
            cell = cells[y, x]
            if cell == 0 or not divided[cell]:
                continue
            best, chosen = np.int64(1) << 60, 0
            for i in range(start[cell], start[cell + 1]):
                dy, dx = place[i, 0] - y, place[i, 1] - x
                distance = dy * dy + dx * dx
                if distance < best:
                    best, chosen = distance, owner[nuclei[place[i, 0], place[i, 1]]]
            out[y, x] = chosen
    return out


def _grow(
    joined: Labels, nuclei: Labels, lone: npt.NDArray[np.bool_], owner: Ints, expansion: float
) -> Labels:
    """Let cells made from lone nuclei grow over background, each pixel to the nearest."""
    if expansion <= 0 or not lone.any():
        return joined
    seeds = np.where(lone[nuclei], owner[nuclei], 0).astype(np.int32)
    grown, _ = nearest_label(seeds, float(expansion))
    return np.where(joined > 0, joined, grown).astype(np.int32)


def _finish(
    joined: Labels,
    nuclei: Labels,
    owner: Ints,
    area: Ints,
    partner: Ints,
    own: npt.NDArray[np.bool_],
    number_of_cells: int,
) -> Paired:
    """One part a cell, no gaps in the numbers."""
    # Where a neighbour's nucleus cut a cell into parts, the part with its own nucleus is the cell.
    anchored = np.where(nuclei > 0, owner[nuclei], 0).astype(np.int32)
    with_nucleus = np.zeros(int(max(joined.max(initial=0), owner.max(initial=0))) + 1, bool)
    with_nucleus[owner[area > 0]] = True
    with_nucleus[0] = False
    empty = tidy(np.where(with_nucleus[joined], 0, joined).astype(np.int32))
    core = np.where(with_nucleus[joined], anchored, empty).astype(np.int32)
    cells, old = compact(tidy(joined, core))
    number = np.zeros(len(with_nucleus), np.int32)
    number[old] = np.arange(1, len(old) + 1)
    nucleus_of = np.zeros(len(with_nucleus), np.int64)
    chosen = np.flatnonzero((partner > 0) | own)
    nucleus_of[owner[chosen]] = chosen
    cell_of_nucleus = np.where(area > 0, number[owner], 0).astype(np.int32)
    cell_of_nucleus[0] = 0
    source = np.where(old <= number_of_cells, old, 0)
    return Paired(cells, nuclei, cell_of_nucleus, source, nucleus_of[old])
