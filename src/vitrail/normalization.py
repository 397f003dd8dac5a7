"""Slide-wide values that every tile is normalised with: percentiles over tissue and thresholds.

Both are taken from exact integer histograms, so they do not depend on the order or the size of
what is read. The slide is read in blocks of fixed size, twice, never whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from numba import njit

if TYPE_CHECKING:
    from vitrail.io.slide import Slide

BLOCK = 16  # pixels of a block of the tissue map
READ = 1024  # pixels of a block that is read; a multiple of BLOCK
BINS = 1 << 16
TISSUE_CONTRAST = 0.1  # share of the range of block means above which a block is tissue
TISSUE_MARGIN = 2  # blocks around tissue that count as tissue


@dataclass(frozen=True)
class Normalization:
    """What a slide's tiles are normalised with.

    Attributes
    ----------
    channels
        Names.
    low, high
        float64 (c,), intensities that become 0 and 1.
    segmenter
        Further slide-wide values by name; `otsu` is a list with one normalised threshold a channel.
    """

    channels: tuple[str, ...]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    segmenter: dict[str, Any] = field(default_factory=dict)

    def apply(self, image: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Normalise (c, y, x) of any dtype to float32.

        A channel without contrast and values that are not finite become 0.
        """
        out = np.empty(image.shape, np.float32)
        for channel, plane in enumerate(image):
            low, high = self.low[channel], self.high[channel]
            scale = 1.0 / (high - low) if high > low else 0.0
            _rescale(plane, low, scale, out[channel])
        return out


