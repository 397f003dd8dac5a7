"""Cells by networks that predict flows towards their centres (Stringer et al. 2021).

Nuclei are found from their channel, cells from a stain of the cell and the nuclei, each at its own
scale; then cells and nuclei are paired (`vitrail.segmentation.pairing`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from vitrail.errors import VitrailError
from vitrail.segmentation import filters, weights
from vitrail.segmentation.contract import Context, Sample, Segmentation, Segmenter
from vitrail.segmentation.flow.masks import masks_and_scores
from vitrail.segmentation.pairing import SEVERAL, pair
from vitrail.segmentation.predictor import Estimate, Predictor

Image = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]

STAINS = ("auto", "cytoplasm", "membrane")
# Where the estimate of the diameter begins, micrometres: typical of tissue.
TYPICAL_UM = {"nuclei": 7.0, "cells": 10.0}
REACH = 4  # strides of the network beyond a cell that still count for it
OBJECT = 1.0  # diameters that a cell may reach beyond the core that holds its centroid


@dataclass
class FlowSegmenter(Segmenter):
    """Flow networks for nuclei and cells.

    Parameters
    ----------
    nuclei_weights, cell_weights
        Names or paths of weight files; None leaves the network out. Without the one of cells, or
        without a stain of cells, cells are nuclei grown by `expansion_um`; without the one of
        nuclei there are cells alone.
    nucleus_diameter_um, cell_diameter_um
        Typical diameters; None: from the size model of the weights, once a slide.
    stain
        Channel of the cells: `cytoplasm`, `membrane`, or `auto`, the first of these there is.
    probability
        Least probability of a pixel to belong to a cell, 0 to 1.
    flow_error
        Greatest mean squared difference between the network's flows and those of the found cell's
        shape; None keeps every cell.
    steps
        Steps along the flows at most.
    min_nucleus_um2, min_cell_um2
        Smaller ones are dropped, square micrometres.
    expansion_um
        How far nuclei without a cell grow over background, micrometres.
    several_nuclei
        `keep` or `split`, see `vitrail.segmentation.pairing`.
    augmentation, device, precision, batch
        See `vitrail.segmentation.predictor.Predictor`.
    """

    name: ClassVar[str] = "flows"
    needs_scale: ClassVar[bool] = False

    nuclei_weights: str | None = "nuclei"
    cell_weights: str | None = "cells"
    nucleus_diameter_um: float | None = None
    cell_diameter_um: float | None = None
    stain: str = "auto"
    probability: float = 0.5
    flow_error: float | None = 0.4
    steps: int = 200
    min_nucleus_um2: float = 6.0
    min_cell_um2: float = 10.0
    expansion_um: float = 1.5
    several_nuclei: str = "keep"
    augmentation: str = "none"
    device: str = "auto"
    precision: str = "auto"
    batch: int = 1
    _predictors: dict[str, Predictor] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        for key, allowed in (("stain", STAINS), ("several_nuclei", SEVERAL)):
            if getattr(self, key) not in allowed:
                raise VitrailError(
                    f"segment.flows.{key} is '{getattr(self, key)}'; wanted: one of "
                    f"{', '.join(allowed)}"
                )
        if self.nuclei_weights is None and self.cell_weights is None:
            raise VitrailError(
                "segment.flows.nuclei_weights and cell_weights are both empty; wanted: at least "
                "one weight file"
            )

    def prepare(self, sample: Sample) -> dict[str, Any]:
        """Diameter and style of each network that the slide's channels call for."""
        channels = sample.contexts[0].channels
        kinds = self._kinds(channels)
        return {
            kind: self._estimate(kind, sample, given=kind == kinds[0]).as_json() for kind in kinds
        }

    def reach_um(self, context: Context) -> float:
        """What the networks see around a cell, and the cell itself, at the slide's scale."""
        reach = 0.0
        for kind in self._kinds(context.channels):
            diameter = self._of_slide(kind, context).diameter
            network = self._predictor(kind)
            around = REACH * network.stride / network.diameter + OBJECT
            reach = max(reach, around * diameter * context.pixel_size)
        return reach + self.expansion_um

    def default_channels(self, count: int) -> dict[str, int]:
        """As for every segmenter; where there are cells alone, one channel shows those."""
        if self.nuclei_weights is None and count == 1:
            return {"cytoplasm": 0}
        if self.nuclei_weights is None and count == 2:
            return {"cytoplasm": 0, "nucleus": 1}
        return super().default_channels(count)

    def segment_window(self, image: Image, context: Context) -> Segmentation:
        """Segment one window; see `Segmenter.segment_window`."""
        kinds = self._kinds(context.channels)
        found = {kind: self._instances(kind, image, context) for kind in kinds}
        empty = np.zeros(image.shape[1:], np.int32), np.zeros(0, np.float32)
        nuclei, nucleus_scores = found.get("nuclei", empty)
        if "cells" not in found:
            cells, _ = filters.nearest_label(nuclei, self.expansion_um / context.pixel_size)
            return Segmentation(cells, nuclei, nucleus_scores, nucleus_scores)
        cells, cell_scores = found["cells"]
        if "nuclei" not in found:
            return Segmentation(cells, nuclei, cell_scores, nucleus_scores)
        paired = pair(cells, nuclei, self.expansion_um / context.pixel_size, self.several_nuclei)
        scores = np.concatenate([[0], cell_scores]), np.concatenate([[0], nucleus_scores])
        cell_scores = np.maximum(scores[0][paired.source], scores[1][paired.nucleus_of_cell])
        return Segmentation(paired.cells, nuclei, cell_scores.astype(np.float32), nucleus_scores)

    def _kinds(self, channels: Any) -> list[str]:
        """Networks that run, by the channels that there are."""
        nuclei = self.nuclei_weights is not None
        stained = self._stain(channels) is not None or not nuclei
        cells = self.cell_weights is not None and stained
        return ["nuclei"] * nuclei + ["cells"] * cells

    def _stain(self, channels: Any) -> int | None:
        names = ("cytoplasm", "membrane") if self.stain == "auto" else (self.stain,)
        found = [channels[name] for name in names if name in channels]
        if not found and self.stain != "auto":
            raise VitrailError(
                f"segment.flows.stain is '{self.stain}', but no channel is named in "
                f"segment.channels.{self.stain}"
            )
        return found[0] if found else None

    def _planes(self, kind: str, image: Image, channels: Any) -> Image:
        """(2, y, x): what is segmented, and for cells the nuclei."""
        none = np.zeros(image.shape[1:], np.float32)
        if kind == "nuclei":
            return np.stack([image[channels["nucleus"]], none])
        stain = self._stain(channels)
        if stain is None:
            return np.stack([image[channels["nucleus"]], none])
        nucleus = channels.get("nucleus", stain)
        return np.stack([image[stain], none if nucleus == stain else image[nucleus]])

    def _predictor(self, kind: str) -> Predictor:
        """The network, loaded when it is first asked for and kept."""
        if kind not in self._predictors:
            key = {"nuclei": "nuclei_weights", "cells": "cell_weights"}[kind]
            path = weights.require(getattr(self, key), f"segment.flows.{key}")
            self._predictors[kind] = Predictor(
                path, self.device, self.precision, self.batch, self.augmentation
            )
        return self._predictors[kind]

    def _estimate(self, kind: str, sample: Sample, given: bool) -> Estimate:
        pixel_size = sample.contexts[0].pixel_size
        set_um = {"nuclei": self.nucleus_diameter_um, "cells": self.cell_diameter_um}[kind]
        diameter = None if set_um is None else set_um / pixel_size
        if given and sample.diameter is not None:
            diameter = sample.diameter
        prior = TYPICAL_UM[kind] / pixel_size if sample.measured_scale else None
        planes = [
            self._planes(kind, image, context.channels)
            for image, context in zip(sample.images, sample.contexts, strict=True)
        ]
        origins = [context.origin for context in sample.contexts]
        return self._predictor(kind).estimate(planes, origins, diameter, prior)

    def _of_slide(self, kind: str, context: Context) -> Estimate:
        return Estimate.from_json(context.values[self.name][kind])

    def _instances(
        self, kind: str, image: Image, context: Context
    ) -> tuple[Labels, npt.NDArray[np.float32]]:
        """Instances of one network, in the order of their first pixels, and their scores."""
        least = {"nuclei": self.min_nucleus_um2, "cells": self.min_cell_um2}[kind]
        estimate = self._of_slide(kind, context)
        planes = self._planes(kind, image, context.channels)
        flows = self._predictor(kind).flows(planes, context.origin, estimate)
        return masks_and_scores(
            flows.y,
            flows.x,
            flows.logit,
            logits=True,
            threshold=self.probability,
            steps=_steps(self.steps, self._predictor(kind).diameter, estimate.diameter),
            flow_check=self.flow_error,
            cut_sides=_ends_of_slide(image.shape[1:], context),
            min_size_px=int(np.ceil(least / context.pixel_size**2)),
        )


def _ends_of_slide(size: tuple[int, ...], context: Context) -> tuple[bool, bool, bool, bool]:
    """Whether the window's top, left, bottom and right are the slide's.

    There cells are cut and nothing more is known of them; at the other sides another window sees
    them whole.
    """
    (y, x), (height, width) = context.origin, context.shape or size
    return y == 0, x == 0, y + size[0] >= height, x + size[1] >= width


def _steps(steps: int, network: float, slide: float) -> int:
    """Steps of a slide's pixels: as many more as its cells are larger than the network's."""
    return int(np.ceil(steps * max(1.0, slide / network)))
