"""Random changes of a crop: where and how large, and how it was photographed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, zoom

WITHOUT_NUCLEI = 0.1  # share of the crops with two channels that lose the second

Float32 = npt.NDArray[np.float32]


def random_view(
    rng: np.random.Generator,
    shape: tuple[int, int],
    factor: float,
    scale: tuple[float, float],
    crop: int,
) -> npt.NDArray[np.float64]:
    """Affine matrix (2, 3) from a crop's pixels to an image's: random place, angle, flip and size.

    Parameters
    ----------
    shape
        Height and width of the image.
    factor
        By which the image is rescaled on average.
    scale
        Smallest and largest random factor on top of it, drawn evenly on a logarithmic axis.
    crop
        Edge of the crop in pixels.
    """
    zoomed = factor * np.exp(rng.uniform(*np.log(scale)))
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if rng.random() < 0.5:
        turn = turn @ np.diag([1.0, -1.0])
    stretch = np.exp(rng.uniform(-0.1, 0.1))  # microscopes do not stretch; cells differ
    linear = turn @ np.diag([stretch, 1 / stretch]) / zoomed
    centre = [_centre(rng, edge, crop / zoomed) for edge in shape]
    offset = np.array(centre) - linear @ np.full(2, (crop - 1) / 2)
    return np.column_stack([linear, offset])


def _centre(rng: np.random.Generator, edge: int, extent: float) -> float:
    """Middle of the crop: inside the image as far as it fits, else the image's middle."""
    free = max(edge - extent, 0.15 * edge)
    return (edge - 1) / 2 + free * (rng.random() - 0.5)


def photograph(rng: np.random.Generator, image: Float32) -> Float32:
    """Random optics, illumination and camera for a crop (2, y, x) with 0 and 1 as usual range.

    Channels that are zero throughout stay so; nuclei are left out of some crops, as there are
    slides without their channel.
    """
    out = image.copy()
    if image[1].any() and rng.random() < WITHOUT_NUCLEI:
        out[1] = 0
    for channel, plane in enumerate(out):
        if plane.any():
            out[channel] = _photograph(rng, plane)
    return out


def _photograph(rng: np.random.Generator, plane: Float32) -> Float32:
    if rng.random() < 0.5:
        plane = _gamma(plane, np.exp(rng.uniform(-0.5, 0.5)))
    if rng.random() < 0.3:
        plane = gaussian_filter(plane, rng.uniform(0.3, 1.8))
    if rng.random() < 0.3:
        plane = plane * (1 + rng.uniform(0, 0.5) * _field(rng, plane.shape))
    if rng.random() < 0.3:
        plane = plane + rng.uniform(0, 0.4) * (1 + _field(rng, plane.shape))
    if rng.random() < 0.5:
        noise = rng.standard_normal(plane.shape, dtype=np.float32)
        read, shot = np.exp(rng.uniform(np.log(0.005), np.log(0.15), 2))
        plane = plane + noise * np.sqrt(read**2 + shot**2 * np.clip(plane, 0, 4))
    if rng.random() < 0.3:
        plane = _stretched(plane)
    gain, offset = np.exp(0.25 * rng.standard_normal()), 0.05 * rng.standard_normal()
    return (gain * plane + offset).astype(np.float32)


def _gamma(plane: Float32, exponent: float) -> Float32:
    return np.sign(plane) * np.abs(plane) ** np.float32(exponent)


def _field(rng: np.random.Generator, shape: tuple[int, ...]) -> Float32:
    """Smooth random field from about -1 to 1 with a few hills over the crop."""
    knots = int(rng.integers(2, 6))
    coarse = rng.uniform(-1, 1, (knots, knots)).astype(np.float32)
    return zoom(coarse, [edge / knots for edge in shape], order=1, mode="nearest", grid_mode=True)


def _stretched(plane: Float32) -> Float32:
    """The crop's own percentiles as 0 and 1, as where a crop is all there is of an image."""
    low, high = np.percentile(plane, [1, 99])
    return (plane - low) / max(high - low, 0.05)
