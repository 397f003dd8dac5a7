"""Cells that a sample brings along: label images or outlines instead of a segmentation.

Each tile emits the part of every given cell that lies in its core; stage stitch puts the parts
together by the cell's number, so cells of any size come out as they were given. Outlines are
rasterised by the pixel-centre rule. Pixels that two outlines claim are settled by stage stitch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vitrail import masks
from vitrail.candidates import Candidates, empty, from_labels, take
from vitrail.errors import VitrailError
from vitrail.tile import Tiles

if TYPE_CHECKING:
    from vitrail.io.slide import Slide

KINDS = ("cells", "nuclei")
Box = tuple[int, int, int, int]


def given_elements(has: Callable[[str], bool]) -> dict[str, str]:
    """What is given of each kind, by kind: `labels` before `shapes` where there are both.

    Parameters
    ----------
    has
        Whether the slide has an element, by name (`labels/cells`).
    """
    found = {}
    for kind in KINDS:
        for form in ("labels", "shapes"):
            if kind not in found and has(f"{form}/{kind}"):
                found[kind] = form
    return found


class GivenCells:
    """Given cells and nuclei, tile by tile.

    Parameters
    ----------
    slide, tiles
        The slide and its tiles.
    elements
        What is given, see `given_elements`.
    expansion_um
        Where only nuclei are given: how far cells grow from them, without entering a neighbour;
        0 makes the nuclei the cells.
    """

    def __init__(
        self,
        slide: Slide,
        tiles: Tiles,
        elements: Mapping[str, str],
        expansion_um: float = 5.0,
    ) -> None:
        self._tiles, self._slide = tiles, slide
        self._sources = {
            kind: _Labels(slide, kind) if form == "labels" else _Outlines(slide, kind)
            for kind, form in elements.items()
        }
        self._radius = expansion_um / slide.pixel_size

    def candidates(self, tile: int) -> dict[str, Candidates]:
        """Parts of the given cells and nuclei in the core of one tile."""
        core: Box = tuple(int(side) for side in self._tiles.core[tile])  # type: ignore[assignment]
        found = {
            kind: self._sources[kind].part(tile, core) if kind in self._sources else empty()
            for kind in KINDS
        }
        if "cells" not in self._sources:
            found["cells"] = found["nuclei"] if self._radius == 0 else self._grown(tile, core)
        return found

    def _grown(self, tile: int, core: Box) -> Candidates:
        """Cells around given nuclei: the nearest nucleus, the lower number in a tie."""
        from vitrail.segmentation.filters import nearest_label

        reach = int(np.ceil(self._radius))
        height, width = self._slide.shape
        window = (
            max(core[0] - reach, 0),
            max(core[1] - reach, 0),
            min(core[2] + reach, height),
            min(core[3] + reach, width),
        )
        nuclei, source, ids = self._sources["nuclei"].image(window)
        cells, _ = nearest_label(nuclei, self._radius)
        top, left = core[0] - window[0], core[1] - window[1]
        inside = cells[top : top + core[2] - core[0], left : left + core[3] - core[1]]
        return _parts(inside, tile, core, (height, width), source, ids)


class _Labels:
    """A given label image."""

    def __init__(self, slide: Slide, kind: str) -> None:
        self._labels, self._shape = slide.labels(kind), slide.shape
        if tuple(self._labels.shape) != tuple(slide.shape):
            raise VitrailError(
                f"labels/{kind} has the shape {tuple(self._labels.shape)}, the slide "
                f"{slide.shape}; wanted: the same"
            )

    def image(self, box: Box) -> tuple[npt.NDArray[np.int32], Any, Any]:
        """Labels of a window from 1 in the order of the given ones, their numbers and ids."""
        y0, x0, y1, x1 = box
        source, number = np.unique(np.asarray(self._labels[y0:y1, x0:x1]), return_inverse=True)
        background = len(source) > 0 and source[0] == 0
        labels = number.reshape(y1 - y0, x1 - x0) + (0 if background else 1)
        source = source[1:] if background else source
        return labels.astype(np.int32), source.astype(np.int64), source.astype(str)

    def part(self, tile: int, core: Box) -> Candidates:
        labels, source, ids = self.image(core)
        return _parts(labels, tile, core, self._shape, source, ids)


class _Outlines:
    """Given outlines; they may overlap."""

    def __init__(self, slide: Slide, kind: str) -> None:
        from vitrail.rasterize import to_pixels

        ids, geometry = slide.boundaries(kind)
        self._ids = np.asarray(ids, dtype=str)
        self._polygons = to_pixels(geometry, slide.pixel_size, slide.origin)
        self._boxes = self._polygons.boxes()

    def _inside(self, box: Box) -> npt.NDArray[np.int64]:
        low, high = self._boxes[:, :2], self._boxes[:, 2:]
        hit = (low < box[2:]).all(axis=1) & (high > box[:2]).all(axis=1)
        return np.flatnonzero(hit & (low < high).all(axis=1))

    def image(self, box: Box) -> tuple[npt.NDArray[np.int32], Any, Any]:
        """Label image of a window; a pixel that several outlines claim gets the first of them."""
        from vitrail.rasterize import rasterize

        chosen = self._inside(box)
        bounds, mask, offset = rasterize(self._polygons, chosen, box)
        labels = np.zeros((box[2] - box[0], box[3] - box[1]), np.int32)
        values = np.arange(1, len(chosen) + 1, dtype=np.int32)
        backwards = np.arange(len(chosen))[::-1].copy()
        masks.paint(labels, box[0], box[1], backwards, values, bounds, mask, offset)
        return labels, chosen, self._ids[chosen]

    def part(self, tile: int, core: Box) -> Candidates:
        from vitrail.rasterize import rasterize

        chosen = self._inside(core)
        box, mask, offset = rasterize(self._polygons, chosen, core)
        area, sum_y, sum_x = masks.measure(box, mask, offset)
        found = Candidates(
            tile=np.full(len(chosen), tile, np.int32),
            box=box,
            mask=mask,
            offset=offset,
            area=area,
            sum_y=sum_y,
            sum_x=sum_x,
            score=np.ones(len(chosen), np.float32),
            cut=np.zeros(len(chosen), bool),
            source=chosen.astype(np.int64),
            source_id=self._ids[chosen],
        )
        return found if area.all() else take(found, np.flatnonzero(area))


def _parts(
    labels: npt.NDArray[np.int32],
    tile: int,
    core: Box,
    shape: tuple[int, int],
    source: npt.NDArray[np.int64],
    ids: npt.NDArray[np.str_],
) -> Candidates:
    scores = np.ones(len(source), np.float32)
    found = from_labels(labels, tile, core[:2], core, shape, scores, source, ids)
    # A part ends at the core by construction; nothing was cut.
    return replace(found, cut=np.zeros(len(found), bool))
