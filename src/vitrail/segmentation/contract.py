"""What every segmenter is given and gives back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
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
        Slide-wide values by name: `otsu` holds a threshold a channel (`vitrail.normalization`), and
        what the segmenter measured itself (`Segmenter.prepare`) is under its own name.
    origin
        First pixel (y, x) of the window on the slide.
    shape
        Height and width of the slide in pixels; None: the window is all there is.
    """

    pixel_size: float
    channels: Mapping[str, int]
    values: Mapping[str, Any] = field(default_factory=dict)
    origin: tuple[int, int] = (0, 0)
    shape: tuple[int, int] | None = None


@dataclass(frozen=True)
class Sample:
    """Windows that stand for a slide: the same ones however the slide is tiled.

    Attributes
    ----------
    images
        float32 (c, y, x) each, normalised as windows are.
    contexts
        Of each window; without values of the segmenter's own.
    diameter
        Typical diameter in pixels of what is segmented, where the caller knows it.
    measured_scale
        Whether the pixel size was measured; False where it is only nominal.
    """

    images: Sequence[npt.NDArray[np.float32]]
    contexts: Sequence[Context]
    diameter: float | None = None
    measured_scale: bool = True


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
    needs_scale
        Whether `segment` must be told a pixel size or a diameter.
    """

    name: ClassVar[str] = ""
    stride: int = 1
    needs_scale: ClassVar[bool] = True

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

    def prepare(self, sample: Sample) -> dict[str, Any]:
        """Measure what has to be the same in all windows of a slide, once a slide.

        Parameters
        ----------
        sample
            Windows that stand for the slide; they do not depend on its tiles.

        Returns
        -------
        Values that JSON can hold. Every window gets them as ``context.values[self.name]``.
        """
        return {}

    def reach_um(self, context: Context) -> float:
        """Micrometres of surroundings on which a cell whose centroid lies in a core can depend.

        The halo of the tiles must be at least this wide. 0: not known.
        """
        return 0.0

    def default_channels(self, count: int) -> dict[str, int]:
        """Roles of the channels of an image in memory that names none.

        Of three, a colour image, green shows cells and blue nuclei; otherwise the first shows
        nuclei and, of two, the second cells.
        """
        if count == 3:
            return {"nucleus": 2, "cytoplasm": 1}
        return {"nucleus": 0, "cytoplasm": 1} if count == 2 else {"nucleus": 0}

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
            Typical diameter in pixels of what is segmented: of a nucleus, or of a cell where the
            segmenter finds cells alone. Needed in place of `pixel_size` where `needs_scale`; a
            segmenter that estimates the diameter takes this one instead.
        channels
            Index of the channel in each role (`nucleus`, `membrane`, `cytoplasm`); by default
            those of `default_channels`.

        Returns
        -------
        int32 (y, x), cells from 1 in spatial order, 0 = background.
        """
        from vitrail.segmentation.image import segment_image

        return segment_image(self, image, pixel_size, diameter, channels)
