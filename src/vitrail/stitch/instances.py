"""The kept instances of a slide."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail import masks
from vitrail.candidates import Candidates
from vitrail.stitch.views import Groups

Ints = npt.NDArray[np.int64]
ORDER_BLOCK = 256  # pixels: instances are numbered block by block, row-major


@dataclass(frozen=True)
class Instances:
    """n instances (cells or nuclei) of a slide.

    Attributes
    ----------
    box, mask, offset
        Packed masks, see `vitrail.masks`.
    area, sum_y, sum_x
        int64, number of pixels and sums of their indices.
    score
        float32.
    cut
        bool, put together from, or standing as, views that windows cut: larger than the overlap of
        the tiles.
    source_id
        str, the given cell's own id, empty otherwise.
    """

    box: Ints
    mask: npt.NDArray[np.uint8]
    offset: Ints
    area: Ints
    sum_y: Ints
    sum_x: Ints
    score: npt.NDArray[np.float32]
    cut: npt.NDArray[np.bool_]
    source_id: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.box)

    def image(self, i: int) -> npt.NDArray[np.bool_]:
        """Mask of instance `i` as a bool image of its box."""
        return masks.unpack(self.box, self.mask, self.offset, i)

    def centroid(self) -> npt.NDArray[np.float64]:
        """Mean pixel indices (n, 2) as (y, x)."""
        return np.column_stack([self.sum_y, self.sum_x]) / np.maximum(self.area, 1)[:, None]

    def measured(self) -> Instances:
        """The same instances with area and sums taken from the masks; empty ones are left out."""
        area, sum_y, sum_x = masks.measure(self.box, self.mask, self.offset)
        fresh = replace(self, area=area, sum_y=sum_y, sum_x=sum_x)
        return fresh if area.all() else fresh.take(np.flatnonzero(area))

    def take(self, order: Ints) -> Instances:
        """Some of the instances, in the given order."""
        chosen: dict[str, Any] = {
            field.name: getattr(self, field.name)[order]
            for field in fields(Instances)
            if field.name not in ("mask", "offset")
        }
        chosen["offset"] = masks.offsets(chosen["box"])
        chosen["mask"] = np.empty(chosen["offset"][-1], np.uint8)
        masks.copy(self.mask, self.offset, order, chosen["mask"], chosen["offset"])
        return Instances(**chosen)

    def sorted(self) -> Instances:
        """In spatial order: row-major by blocks of the slide, then by centroid.

        The order depends on the instances alone, so neighbours in space have close labels whatever
        the tiles were.
        """
        y, x = self.centroid().T
        keys = (
            self.source_id,
            self.area,
            self.box[:, 1],
            self.box[:, 0],
            x,
            y,
            np.floor(x / ORDER_BLOCK),
            np.floor(y / ORDER_BLOCK),
        )
        return self.take(np.lexsort(keys).astype(np.int64))


def assemble(candidates: Candidates, groups: Groups) -> Instances:
    """One instance a group: the union of the masks of its candidates."""
    member, start = groups.member, groups.start
    first = member[start[:-1]]
    members = candidates.box[member]
    box = np.empty((len(first), 4), np.int64)
    if len(first):
        for side, reduce in ((0, np.minimum), (1, np.minimum), (2, np.maximum), (3, np.maximum)):
            box[:, side] = reduce.reduceat(members[:, side], start[:-1])
    offset = masks.offsets(box)
    mask = np.zeros(offset[-1], np.uint8)
    masks.unite(
        candidates.box, candidates.mask, candidates.offset, member, start, box, offset, mask
    )
    score = np.empty(len(first), np.float32)
    if len(first):
        score = np.maximum.reduceat(candidates.score[member], start[:-1])
    return Instances(
        box=box,
        mask=mask,
        offset=offset,
        area=np.zeros(len(first), np.int64),
        sum_y=np.zeros(len(first), np.int64),
        sum_x=np.zeros(len(first), np.int64),
        score=score,
        cut=candidates.cut[first] & (candidates.source[first] < 0),
        source_id=candidates.source_id[first],
    ).measured()
