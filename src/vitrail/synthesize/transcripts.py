"""Transcripts of a slide, block by block: a table like a vendor's, and the truth beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from vitrail.synthesize.image import Renderer
from vitrail.synthesize.masks import NONE, NUCLEUS, cell_mask, scratch_edge
from vitrail.synthesize.panel import Panel, draw_counts, expression
from vitrail.synthesize.streams import Purpose, stream
from vitrail.synthesize.tables import cell_blocks
from vitrail.synthesize.tissue import BLOCK, Sites

# A position keeps this share of a pixel from the pixel's edge, so that its four decimals
# leave no doubt about its pixel.
KEEP_OFF = 0.01
DECIMALS = 4
GOOD_QUALITY = 20.0


class Transcripts(NamedTuple):
    """Transcripts of one block, in file order.

    Attributes
    ----------
    x, y
        float64 micrometres.
    gene
        int32, position in the panel's genes followed by its controls.
    quality
        float32; the planted low-quality ones lie below 20.
    cell
        int32 label of the planted cell, 0 outside of cells.
    compartment
        uint8: 0 outside of cells, 1 cytoplasm, 2 nucleus.
    """

    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    gene: npt.NDArray[np.int32]
    quality: npt.NDArray[np.float32]
    cell: npt.NDArray[np.int32]
    compartment: npt.NDArray[np.uint8]

    def take(self, order: npt.NDArray[np.int64]) -> Transcripts:
        """Transcripts at these positions."""
        columns: Any = self
        return Transcripts(*(column[order] for column in columns))


@dataclass(frozen=True)
class Sprinkler:
    """Plants the transcripts of a slide; `size` is each cell's area over the median."""

    renderer: Renderer
    panel: Panel
    sites: Sites
    size: npt.NDArray[np.float64]

    def blocks(self) -> Iterator[Transcripts]:
        """Transcripts of each block of `BLOCK` pixels, in row-major order."""
        spec = self.renderer.spec
        owned = {
            block: (first, last) for block, first, last in cell_blocks(self.sites, spec.pixel_size)
        }
        for row in range(-(-spec.shape[0] // BLOCK)):
            for column in range(-(-spec.shape[1] // BLOCK)):
                yield self._block((row, column), owned.get((row, column), (0, 0)))

    def _block(self, block: tuple[int, int], owned: tuple[int, int]) -> Transcripts:
        spec, slide = self.renderer.spec, self.renderer.slide
        rng = stream(spec.seed, slide.number, Purpose.TRANSCRIPTS, *block)
        found = _joined(self._in_cells(rng, block, owned), self._anywhere(rng, block))
        order = rng.permutation(found.x.size)
        return found.take(order)

    def _in_cells(
        self, rng: np.random.Generator, block: tuple[int, int], owned: tuple[int, int]
    ) -> Transcripts:
        """Transcripts of the cells whose centre lies in the block."""
        spec, slide = self.renderer.spec, self.renderer.slide
        few = slice(*owned)
        sites = Sites(*(getattr(self.sites, k)[few] for k in ("x", "y", "type", "nest")))
        shares = expression(spec, slide, self.panel, sites, self.size[few])
        counts = draw_counts(spec, slide, self.panel, shares, block)
        cell, gene = np.nonzero(counts)
        times = counts[cell, gene]
        cell, gene = np.repeat(cell, times), np.repeat(gene, times)
        nuclear = rng.random(cell.size) < self.panel.nuclear[gene]
        pixel = np.empty((cell.size, 2), dtype=np.int64)
        inside = np.empty(cell.size, dtype=np.uint8)
        _pick_pixels(
            self.renderer.plan, owned[0], cell, nuclear, rng.random(cell.size), pixel, inside
        )
        label = (cell + owned[0] + 1).astype(np.int32)
        return self._finished(rng, pixel, gene, label, inside)

    def _anywhere(self, rng: np.random.Generator, block: tuple[int, int]) -> Transcripts:
        """Background outside of cells, and control probes wherever they fall."""
        spec, panel = self.renderer.spec, self.panel
        height, width = spec.shape
        y0, x0 = block[0] * BLOCK, block[1] * BLOCK
        box = (y0, x0, min(y0 + BLOCK, height), min(x0 + BLOCK, width))
        labels, nuclei = self.renderer.labels(box)
        planted = spec.tissue.density * 1e-6 * spec.genes.transcripts_per_cell
        planted *= labels.size * spec.pixel_size**2
        n = rng.poisson(planted * spec.genes.background)
        m = rng.poisson(planted * spec.genes.controls) if panel.controls else 0
        gene = np.r_[
            rng.choice(len(panel.genes), n, p=panel.share / panel.share.sum()),
            len(panel.genes) + rng.integers(0, max(len(panel.controls), 1), m),
        ]
        row = rng.integers(0, labels.shape[0], n + m)
        column = rng.integers(0, labels.shape[1], n + m)
        cell = labels[row, column]
        inside = np.where(nuclei[row, column] > 0, 2, cell > 0).astype(np.uint8)
        keep = (cell == 0) | (np.arange(n + m) >= n)
        pixel = np.column_stack([row + y0, column + x0])
        return self._finished(rng, pixel[keep], gene[keep], cell[keep], inside[keep])

    def _finished(
        self,
        rng: np.random.Generator,
        pixel: npt.NDArray[np.int64],
        gene: npt.NDArray,
        cell: npt.NDArray[np.int32],
        inside: npt.NDArray[np.uint8],
    ) -> Transcripts:
        """Give transcripts a place in their pixel, and a quality."""
        spec, n = self.renderer.spec, len(pixel)
        place = KEEP_OFF + (1 - 2 * KEEP_OFF) * rng.random((n, 2))
        y, x = np.round((pixel + place) * spec.pixel_size, DECIMALS).T
        low = rng.random(n) < spec.genes.low_quality
        quality = np.where(low, 0.0, GOOD_QUALITY) + 0.99 * GOOD_QUALITY * rng.random(n)
        rounded = np.round(quality, 2).astype(np.float32)
        return Transcripts(x, y, gene.astype(np.int32), rounded, cell, inside)


def _joined(first: Transcripts, second: Transcripts) -> Transcripts:
    pairs: Any = zip(first, second, strict=True)
    return Transcripts(*(np.concatenate(pair) for pair in pairs))


@njit(cache=True, nogil=True)
def _pick_pixels(plan, first, cell, nuclear, luck, pixel, inside):  # type: ignore[no-untyped-def]
    """Pixel (row, column) of each transcript, uniform in its compartment of its cell.

    `cell` is sorted and counts from `first`. A compartment that has no pixel gives way to the
    other.
    """
    if cell.size == 0:
        return
    e = scratch_edge(plan)
    mask, deep, edge = np.empty((e, e), np.uint8), np.empty((e, e)), np.empty((e, e))
    stack = np.empty(e * e, np.int64)
    rows, columns = np.empty((2, e * e), np.int64), np.empty((2, e * e), np.int64)
    size = np.zeros(2, np.int64)
    current = -1
    for k in range(cell.size):
        if cell[k] != current:
            current = cell[k]
            y0, x0, h, w = cell_mask(plan, first + current, mask, deep, edge, stack)
            size[:] = 0
            for r in range(h):
                for c in range(w):
                    if mask[r, c] != NONE:
                        part = int(mask[r, c] == NUCLEUS)
                        rows[part, size[part]] = y0 + r
                        columns[part, size[part]] = x0 + c
                        size[part] += 1
        part = int(nuclear[k])
        if size[part] == 0:
            part = 1 - part
        choice = int(luck[k] * size[part])
        pixel[k, 0], pixel[k, 1] = rows[part, choice], columns[part, choice]
        inside[k] = part + 1
