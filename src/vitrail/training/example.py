"""Images as training sees them: normalised as a slide is, and their objects' diameter known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail.segmentation.metrics import median_diameter

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Example:
    """One image.

    Attributes
    ----------
    image
        float16 (2, y, x): what is segmented, and nuclei or zeros; 0 and 1 are percentiles over
        tissue. Smoothed as far as rescaling it to `diameter` asks for.
    labels
        int32 (y, x), or None.
    factor
        Rescaled by this, the median object has the diameter that the network wants.
    domain
        Name of the set that it is one of.
    """

    image: npt.NDArray[np.float16]
    labels: npt.NDArray[np.int32] | None
    factor: float
    domain: str


def make_example(
    image: npt.NDArray[Any],
    labels: npt.NDArray[np.int32] | None,
    domain: str,
    diameter: float,
    fallback: float,
) -> Example:
    """Normalise an image and measure its objects.

    Parameters
    ----------
    image
        (1 or 2, y, x) of any numeric dtype.
    labels
        int32 (y, x), or None.
    domain
        Name of the set that it is one of.
    diameter
        Pixels that the network wants the median object to have.
    fallback
        Pixels of an object in an image that has none.
    """
    found = fallback if labels is None else median_diameter(labels)
    factor = diameter / (found or fallback)
    seen = normalise(image)
    return Example(smooth_for(seen, factor).astype(np.float16), labels, factor, domain)


def normalise(image: npt.NDArray[Any]) -> Float32:
    """float32 (2, y, x) of (1 or 2, y, x): percentiles over tissue become 0 and 1, as on a slide.

    A second channel that is not there is zero.
    """
    from vitrail.normalization import measure
    from vitrail.segmentation.image import ArraySlide

    slide: Any = ArraySlide(image, 1.0)
    out = np.zeros((2, *image.shape[1:]), np.float32)
    # float16 later on: beyond this a pixel is as bright as it needs to be.
    out[: len(image)] = measure(slide)[0].apply(image).clip(-100, 100)
    return out


def smooth_for(image: Float32, factor: float) -> Float32:
    """Blur (c, y, x) so that sampling it `factor` times as densely (below 1) does not alias."""
    from scipy.ndimage import gaussian_filter

    if factor >= 1:
        return image
    sigma = (1 / factor - 1) / 2
    return np.stack([gaussian_filter(plane, sigma, mode="nearest") for plane in image])


def resize(image: Float32, factor: float) -> Float32:
    """Rescale (c, y, x) by a factor as training does: blurred where it shrinks, then bilinear.

    The size is rounded to whole pixels, and the factor of each axis follows it.
    """
    from vitrail.training.warp import warp_image

    height, width = (max(round(edge * factor), 1) for edge in image.shape[1:])
    y, x = image.shape[1] / height, image.shape[2] / width
    # Pixel centres: the middle of output pixel i is at (i + 0.5) / factor of the input.
    matrix = np.array([[y, 0.0, 0.5 * y - 0.5], [0.0, x, 0.5 * x - 0.5]])
    return warp_image(smooth_for(image, factor), matrix, height, width)
