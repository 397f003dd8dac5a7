"""Candidate cells: what one tile says about the cells that it sees.

A shard emits every candidate that touches the core of one of its tiles, plus a margin. Which of
several views of one cell is kept is decided by `vitrail.stitch`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail import masks

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Candidates:
    """n candidates of one kind (cells or nuclei).

    Attributes
    ----------
    tile
        int32, the tile that saw it.
    box
        int64 (n, 4), half-open (y0, x0, y1, x1) in pixels of the slide.
    mask, offset
        Packed masks of the boxes, see `vitrail.masks`.
    area, sum_y, sum_x
        int64, number of pixels and sums of their indices on the slide.
    score
        float32.
    cut
        bool, whether the window's border cuts it (the slide's own border does not).
    source
        int64, given label of a cell that was not segmented here, -1 otherwise. Parts with the same
        source are one cell.
    source_id
        str, the given cell's own id, empty otherwise.
    """

    tile: npt.NDArray[np.int32]
    box: Ints
    mask: npt.NDArray[np.uint8]
    offset: Ints
    area: Ints
    sum_y: Ints
    sum_x: Ints
    score: npt.NDArray[np.float32]
    cut: npt.NDArray[np.bool_]
    source: Ints
    source_id: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.box)

    def image(self, i: int) -> npt.NDArray[np.bool_]:
        """Mask of candidate `i` as a bool image of its box."""
        return masks.unpack(self.box, self.mask, self.offset, i)


def empty() -> Candidates:
    """No candidate."""
    none = np.zeros((1, 1, 1), np.int32)
    return from_labels(none, 0, (0, 0), (0, 0, 1, 1), (1, 1), np.empty(0, np.float32))


def from_labels(
    labels: npt.NDArray[np.integer[Any]],
    tile: int,
    origin: tuple[int, int],
    keep: tuple[int, int, int, int],
    shape: tuple[int, int],
    scores: npt.NDArray[np.floating[Any]],
    source: Ints | None = None,
    source_id: npt.NDArray[np.str_] | None = None,
) -> Candidates:
    """Candidates of one window.

    Parameters
    ----------
    labels
        (y, x), or (layers, y, x) where instances overlap: 0 is background, each instance has a
        label of its own from 1 to the number of scores.
    tile
        The tile's number.
    origin
        First pixel (y, x) of the window on the slide.
    keep
        Box on the slide; instances without a pixel in it are left out.
    shape
        Height and width of the slide.
    scores
        (n,), one for each label.
    source, source_id
        (n,), given labels and ids, for cells that were not segmented here.

    Returns
    -------
    In the order of the labels.
    """
    layers = labels if labels.ndim == 3 else labels[None]
    count = len(scores)
    box, area, sum_y, sum_x = masks.extents(layers, count)
    y, x = origin
    top, left, bottom, right = keep[0] - y, keep[1] - x, keep[2] - y, keep[3] - x
    inside = layers[:, max(top, 0) : bottom, max(left, 0) : right]
    chosen = np.flatnonzero(np.bincount(inside.ravel(), minlength=count + 1)[1:])
    index = np.full(count + 1, -1, np.int64)
    index[chosen + 1] = np.arange(len(chosen))
    box = box[chosen]
    offset = masks.offsets(box)
    mask = np.zeros(offset[-1], np.uint8)
    masks.pack(layers, index, box, offset, mask)
    size = np.array(layers.shape[1:])
    cut = _touches(box, (0, 0), size, origin, shape)
    area = area[chosen]
    return Candidates(
        tile=np.full(len(chosen), tile, np.int32),
        box=box + np.array([y, x, y, x]),
        mask=mask,
        offset=offset,
        area=area,
        sum_y=sum_y[chosen] + area * y,
        sum_x=sum_x[chosen] + area * x,
        score=np.asarray(scores, np.float32)[chosen],
        cut=cut,
        source=np.full(len(chosen), -1) if source is None else source[chosen].astype(np.int64),
        source_id=np.full(len(chosen), "") if source_id is None else source_id[chosen].astype(str),
    )


def _touches(
    box: Ints,
    start: tuple[int, int],
    size: npt.NDArray[Any],
    origin: tuple[int, int],
    shape: tuple[int, int],
) -> npt.NDArray[np.bool_]:
    """Boxes that touch a border of the window which is not a border of the slide."""
    cut = np.zeros(len(box), bool)
    for axis in (0, 1):
        if origin[axis] > 0:
            cut |= box[:, axis] <= start[axis]
        if origin[axis] + size[axis] < shape[axis]:
            cut |= box[:, axis + 2] >= size[axis]
    return cut


def concatenate(parts: Sequence[Candidates]) -> Candidates:
    """All candidates, ordered by tile; the order within a tile is kept.

    A tile is in one shard, so the result is the same for any number and order of shards.
    """
    if not parts:
        return empty()
    joined: dict[str, Any] = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(Candidates)
        if field.name != "offset"
    }
    joined["offset"] = masks.offsets(joined["box"])
    candidates = Candidates(**joined)
    if (np.diff(joined["tile"]) >= 0).all():
        return candidates
    return take(candidates, np.argsort(joined["tile"], kind="stable"))


def take(candidates: Candidates, order: Ints) -> Candidates:
    """Some of the candidates, in the given order."""
    chosen: dict[str, Any] = {
        field.name: getattr(candidates, field.name)[order]
        for field in fields(Candidates)
        if field.name not in ("mask", "offset")
    }
    chosen["offset"] = masks.offsets(chosen["box"])
    chosen["mask"] = np.empty(chosen["offset"][-1], np.uint8)
    masks.copy(candidates.mask, candidates.offset, order, chosen["mask"], chosen["offset"])
    return Candidates(**chosen)
