"""Stage prepare: what a segmenter has to know of a slide before it sees its tiles.

Scale and style of a network and the percentiles of merged channels must be the same in all tiles,
so they are measured once, on windows that do not depend on the tiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vitrail.segmentation import load_configured
from vitrail.segmentation.compose import plan
from vitrail.segmentation.contract import Context
from vitrail.segmentation.planes import COMPOSED, Planes, read_sample, slide_values

if TYPE_CHECKING:
    from vitrail.io.slide import Slide
    from vitrail.normalization import Normalization


def prepare(
    slide: Slide, normalization: Normalization, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Slide-wide values by name, beyond those of stage tile.

    Parameters
    ----------
    slide
        With an image.
    normalization
        What stage tile measured; its `segmenter["sample"]` names the windows.
    settings
        Section `segment` of the configuration.

    Returns
    -------
    `composed` where channels are merged, mixed or filtered (`vitrail.segmentation.compose`), and
    what the segmenter measured, under its name.
    """
    boxes = np.array(normalization.segmenter["sample"], np.int64)
    chosen = plan(slide.channels, settings)
    values: dict[str, Any] = {}
    if not chosen.trivial:
        raw = [slide.read(*(int(side) for side in box)) for box in boxes]
        values[COMPOSED] = chosen.measure(
            [normalization.apply(image) for image in raw], slide.pixel_size
        )
    segmenter = load_configured(settings)
    context = Context(slide.pixel_size, chosen.roles, slide_values(normalization, values))
    planes = Planes(normalization, chosen, values.get(COMPOSED), slide.pixel_size)
    measured = segmenter.prepare(read_sample(slide, boxes, planes, context))
    return values | ({segmenter.name: measured} if measured else {})
