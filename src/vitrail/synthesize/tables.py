"""Cohorts as tables: positions, types and counts without an image, for calibrations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from vitrail.synthesize.cohort import Slide, slides
from vitrail.synthesize.masks import measure, plan
from vitrail.synthesize.panel import Panel, draw_counts, expression, make_panel, relative_size
from vitrail.synthesize.spec import Spec
from vitrail.synthesize.tissue import Sites, block_of, place_cells, shape_cells


@dataclass(frozen=True)
class SlideTable:
    """The cells of one slide.

    Attributes
    ----------
    slide, unit, condition
        Names of the slide, its patient and its condition.
    xy
        (n, 2) float64 micrometres.
    types
        (n,) names of the cell types.
    """

    slide: str
    unit: str
    condition: str
    xy: npt.NDArray[np.float64]
    types: npt.NDArray[np.str_]


@dataclass(frozen=True)
class ExpressionTable:
    """The planted counts of one slide.

    Attributes
    ----------
    xy
        (n, 2) float64 micrometres.
    types
        (n,) names of the cell types.
    area
        (n,) planted areas in square micrometres.
    counts
        (n, g) CSR int64.
    panel
        Genes with kind and driver.
    """

    xy: npt.NDArray[np.float64]
    types: npt.NDArray[np.str_]
    area: npt.NDArray[np.float64]
    counts: csr_matrix
    panel: Panel


def cohort_tables(spec: Spec) -> list[SlideTable]:
    """Positions, types, units and conditions of a cohort's slides, the same as rendered."""
    return [slide_table(spec, slide) for slide in slides(spec)]


def slide_table(spec: Spec, slide: Slide) -> SlideTable:
    """Positions and types of one slide."""
    sites = place_cells(spec, slide)
    return SlideTable(slide.name, slide.unit, slide.condition, _xy(sites), _names(spec, sites))


def expression_table(spec: Spec, slide: Slide) -> ExpressionTable:
    """Planted counts of one slide: those whose transcripts the rendered slide holds."""
    sites = place_cells(spec, slide)
    cells = shape_cells(spec, slide, sites)
    pixels = measure(plan(cells.outline, cells.nucleus, spec.pixel_size, spec.shape))
    area = pixels[:, 0] * spec.pixel_size**2
    panel = make_panel(spec)
    shares = expression(spec, slide, panel, sites, relative_size(area))
    counts = [
        draw_counts(spec, slide, panel, shares[first:last], block)
        for block, first, last in cell_blocks(sites, spec.pixel_size)
    ]
    stacked = csr_matrix(np.concatenate(counts))
    return ExpressionTable(_xy(sites), _names(spec, sites), area, stacked, panel)


def cell_blocks(sites: Sites, pixel_size: float) -> Iterator[tuple[tuple[int, int], int, int]]:
    """Blocks that hold cells, in order: (row, column), first and last + 1 of their cells."""
    row, column = block_of(sites.x, sites.y, pixel_size)
    starts = np.flatnonzero(np.r_[True, (np.diff(row) != 0) | (np.diff(column) != 0)])
    for first, last in zip(starts, np.r_[starts[1:], row.size], strict=True):
        yield (int(row[first]), int(column[first])), int(first), int(last)


def _xy(sites: Sites) -> npt.NDArray[np.float64]:
    return np.column_stack([sites.x, sites.y])


def _names(spec: Spec, sites: Sites) -> npt.NDArray[np.str_]:
    return np.array(list(spec.types))[sites.type]
