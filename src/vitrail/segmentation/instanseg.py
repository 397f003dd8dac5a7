"""InstanSeg (Goldsborough et al. 2024): its TorchScript modules behind the contract.

The module is run by torch alone. The package instanseg-torch is needed only to download one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch

from vitrail.errors import VitrailError
from vitrail.segmentation import weights as files
from vitrail.segmentation.contract import Context, Segmentation, Segmenter
from vitrail.segmentation.rescale import Window
from vitrail.segmentation.tidy import compact

Image = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]

STRIDE = 32  # the module pads its images to multiples of this
REACH_UM = 32.0
RANGE = (-2.0, 3.0)  # the module expects no values beyond


@dataclass
class InstansegSegmenter(Segmenter):
    """A TorchScript module of InstanSeg.

    Parameters
    ----------
    weights
        Path of the module, or a name that instanseg-torch has downloaded.
    sha256
        What the file must hash to; None: any.
    channels
        `all`, or numbers of the planes in the order that the module wants. Modules with a
        ChannelNet take any number.
    pixel_size_um
        Of the images that the module was trained on; None: as the module says.
    device
        `cpu`, `cuda`, or `auto`: the GPU where there is one.

    Notes
    -----
    A module with two outputs gives nuclei, then cells; one with a single output gives cells.
    """

    name: ClassVar[str] = "instanseg"

    weights: str = ""
    sha256: str | None = None
    channels: str | Sequence[int] = "all"
    pixel_size_um: float | None = None
    device: str = "auto"
    _module: Any = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.device == "auto":
            self.device = "cuda" if torch.cuda.is_available() else "cpu"
        path = files.require_instanseg(self.weights, self.sha256)
        files.check_whole(path)
        if not files.is_torchscript(path):
            raise VitrailError(f"{path} is no TorchScript module; wanted: an instanseg.pt")
        self._module = torch.jit.load(str(path), map_location=self.device).eval()
        own = float(getattr(self._module, "pixel_size", 0.0) or 0.0)
        self.pixel_size_um = self.pixel_size_um or own
        if self.pixel_size_um <= 0:
            raise VitrailError(
                f"{path} does not say the pixel size of its images; wanted: "
                "segment.instanseg.pixel_size_um"
            )

    def reach_um(self, context: Context) -> float:
        """What a module sees around a cell."""
        return REACH_UM

    def segment_window(self, image: Image, context: Context) -> Segmentation:
        """Segment one window; every instance has score 1."""
        planes = image if self.channels == "all" else image[self._chosen(len(image))]
        assert self.pixel_size_um is not None
        factor = context.pixel_size / self.pixel_size_um
        window = Window.covering(context.origin, image.shape[1:], factor, STRIDE)
        rescaled = np.clip(np.stack([window.enter(plane) for plane in planes]), *RANGE)
        outputs = self._run(rescaled)
        nuclei, cells = [compact(window.leave_labels(output))[0] for output in outputs]
        return Segmentation(cells, nuclei, _ones(cells), _ones(nuclei))

    def _chosen(self, count: int) -> list[int]:
        chosen = [int(channel) for channel in self.channels]
        if not all(0 <= channel < count for channel in chosen):
            raise VitrailError(
                f"segment.instanseg.channels is {chosen}, but the slide has {count} channels"
            )
        return chosen

    def _run(self, planes: Image) -> tuple[Labels, Labels]:
        """Nuclei and cells of rescaled planes (c, y, x)."""
        with torch.inference_mode():
            tensor = torch.from_numpy(np.ascontiguousarray(planes[None])).to(self.device)
            output = self._module(tensor)
        labels = np.round(output[0].float().cpu().numpy()).astype(np.int32)
        if len(labels) > 1:
            return labels[0], labels[1]
        return np.zeros_like(labels[0]), labels[0]


def _ones(labels: Labels) -> Image:
    return np.ones(int(labels.max(initial=0)), np.float32)