@dataclass(frozen=True)
class TissueMap:
    """Blocks of `BLOCK` pixels that hold tissue: bool (rows, columns)."""

    blocks: npt.NDArray[np.bool_]

    def share(self, boxes: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Share of each box (y0, x0, y1, x1) that is tissue, by the blocks that it touches."""
        shares = [
            self.blocks[y0 // BLOCK : -(-y1 // BLOCK), x0 // BLOCK : -(-x1 // BLOCK)].mean()
            for y0, x0, y1, x1 in boxes
        ]
        return np.array(shares, np.float32)


def measure(
    slide: Slide, percentiles: tuple[float, float] = (1.0, 99.0)
) -> tuple[Normalization, TissueMap]:
    """Percentiles over tissue and Otsu's threshold of every channel of a slide.

    The threshold (Otsu 1979) is that of the means of squares of about one micrometre over tissue,
    in normalised units: single pixels are too noisy to show two classes.
    """
    means, extremes = _survey(slide)
    tissue = _tissue(means)
    counts, smooth_counts = _histograms(slide, tissue.blocks, extremes)
    low, high, otsu = [], [], []
    for channel in range(len(slide.channels)):
        start, width = _scale(extremes[channel])
        bottom, top = (
            start + width * _percentile(counts[channel], share / 100) for share in percentiles
        )
        threshold = start + width * otsu_bin(smooth_counts[channel])
        low.append(bottom)
        high.append(top)
        otsu.append((threshold - bottom) / (top - bottom) if top > bottom else 1.0)
    names = tuple(str(name) for name in slide.channels)
    return Normalization(names, np.array(low), np.array(high), {"otsu": otsu}), tissue


def _blocks(shape: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    for y0 in range(0, shape[0], READ):
        for x0 in range(0, shape[1], READ):
            yield y0, x0, min(y0 + READ, shape[0]), min(x0 + READ, shape[1])


def _survey(slide: Slide) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Block means (c, rows, columns) and, for float images, the extremes (c, 2)."""
    height, width = slide.shape
    channels = len(slide.channels)
    means = np.zeros((channels, -(-height // BLOCK), -(-width // BLOCK)))
    extremes = np.tile([np.inf, -np.inf], (channels, 1))
    for y0, x0, y1, x1 in _blocks(slide.shape):
        image = slide.read(y0, x0, y1, x1)
        top, left = y0 // BLOCK, x0 // BLOCK
        for channel, plane in enumerate(image):
            mean = _block_means(plane, BLOCK)
            means[channel, top : top + mean.shape[0], left : left + mean.shape[1]] = mean
            extremes[channel] = _extend(extremes[channel], plane)
    return means, extremes


def _extend(extremes: npt.NDArray[np.float64], plane: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    if plane.dtype.kind in "ui" and plane.dtype.itemsize <= 2:
        info = np.iinfo(plane.dtype)
        return np.array([info.min, info.min + BINS - 1.0])
    finite = plane[np.isfinite(plane)]
    low, high = finite.min(initial=np.inf), finite.max(initial=-np.inf)
    return np.array([min(extremes[0], low), max(extremes[1], high)])


def _tissue(means: npt.NDArray[np.float64]) -> TissueMap:
    """Blocks brighter than the darkest of the slide in any channel, with a margin.

    Generous on purpose: a tile without any tissue is not segmented.
    """
    found = np.zeros(means.shape[1:], bool)
    for mean in means:
        low, high = np.percentile(mean, [1, 99])
        if mean.max() > mean.min():
            found |= mean > low + TISSUE_CONTRAST * (high - low)
    return TissueMap(_dilate(found, TISSUE_MARGIN))


def _dilate(blocks: npt.NDArray[np.bool_], margin: int) -> npt.NDArray[np.bool_]:
    grown = np.pad(blocks, margin)
    for axis in (0, 1):
        grown = np.logical_or.reduce(
            [np.roll(grown, shift, axis) for shift in range(-margin, margin + 1)]
        )
    return grown[margin:-margin, margin:-margin]


def _histograms(
    slide: Slide, tissue: npt.NDArray[np.bool_], extremes: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Counts over tissue of single pixels and of the means of squares of about a micrometre."""
    channels = len(slide.channels)
    square = int(2 ** np.clip(np.round(np.log2(1.0 / slide.pixel_size)), 0, 4))
    counts = np.zeros((channels, BINS), np.int64)
    smooth_counts = np.zeros((channels, BINS), np.int64)
    for y0, x0, y1, x1 in _blocks(slide.shape):
        inside = tissue[y0 // BLOCK : -(-y1 // BLOCK), x0 // BLOCK : -(-x1 // BLOCK)]
        image = slide.read(y0, x0, y1, x1)
        for channel, plane in enumerate(image):
            start, width = _scale(extremes[channel])
            _count(plane, inside, BLOCK, start, width, counts[channel])
            means = _block_means(plane, square)
            _count(means, inside, BLOCK // square, start, width, smooth_counts[channel])
    return counts, smooth_counts


def _scale(extremes: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Value of the first bin and width of a bin."""
    low, high = float(extremes[0]), float(extremes[1])
    return low, (high - low) / (BINS - 1) if high > low else 1.0


def _percentile(counts: npt.NDArray[np.int64], share: float) -> float:
    """Bin below or in which `share` of the counts lie; 0 where nothing was counted."""
    total = counts.sum()
    if total == 0:
        return 0.0
    return float(np.searchsorted(np.cumsum(counts), share * total, side="left"))


def otsu_bin(counts: npt.NDArray[np.int64]) -> float:
    """Bin that separates two classes best (Otsu 1979), with values above it in the upper class."""
    weight = counts.astype(np.float64)
    bins = np.arange(len(counts))
    below = np.cumsum(weight)
    above = below[-1] - below
    sums = np.cumsum(weight * bins)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    if not np.isfinite(between).any():
        return float(len(counts))
    best = np.flatnonzero(between == np.nanmax(np.where(np.isfinite(between), between, -1.0)))
    # Empty bins between the classes are equally good: the middle of them is meant.
    return float(best[0] + best[-1]) / 2


@njit(cache=True)
def _rescale(plane, low, scale, out):  # type: ignore[no-untyped-def]
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            value = (np.float64(plane[y, x]) - low) * scale
            out[y, x] = np.float32(value) if np.isfinite(value) else np.float32(0)


@njit(cache=True)
def _block_means(plane, size):  # type: ignore[no-untyped-def]
    """Mean of the finite pixels of each block of `size` x `size`; blocks at the end are smaller."""
    rows = (plane.shape[0] + size - 1) // size
    columns = (plane.shape[1] + size - 1) // size
    sums = np.zeros((rows, columns))
    counts = np.zeros((rows, columns), np.int64)
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            if np.isfinite(plane[y, x]):
                sums[y // size, x // size] += plane[y, x]
                counts[y // size, x // size] += 1
    return sums / np.maximum(counts, 1)


@njit(cache=True)
def _count(plane, inside, block, start, width, counts):  # type: ignore[no-untyped-def]
    """Add the pixels of blocks that are `inside` to `counts`; values that are not finite skip."""
    last = counts.size - 1
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            if inside[y // block, x // block]:
                value = np.float64(plane[y, x])
                if np.isfinite(value):
                    bin_ = np.int64(np.floor((value - start) / width + 0.5))
                    counts[min(max(bin_, 0), last)] += 1
