"""Pictures of one slide: overview, image detail with outlines, maps of genes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail.report import pictures
from vitrail.report.facts import Facts
from vitrail.report.local import PLAIN, QUADRANTS
from vitrail.report.palette import EXPRESSION, UNKNOWN, ramp, rgb
from vitrail.report.pictures import RGB, Extent

FLAGGED = "#e9ebee"
# A whole label image up to this size is read and shown; larger slides are drawn from positions.
LABEL_PIXELS = 40_000_000
DETAIL_PIXELS = 640


@dataclass
class Picture:
    """A picture of the page.

    Attributes
    ----------
    uri
        Data URI.
    width, height
        Size in pixels.
    alt
        What it shows, for those who do not see it.
    scale_bar
        (length in micrometres, share of the picture's width).
    """

    uri: str
    width: int
    height: int
    alt: str
    scale_bar: tuple[float, float]


def cell_colours(facts: Facts, colours: Mapping[str, str]) -> RGB:
    """Colour of each cell (n, 3): by type, light where quality control flagged it."""
    palette = np.array([*(rgb(colours[name]) for name in facts.types), rgb(UNKNOWN)])
    each = palette[facts.codes]
    each[~facts.passed] = rgb(FLAGGED)
    return each


def overview(facts: Facts, colours: Mapping[str, str], longest: int) -> Picture | None:
    """The whole slide, cells coloured by type; None without cells.

    Drawn from the label image where it is small enough, else from the cells' positions.
    """
    if not facts.cells:
        return None
    each = cell_colours(facts, colours)
    alt = f"Map of {facts.cells:,} cells of {facts.name}, coloured by type"
    labels = _labels(facts)
    if labels is not None and labels.shape[0] * labels.shape[1] <= LABEL_PIXELS:
        step = max(1, -(-max(labels.shape) // longest))
        small = np.asarray(labels[::step, ::step])
        picture = pictures.draw_labels(small, _by_label(facts, each), outlined=step <= 3)
        width_um = small.shape[1] * step * float((facts.info or {})["pixel_size_um"])
        return _picture(picture, alt, width_um)
    extent = Extent.around(facts.xy)
    return _picture(pictures.draw_cells(facts.xy, each, extent, longest), alt, extent.width)


def _labels(facts: Facts) -> Any:
    if not facts.files.get("labels") or facts.info is None:
        return None
    import zarr

    # vitrail.io.labels would open this too, but brings the compiled code that paints labels.
    return zarr.open_array(str(Path(facts.files["labels"], "cells")), mode="r")


def _by_label(facts: Facts, each: RGB) -> RGB:
    """Colours by label: labels without a row in the table are shown as flagged."""
    table = np.tile(rgb(FLAGGED), (int(facts.cell.max(initial=0)) + 1, 1))
    table[facts.cell] = each
    table[0] = pictures.BACKGROUND
    return table


def _picture(picture: RGB, alt: str, width_um: float, quality: int | None = None) -> Picture:
    height, width = picture.shape[:2]
    length = _round_length(width_um / 4)
    return Picture(
        pictures.data_uri(picture, quality), width, height, alt, (length, length / width_um)
    )


def _round_length(length: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that is not above `length`."""
    power = 10.0 ** np.floor(np.log10(length))
    return float(max(step * power for step in (1, 2, 5) if step * power <= length * 1.0001))


def detail(facts: Facts, colours: Mapping[str, str], side_um: float) -> list[Picture]:
    """The square with the most cells: the image, and the image with each cell's outline.

    Empty where the slide has no image or no label image.
    """
    labels = _labels(facts)
    if labels is None or not facts.files.get("slide") or not facts.kept:
        return []
    from vitrail.io.slide import open_slide

    slide = open_slide(facts.files["slide"], facts.files["info"])
    if not slide.channels:
        return []
    box = _detail_box(facts, slide, side_um)
    y0, x0, y1, x1 = box
    image = pictures.composite(slide.read(*box))
    window = np.asarray(labels[y0:y1, x0:x1])
    table = _by_label(facts, cell_colours(facts, colours))
    outlined = pictures.with_outlines(image, window, table)
    factor = max(1, DETAIL_PIXELS // max(window.shape))
    image, outlined = (pictures.enlarge(picture, factor) for picture in (image, outlined))
    width_um = (x1 - x0) * slide.pixel_size
    where = f"{width_um:.0f} µm of {facts.name}"
    return [
        _picture(image, f"Image of {where}", width_um, 78),
        _picture(outlined, f"Image of {where} with outlines", width_um, 88),
    ]


def _detail_box(facts: Facts, slide: Any, side_um: float) -> tuple[int, int, int, int]:
    s, (ox, oy), (height, width) = slide.pixel_size, slide.origin, slide.shape
    whole = Extent(ox, oy, ox + width * s, oy + height * s)
    x, y = pictures.densest_box(facts.xy[facts.passed], whole, side_um)
    side = max(16, round(side_um / s))
    x0 = int(np.clip(round((x - ox) / s), 0, max(0, width - side)))
    y0 = int(np.clip(round((y - oy) / s), 0, max(0, height - side)))
    return y0, x0, min(height, y0 + side), min(width, x0 + side)


def gene_map(
    facts: Facts, gene: str, values: npt.NDArray[np.float32], high: float, longest: int
) -> Picture:
    """Cells coloured by one gene's value, from 0 to `high`; the largest values lie on top."""
    extent = Extent.around(facts.xy)
    share = np.clip(values / (high or 1.0), 0, 1)
    each = ramp(EXPRESSION)[np.rint(share * 255).astype(np.int64)]
    order = np.argsort(share, kind="stable")
    picture = pictures.draw_cells(facts.xy[order], each[order], extent, longest)
    return _picture(picture, f"Map of {gene} in {facts.name}", extent.width)


def local_map(facts: Facts, gene: str, quadrants: npt.NDArray[np.int64], longest: int) -> Picture:
    """Cells coloured by the quadrant of a gene's local Moran's I, where it is significant."""
    extent = Extent.around(facts.xy)
    table = np.full((max(QUADRANTS) + 1, 3), rgb(PLAIN), dtype=np.uint8)
    for code, (_, colour) in QUADRANTS.items():
        table[code] = rgb(colour)
    order = np.argsort(quadrants > 0, kind="stable")
    picture = pictures.draw_cells(facts.xy[order], table[quadrants[order]], extent, longest)
    return _picture(picture, f"Local pattern of {gene} in {facts.name}", extent.width)


def legend(facts: Sequence[Facts]) -> dict[str, int]:
    """Cells of each type in the cohort, over the samples that have types."""
    total: dict[str, int] = {}
    for sample in facts:
        if sample.typed:
            for name, n in sample.type_counts().items():
                total[name] = total.get(name, 0) + n
    return total
