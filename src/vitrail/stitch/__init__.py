"""Stage stitch: the candidates of all tiles to one set of cells and nuclei.

Views of one cell from neighbouring tiles are matched by overlap, one view is kept, cells that no
tile saw whole are put together from their parts, and pixels that two cells claim go to one of them.
Nothing depends on how the tiles were divided into shards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail import masks
from vitrail.candidates import Candidates, concatenate
from vitrail.stitch.instances import Instances, assemble
from vitrail.stitch.overlaps import resolve
from vitrail.stitch.views import choose
from vitrail.tile import Tiles

__all__ = ["Instances", "Stitched", "stitch"]


@dataclass(frozen=True)
class Stitched:
    """The instances of a slide.

    Attributes
    ----------
    cells, nuclei
        Instance i has label i + 1.
    cell_of_nucleus
        int32 (nuclei,), label of the cell that each nucleus overlaps most, 0 = none.
    account
        Counts by name for each kind, see `docs/file-contract.md` (seams.json).
    """

    cells: Instances
    nuclei: Instances
    cell_of_nucleus: npt.NDArray[np.int32]
    account: dict[str, dict[str, Any]]


def stitch(
    shards: Sequence[dict[str, Candidates]], tiles: Tiles, overlap: str = "nearest"
) -> Stitched:
    """Cells and nuclei of a slide from the candidates of its shards.

    Parameters
    ----------
    shards
        One dict a shard, by kind (`cells`, `nuclei`); in any order.
    tiles
        The slide's tiles.
    overlap
        Who gets a pixel that two kept instances claim: `nearest` centroid, higher `score`, or
        nobody (`drop`).

    Notes
    -----
    A nucleus pixel outside of the nucleus' cell stays in the nucleus image and belongs to no
    cell's nucleus: compartments are read from both images together.
    """
    cells, cell_account = _one_kind(concatenate([s["cells"] for s in shards]), tiles, overlap)
    nuclei, nucleus_account = _one_kind(concatenate([s["nuclei"] for s in shards]), tiles, overlap)
    return Stitched(
        cells, nuclei, _link(nuclei, cells), {"cells": cell_account, "nuclei": nucleus_account}
    )


def _one_kind(
    candidates: Candidates, tiles: Tiles, overlap: str
) -> tuple[Instances, dict[str, Any]]:
    groups = choose(candidates, tiles)
    instances = assemble(candidates, groups)
    resolved, contested = resolve(instances, overlap)
    final = resolved.sorted()
    account = {
        "candidates": len(candidates),
        "matched": groups.matched,
        "kept": len(final),
        "cut_views": int(np.count_nonzero(final.cut)),
        "contested_px": contested,
        "vanished": len(instances) - len(final),
    }
    return final, account


def _link(nuclei: Instances, cells: Instances) -> npt.NDArray[np.int32]:
    """Label of the cell that each nucleus shares most pixels with; the smaller label in a tie."""
    n = len(nuclei)
    box = np.concatenate([nuclei.box, cells.box])
    mask = np.concatenate([nuclei.mask, cells.mask])
    offset = np.concatenate([nuclei.offset[:-1], nuclei.offset[-1] + cells.offset])
    kind = np.arange(len(box)) >= n
    nucleus, cell = masks.overlapping_boxes(box, kind)
    shared = masks.shared_counts(box, mask, offset, nucleus, cell)
    order = np.lexsort((cell, -shared, nucleus))
    order = order[shared[order] > 0]
    owner, first = np.unique(nucleus[order], return_index=True)
    link = np.zeros(n, np.int32)
    link[owner] = cell[order][first] - n + 1
    return link
