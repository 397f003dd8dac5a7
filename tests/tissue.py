"""Synthetic tissue for tests of tiling and stitching, and a segmenter that is strictly local.

Cells are painted into a label image; the "image" shows each cell's own grey value, so that a
segmenter can tell cells apart from the pixels of the window alone.
"""

from __future__ import annotations

import numpy as np

from vitrail import masks
from vitrail.segment import gather, window_candidates
from vitrail.segmentation.contract import Context, Segmentation, Segmenter
from vitrail.segmentation.image import ArraySlide
from vitrail.tile import Tiles, balance, grid


def discs(shape, centres, radius):
    """Label image of discs; a later disc covers an earlier one."""
    labels = np.zeros(shape, np.int32)
    y, x = np.indices(shape)
    for label, (cy, cx) in enumerate(centres, 1):
        labels[(y - cy) ** 2 + (x - cx) ** 2 <= radius**2] = label
    return labels


def random_tissue(shape, count, seed, radius=(4, 9)):
    """Label image of `count` discs, touching and covering each other."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.int32)
    for label in range(1, count + 1):
        r = rng.uniform(*radius)
        cy, cx = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        y0, x0 = max(int(cy - r), 0), max(int(cx - r), 0)
        y, x = np.mgrid[y0 : min(int(cy + r) + 2, shape[0]), x0 : min(int(cx + r) + 2, shape[1])]
        labels[y, x] = np.where((y - cy) ** 2 + (x - cx) ** 2 <= r * r, label, labels[y, x])
    return labels


class GreyValues(Segmenter):
    """Every grey value above 0 is a cell; its pixels without another neighbour are the nucleus."""

    name = "grey values"

    def segment_window(self, image, context):
        source, labels = np.unique(image[0], return_inverse=True)
        labels = labels.reshape(image[0].shape).astype(np.int32)
        labels = labels if source[0] == 0 else labels + 1
        inner = labels.copy()
        for axis in (0, 1):
            for step in (-1, 1):
                inner[labels != np.roll(labels, step, axis)] = 0
        ones = np.ones(int(labels.max()), np.float32)
        return Segmentation(labels, inner, ones, ones)


class Raw:
    """No normalisation."""

    @staticmethod
    def apply(image):
        return image.astype(np.float32)


def tiling(shape, size, halo, shards=1, stride=1):
    core, seen = grid(shape, size, halo, stride)
    tissue = np.ones(len(core), np.float32)
    return Tiles(core, seen, tissue, balance(tissue, seen, shards))


def shards_of(labels, tiles):
    """Candidates of each shard of a label image seen as grey values."""
    slide = ArraySlide(labels[None].astype(np.float32), 1.0)
    context = Context(1.0, {"nucleus": 0})

    def view(tile):
        return window_candidates(slide, tiles, int(tile), Raw(), GreyValues(), context)

    count = int(tiles.shard.max()) + 1
    return [
        gather([view(tile) for tile in np.flatnonzero(tiles.shard == shard)])
        for shard in range(count)
    ]


def painted(instances, shape):
    """Label image of instances."""
    labels = np.zeros(shape, np.int32)
    order = np.arange(len(instances))
    values = (order + 1).astype(np.int32)
    masks.paint(labels, 0, 0, order, values, instances.box, instances.mask, instances.offset)
    return labels


def same_partition(a, b):
    """Whether two label images hold the same cells whatever their numbers."""
    if ((a > 0) != (b > 0)).any():
        return False
    pairs = np.unique(np.stack([a[a > 0], b[a > 0]]), axis=1)
    return pairs.shape[1] == len(np.unique(pairs[0])) == len(np.unique(pairs[1]))
