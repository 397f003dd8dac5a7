"""Stage segment: the candidates of one shard's tiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vitrail.candidates import Candidates, concatenate, from_labels
from vitrail.errors import VitrailError
from vitrail.progress import Follow, silent
from vitrail.tile import Tiles, halo_width

if TYPE_CHECKING:
    from vitrail.io.slide import Slide
    from vitrail.normalization import Normalization
    from vitrail.segmentation.contract import Context, Segmenter

KINDS = ("cells", "nuclei")
MARGIN = 4  # pixels beyond the core in which a candidate is emitted still, for matching

Found = dict[str, Candidates]


def segment(
    slide: Slide,
    tiles: Tiles,
    normalization: Normalization,
    shard: int,
    settings: Mapping[str, Any],
    prepared: Mapping[str, Any] | None = None,
    follow: Follow[int] = silent,
) -> Found:
    """Candidates of one shard, by kind (`cells`, `nuclei`).

    A slide with given labels or outlines takes those (`vitrail.segmentation.given`); any other is
    segmented with `settings["segmenter"]`.

    Parameters
    ----------
    slide
        The slide.
    tiles, normalization
        What stage tile made of it.
    shard
        Which shard; one without tiles has no candidates.
    settings
        Section `segment` of the configuration.
    prepared
        What stage prepare measured (`vitrail.prepare`).
    follow
        Follows the tiles, see `vitrail.progress`.
    """
    from vitrail.segmentation.given import GivenCells, given_elements

    elements = given_elements(slide.has)
    view: Callable[[int], Found]
    if elements:
        view = GivenCells(slide, tiles, elements, **settings.get("given", {})).candidates
    else:
        view = _from_image(slide, tiles, normalization, settings, prepared or {})
    mine = [int(tile) for tile in np.flatnonzero(tiles.shard == shard)]
    return gather([view(tile) for tile in follow(mine, "tiles")])


def gather(found: list[Found]) -> Found:
    """All candidates of several tiles, by kind."""
    return {kind: concatenate([part[kind] for part in found]) for kind in KINDS}


def _from_image(
    slide: Slide,
    tiles: Tiles,
    normalization: Normalization,
    settings: Mapping[str, Any],
    prepared: Mapping[str, Any],
) -> Callable[[int], Found]:
    from vitrail.segmentation import load_configured
    from vitrail.segmentation.compose import plan
    from vitrail.segmentation.contract import Context
    from vitrail.segmentation.planes import COMPOSED, Planes, slide_values

    if not slide.has("images/image"):
        raise VitrailError(
            "the sample has neither an image nor given cells or nuclei; wanted: one of image, "
            "labels, nucleus_labels, boundaries, nucleus_boundaries in its row of the sheet"
        )
    segmenter = load_configured(settings)
    chosen = plan(slide.channels, settings)
    context = Context(slide.pixel_size, chosen.roles, slide_values(normalization, prepared))
    check_halo(segmenter, tiles, context)
    planes = Planes(normalization, chosen, prepared.get(COMPOSED), slide.pixel_size)

    def view(tile: int) -> Found:
        if tiles.tissue[tile] == 0:
            return gather([])
        return window_candidates(slide, tiles, tile, planes, segmenter, context)

    return view


def check_halo(segmenter: Segmenter, tiles: Tiles, context: Context) -> None:
    """Raise where the halo of the tiles is narrower than what a cell depends on."""
    width = halo_width(tiles)
    if width is None:
        return
    reach = segmenter.reach_um(context)
    if width * context.pixel_size < reach - 1e-6:
        raise VitrailError(
            f"tile.halo_um gives a halo of {width * context.pixel_size:g} um, but a cell found by "
            f"'{segmenter.name}' depends on {reach:.1f} um around it; raise tile.halo_um to that"
        )


def window_candidates(
    slide: Slide,
    tiles: Tiles,
    tile: int,
    planes: Any,
    segmenter: Segmenter,
    context: Context,
) -> Found:
    """Segment the halo box of one tile; keep what touches its core and a margin of some pixels."""
    y0, x0, y1, x1 = (int(side) for side in tiles.halo[tile])
    image = planes.apply(slide.read(y0, x0, y1, x1))
    found = segmenter.segment_window(image, replace(context, origin=(y0, x0), shape=slide.shape))
    core = [int(side) for side in tiles.core[tile]]
    keep = (core[0] - MARGIN, core[1] - MARGIN, core[2] + MARGIN, core[3] + MARGIN)

    def candidates(labels: Any, scores: Any) -> Candidates:
        return from_labels(labels, tile, (y0, x0), keep, slide.shape, scores)

    return {
        "cells": candidates(found.cells, found.cell_scores),
        "nuclei": candidates(found.nuclei, found.nucleus_scores),
    }
