"""Pixels that two kept instances claim."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from vitrail import masks
from vitrail.errors import VitrailError
from vitrail.stitch.instances import Instances

POLICIES = ("nearest", "score", "drop")


def resolve(instances: Instances, policy: str) -> tuple[Instances, int]:
    """Give each contested pixel to one instance, or to none.

    Parameters
    ----------
    instances
        Overlapping or not.
    policy
        `nearest`: the instance whose centroid is nearest to the pixel; `score`: the one with the
        higher score, then the nearest; `drop`: nobody. Equal distances go to the instance that
        comes first by centroid.

    Returns
    -------
    The instances without overlap (those left without a pixel are left out), and the number of
    pixels that instances lost.
    """
    if policy not in POLICIES:
        raise VitrailError(f"stitch.overlap is '{policy}'; wanted: one of {', '.join(POLICIES)}")
    first, second = masks.overlapping_boxes(instances.box)
    if len(first) == 0:
        return instances, 0
    cleared = instances.mask.copy()
    _clear(
        first,
        second,
        instances.box,
        instances.mask,
        instances.offset,
        instances.centroid(),
        instances.score if policy == "score" else np.zeros(len(instances), np.float32),
        _rank(instances),
        policy == "drop",
        cleared,
    )
    lost = int(np.bitwise_count(instances.mask ^ cleared).sum(dtype=np.int64))
    if lost == 0:
        return instances, 0
    resolved = Instances(**{**instances.__dict__, "mask": cleared})
    return resolved.measured(), lost


def _rank(instances: Instances) -> npt.NDArray[np.int64]:
    """Place of each instance by centroid, then by area: independent of tiles."""
    y, x = instances.centroid().T
    rank = np.empty(len(instances), np.int64)
    rank[np.lexsort((instances.source_id, instances.area, x, y))] = np.arange(len(instances))
    return rank


@njit(cache=True)
def _clear(first, second, box, mask, offset, centroid, score, rank, drop, cleared):  # type: ignore[no-untyped-def]
    """Clear each contested pixel in every instance but the best; comparisons use `mask` as it was.

    An instance keeps a pixel only if it wins against every other claimant, so the order of the
    pairs does not matter.
    """
    for k in range(first.size):
        i, j = first[k], second[k]
        width_i, width_j = box[i, 3] - box[i, 1], box[j, 3] - box[j, 1]
        for y in range(max(box[i, 0], box[j, 0]), min(box[i, 2], box[j, 2])):
            for x in range(max(box[i, 1], box[j, 1]), min(box[i, 3], box[j, 3])):
                at_i = (y - box[i, 0]) * width_i + x - box[i, 1]
                at_j = (y - box[j, 0]) * width_j + x - box[j, 1]
                if not (masks.get(mask, offset[i], at_i) and masks.get(mask, offset[j], at_j)):
                    continue
                if drop:
                    masks.clear(cleared, offset[i], at_i)
                    masks.clear(cleared, offset[j], at_j)
                elif _wins(i, j, y, x, centroid, score, rank):
                    masks.clear(cleared, offset[j], at_j)
                else:
                    masks.clear(cleared, offset[i], at_i)


@njit(cache=True)
def _wins(i, j, y, x, centroid, score, rank):  # type: ignore[no-untyped-def]
    """Whether pixel (y, x) goes to instance `i` rather than to `j`."""
    if score[i] != score[j]:
        return score[i] > score[j]
    distance_i = (y - centroid[i, 0]) ** 2 + (x - centroid[i, 1]) ** 2
    distance_j = (y - centroid[j, 0]) ** 2 + (x - centroid[j, 1]) ** 2
    if distance_i != distance_j:
        return distance_i < distance_j
    return rank[i] < rank[j]
