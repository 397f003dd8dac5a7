"""What every segmenter is given and gives back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Context:
    """What is known about a window beside its pixels.

    Attributes
    ----------
    pixel_size
        Micrometres a pixel.
    channels
        Index of the channel that plays each role (`nucleus`, `membrane`, `cytoplasm`); roles
        without a channel are absent.
    values
        Slide-wide values by name, see `vitrail.normalization`; `otsu` holds a threshold a channel.
    """

    pixel_size: float
    channels: Mapping[str, int]
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Segmentation:
    """Instances of one window.

    Attributes
    ----------
    cells, nuclei
        int32 (y, x), 0 = background, instances numbered from 1; or (layers, y, x) where instances
        overlap, with labels that are unique over the layers.
    cell_scores, nucleus_scores
        float32, one in [0, 1] for each label.
    """

    cells: Labels
    nuclei: Labels
    cell_scores: npt.NDArray[np.float32]
    nucleus_scores: npt.NDArray[np.float32]


class Segmenter(ABC):
    """A method that finds cells in windows of a slide.

    Attributes
    ----------
    name
        As the configuration calls it.
    stride
        Windows start at multiples of this many pixels.
    """

    name: ClassVar[str] = ""
    stride: int = 1

    @abstractmethod
    def segment_window(self, image: npt.NDArray[np.float32], context: Context) -> Segmentation:
        """Segment one window.

        Parameters
        ----------
        image
            float32 (c, y, x), normalised slide-wide: 0 and 1 are percentiles over tissue.
        context
            Pixel size, roles of the channels, slide-wide values.
        """

    def reach_um(self) -> float:
        """Micrometres of surroundings on which a cell whose centroid lies in a core can depend.

        The halo of the tiles must be at least this wide. 0: not known.
        """
        return 0.0

    def segment(
        self,
        image: npt.NDArray[Any],
        pixel_size: float | None = None,
        diameter: float | None = None,
        channels: Mapping[str, int] | None = None,
    ) -> Labels:
        """Segment an image in memory, tile by tile where it is large.

        Parameters
        ----------
        image
            (y, x) or (c, y, x), any numeric dtype.
        pixel_size
            Micrometres a pixel.
        diameter
            Typical nucleus diameter in pixels, in place of `pixel_size`.
        channels
            Index of the channel in each role (`nucleus`, `membrane`, `cytoplasm`); by default the
            first channel shows nuclei.

        Returns
        -------
        int32 (y, x), cells from 1 in spatial order, 0 = background.
        """
        from vitrail.segmentation.image import segment_image

        return segment_image(self, image, pixel_size, diameter, channels)
