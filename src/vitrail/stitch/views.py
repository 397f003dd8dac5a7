"""Which views of a cell are kept: matching by overlap, ownership, and parts put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from vitrail import masks
from vitrail.candidates import Candidates
from vitrail.tile import Tiles

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Groups:
    """Kept instances as lists of candidates: instance k is member[start[k]:start[k + 1]].

    `matched` counts the candidates that are a view of an instance which another view stands for.
    """

    member: Ints
    start: Ints
    matched: int


def choose(candidates: Candidates, tiles: Tiles) -> Groups:
    """Decide which candidates are kept and which are put together.

    Two views from different tiles are one cell where they share at least half of the smaller one,
    each counted within the other's window only, so that a view cut by its window still matches.
    The views of a cell that at least one tile saw whole compete, and a view is dropped only for a
    matching one that is kept: nothing is lost and nothing is kept twice, whatever the views say.
    First come whole views, then those of the tile whose core holds the centroid of all whole views
    together, from integer sums. A cell that no tile saw whole is the union of its parts; so is a
    given cell, whose parts carry its label.
    """
    given = candidates.source >= 0
    first, second = _matches(candidates, tiles, ~given)
    part_first, part_second = _same_source(candidates.source)
    root = _components(
        len(candidates),
        np.concatenate([first, part_first]),
        np.concatenate([second, part_second]),
    )
    whole = np.zeros(len(candidates), bool)
    np.logical_or.at(whole, root, ~candidates.cut & ~given)
    competing = whole[root]
    rank = np.empty(len(candidates), np.int64)
    order = _order(candidates, tiles, root)
    rank[order] = np.arange(len(candidates))
    kept = _compete(order, *_neighbours(len(candidates), first, second))
    # Union: all parts of a group that does not compete. Otherwise each kept view on its own.
    name = np.where(competing, np.arange(len(candidates)), root)
    stays = kept | ~competing
    member = np.flatnonzero(stays)
    member = member[np.argsort(name[member], kind="stable")]
    start = np.flatnonzero(np.diff(name[member], prepend=-1))
    start = np.append(start, len(member)).astype(np.int64)
    return Groups(member, start, len(candidates) - (len(start) - 1))


def _matches(
    candidates: Candidates, tiles: Tiles, eligible: npt.NDArray[np.bool_]
) -> tuple[Ints, Ints]:
    """Pairs of views from different tiles that are one cell."""
    index = np.flatnonzero(eligible)
    first, second = masks.overlapping_boxes(candidates.box[index], candidates.tile[index])
    first, second = index[first], index[second]
    same = _same_cell(
        first,
        second,
        candidates.box,
        candidates.mask,
        candidates.offset,
        tiles.halo[candidates.tile],
    )
    return first[same], second[same]


@njit(cache=True)
def _same_cell(first, second, box, mask, offset, window):  # type: ignore[no-untyped-def]
    same = np.zeros(first.size, np.bool_)
    for k in range(first.size):
        i, j = first[k], second[k]
        shared = masks.shared(box, mask, offset, i, j)
        if shared > 0:
            area_i = masks.area_within(box, mask, offset, i, window[j])
            area_j = masks.area_within(box, mask, offset, j, window[i])
            same[k] = 2 * shared >= min(area_i, area_j)
    return same


def _same_source(source: Ints) -> tuple[Ints, Ints]:
    """Pairs of successive parts of each given cell."""
    order = np.argsort(source, kind="stable")
    order = order[source[order] >= 0]
    joined = source[order[:-1]] == source[order[1:]]
    return order[:-1][joined], order[1:][joined]


@njit(cache=True)
def _root(parent, i):  # type: ignore[no-untyped-def]
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True)
def _components(n, first, second):  # type: ignore[no-untyped-def]
    """Smallest index of the connected component of each of `n` items."""
    parent = np.arange(n)
    for k in range(first.size):
        a, b = _root(parent, first[k]), _root(parent, second[k])
        if a != b:
            parent[max(a, b)] = min(a, b)
    for i in range(n):
        parent[i] = _root(parent, i)
    return parent


def _order(candidates: Candidates, tiles: Tiles, root: Ints) -> Ints:
    """Order in which views compete: whole, then the owner's, then those in their own core."""
    whole = (~candidates.cut).astype(np.int64)
    n = len(candidates)

    def total(values: Ints) -> Ints:
        sums = np.zeros(n, np.int64)
        np.add.at(sums, root, values * whole)
        return sums[root]

    area = np.maximum(total(candidates.area), 1)
    owner = _tile_of(tiles, total(candidates.sum_y), total(candidates.sum_x), area)
    own = _tile_of(tiles, candidates.sum_y, candidates.sum_x, candidates.area)
    keys: tuple[Any, ...] = (
        candidates.tile,
        candidates.box[:, 1],
        candidates.box[:, 0],
        -candidates.area,
        own != candidates.tile,
        owner != candidates.tile,
        candidates.cut,
    )
    return np.lexsort(keys).astype(np.int64)


def _tile_of(tiles: Tiles, sum_y: Ints, sum_x: Ints, area: Ints) -> Ints:
    """Tile whose core holds the pixel in which a centroid lies, in integers alone."""
    return tiles.holding((2 * sum_y + area) // (2 * area), (2 * sum_x + area) // (2 * area))


def _neighbours(n: int, first: Ints, second: Ints) -> tuple[Ints, Ints]:
    """Adjacency of matched views: start (n + 1,) and neighbours."""
    a, b = np.concatenate([first, second]), np.concatenate([second, first])
    start = np.concatenate([[0], np.cumsum(np.bincount(a, minlength=n))]).astype(np.int64)
    return start, b[np.argsort(a, kind="stable")]


@njit(cache=True)
def _compete(order, start, neighbour):  # type: ignore[no-untyped-def]
    """Keep each view in turn unless a matching one is kept already."""
    kept = np.zeros(order.size, np.bool_)
    for i in order:
        kept[i] = True
        for k in range(start[i], start[i + 1]):
            if kept[neighbour[k]] and neighbour[k] != i:
                kept[i] = False
                break
    return kept
