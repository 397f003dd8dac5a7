"""The cellpose package, version 3, behind the contract.

The package takes its style from each window by itself, and places its own grid in it, so that its
cells depend a little on the tiles; `vitrail.segmentation.flows` runs the same weight files with one
style a slide.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from cellpose.models import CellposeModel

from vitrail.segmentation import weights as files
from vitrail.segmentation.contract import Context, Segmentation, Segmenter
from vitrail.segmentation.pairing import pair
from vitrail.segmentation.tidy import compact

Image = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]

REACH = 3.0  # diameters


@dataclass
class CellposeSegmenter(Segmenter):
    """Models of Cellpose 2 and 3, run by the cellpose package.

    Parameters
    ----------
    weights
        Path of a model for cells (`cyto2`, `cyto3`), or of nuclei where the slide has no stain of
        cells; a name is looked for in the folder that VITRAIL_MODELS names.
    nuclei_weights
        Path of a model for nuclei; found nuclei are paired with the cells. None: cells alone.
    diameter_um, nucleus_diameter_um
        Typical diameters, micrometres.
    cellprob_threshold, flow_threshold, min_size_px
        Options of the package, see its documentation.
    gpu
        Use a GPU.
    """

    name: ClassVar[str] = "cellpose"

    weights: str = ""
    nuclei_weights: str | None = None
    diameter_um: float = 10.0
    nucleus_diameter_um: float = 7.0
    cellprob_threshold: float = 0.0
    flow_threshold: float = 0.4
    min_size_px: int = 15
    gpu: bool = False
    _models: dict[Path, Any] = field(default_factory=dict, init=False, repr=False)

    def reach_um(self, context: Context) -> float:
        """A few diameters of what is found."""
        return REACH * max(self.diameter_um, self.nucleus_diameter_um)

    def segment_window(self, image: Image, context: Context) -> Segmentation:
        """Segment one window; every instance has score 1."""
        channels = context.channels
        stains = [channels[role] for role in ("cytoplasm", "membrane") if role in channels]
        nucleus = image[channels["nucleus"]]
        planes = [image[stains[0]], nucleus] if stains else [nucleus, np.zeros_like(nucleus)]
        path = files.require(self.weights, "segment.cellpose.weights")
        cells = self._run(path, np.stack(planes), self.diameter_um / context.pixel_size)
        nuclei = np.zeros_like(cells)
        if self.nuclei_weights is not None:
            path = files.require(self.nuclei_weights, "segment.cellpose.nuclei_weights")
            planes = [nucleus, np.zeros_like(nucleus)]
            diameter = self.nucleus_diameter_um / context.pixel_size
            nuclei = self._run(path, np.stack(planes), diameter)
            cells = pair(cells, nuclei).cells
        return Segmentation(cells, nuclei, _ones(cells), _ones(nuclei))

    def _run(self, path: Path, planes: Image, diameter: float) -> Labels:
        """Labels of two planes (2, y, x), normalised already."""
        if path not in self._models:
            self._models[path] = CellposeModel(gpu=self.gpu, pretrained_model=str(path))
        found = self._models[path].eval(
            planes,
            channels=None,
            channel_axis=0,
            normalize=False,
            diameter=diameter,
            cellprob_threshold=self.cellprob_threshold,
            flow_threshold=self.flow_threshold,
            min_size=self.min_size_px,
        )[0]
        return compact(np.asarray(found).reshape(planes.shape[1:]).astype(np.int32))[0]


def _ones(labels: Labels) -> Image:
    return np.ones(int(labels.max(initial=0)), np.float32)
