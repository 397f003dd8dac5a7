"""A slide's windows as a segmenter sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vitrail.segmentation.compose import Plan
from vitrail.segmentation.contract import Context, Sample

if TYPE_CHECKING:
    from vitrail.io.slide import Slide
    from vitrail.normalization import Normalization

Image = npt.NDArray[np.float32]

COMPOSED = "composed"  # name of what `Plan.measure` gave among the slide-wide values


def slide_values(normalization: Normalization, prepared: Mapping[str, Any]) -> dict[str, Any]:
    """All slide-wide values by name: those of stage tile, then those of stage prepare."""
    values = {**normalization.segmenter, **prepared}
    if COMPOSED in values:
        values["otsu"] = values[COMPOSED]["otsu"]
    return values


class Planes:
    """Raw windows to normalised, merged and filtered planes.

    Parameters
    ----------
    normalization
        The slide's.
    plan
        What is made of its channels.
    values
        What `Plan.measure` gave; unused where the plan is trivial.
    pixel_size
        Micrometres a pixel.
    """

    def __init__(
        self,
        normalization: Normalization,
        plan: Plan,
        values: Mapping[str, Any] | None,
        pixel_size: float,
    ) -> None:
        self._normalization, self._plan, self._values = normalization, plan, values
        self._pixel_size = pixel_size

    def apply(self, image: npt.NDArray[Any]) -> Image:
        """Planes (p, y, x) of raw channels (c, y, x)."""
        normalised = self._normalization.apply(image)
        if self._plan.trivial or self._values is None:
            return normalised
        return self._plan.adjust(self._plan.mix(normalised, self._pixel_size), self._values)


def read_sample(
    slide: Slide,
    boxes: npt.NDArray[np.int64],
    planes: Any,
    context: Context,
    diameter: float | None = None,
    measured_scale: bool = True,
) -> Sample:
    """The windows of a slide in `boxes` (n, 4), prepared by ``planes.apply``."""
    images, contexts = [], []
    for box in boxes:
        y0, x0, y1, x1 = (int(side) for side in box)
        images.append(planes.apply(slide.read(y0, x0, y1, x1)))
        contexts.append(replace(context, origin=(y0, x0), shape=slide.shape))
    return Sample(images, contexts, diameter, measured_scale)
