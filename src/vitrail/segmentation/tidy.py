"""Clean label images: one part an instance, no holes, no specks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Labels = npt.NDArray[np.int32]


def tidy(labels: Labels, core: Labels | None = None, min_area: float = 0.0) -> Labels:
    """Keep one part of each label and fill its holes; labels keep their numbers.

    Parameters
    ----------
    labels
        int32 (y, x).
    core
        int32 (y, x). Where given, a part stays if it holds a pixel of the same label of `core`;
        otherwise the largest part stays (the first in a tie).
    min_area
        Labels whose largest part has fewer pixels are removed.

    Notes
    -----
    Parts and holes are 4-connected. A hole is background that one label alone surrounds.
    """
    root, area = _components(labels)
    largest = core is None
    keep = _largest(labels, root, area, min_area) if largest else _anchored(labels, root, core)
    cleaned = np.where(keep[root], labels, 0).astype(np.int32)
    root, _ = _components(cleaned)
    owner = _surrounding(cleaned, root)
    return np.where(cleaned > 0, cleaned, owner[root]).astype(np.int32)


def compact(labels: Labels) -> tuple[Labels, npt.NDArray[np.int64]]:
    """Labels renumbered from 1 without gaps in the same order, and the old label of each."""
    present = np.bincount(labels.ravel()) > 0
    present[0] = False
    number = np.cumsum(present).astype(np.int32)
    number[~present] = 0
    return number[labels], np.flatnonzero(present)


@njit(cache=True)
def _components(labels):  # type: ignore[no-untyped-def]
    """First pixel (flat) of the 4-connected part of equal label of each pixel; areas by it."""
    height, width = labels.shape
    parent = np.arange(height * width)
    for y in range(height):
        for x in range(width):
            here = y * width + x
            if x > 0 and labels[y, x - 1] == labels[y, x]:
                _union(parent, here, here - 1)
            if y > 0 and labels[y - 1, x] == labels[y, x]:
                _union(parent, here, here - width)
    area = np.zeros(parent.size, np.int64)
    for i in range(parent.size):
        # A parent never lies behind its child, so that it points at the root already.
        parent[i] = parent[parent[i]]
        area[parent[i]] += 1
    return parent.reshape(height, width), area


@njit(cache=True)
def _union(parent, a, b):  # type: ignore[no-untyped-def]
    while parent[a] != a:
        parent[a] = parent[parent[a]]
        a = parent[a]
    while parent[b] != b:
        parent[b] = parent[parent[b]]
        b = parent[b]
    parent[max(a, b)] = min(a, b)


@njit(cache=True)
def _largest(labels, root, area, min_area):  # type: ignore[no-untyped-def]
    """Whether each part (by its first pixel) is the largest of its label and large enough."""
    flat, roots = labels.ravel(), root.ravel()
    best = np.full(flat.max() + 1, -1, np.int64)
    for i in range(flat.size):
        if roots[i] == i and flat[i] > 0:
            rival = best[flat[i]]
            if rival < 0 or area[i] > area[rival]:
                best[flat[i]] = i
    keep = np.zeros(flat.size, np.bool_)
    for part in best:
        if part >= 0 and area[part] >= min_area:
            keep[part] = True
    return keep


@njit(cache=True)
def _anchored(labels, root, core):  # type: ignore[no-untyped-def]
    flat, roots, anchors = labels.ravel(), root.ravel(), core.ravel()
    keep = np.zeros(flat.size, np.bool_)
    for i in range(flat.size):
        if flat[i] > 0 and anchors[i] == flat[i]:
            keep[roots[i]] = True
    return keep


@njit(cache=True)
def _surrounding(labels, root):  # type: ignore[no-untyped-def]
    """Label that alone surrounds each part of the background; 0 where there is none.

    Background at the image's border is surrounded by nothing.
    """
    height, width = labels.shape
    owner = np.zeros(height * width, np.int32)
    for y in range(height):
        for x in range(width):
            if labels[y, x] > 0:
                continue
            part = root[y, x]
            if y == 0 or x == 0 or y == height - 1 or x == width - 1:
                owner[part] = -1
                continue
            for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                label = labels[y + dy, x + dx]
                if label > 0 and owner[part] != label:
                    owner[part] = label if owner[part] == 0 else -1
    return np.maximum(owner, 0)
