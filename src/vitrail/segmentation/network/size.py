"""Object diameter from the style vector: ridge regression (Stringer et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SizeModel:
    """Linear function from a style vector to the logarithm of the diameter.

    Attributes
    ----------
    style_mean
        float64 (c,): mean style of the training images.
    weights
        float64 (c,).
    log_mean
        Mean logarithm of the diameters in pixels.
    low, high
        Smallest and largest diameter in pixels that was seen: no estimate goes beyond.
    """

    style_mean: Float64
    weights: Float64
    log_mean: float
    low: float
    high: float

    def diameter(self, style: npt.NDArray[Any]) -> Float64:
        """Diameter in pixels of the images whose styles are (..., c), of shape (...)."""
        centred = np.asarray(style, np.float64) - self.style_mean
        return np.clip(np.exp(centred @ self.weights + self.log_mean), self.low, self.high)


def fit_size_model(
    styles: npt.NDArray[Any], diameters: npt.NDArray[Any], ridge: float = 0.1
) -> SizeModel:
    """Fit by ridge regression: ``w = (X^T X + r I)^-1 X^T y`` on centred styles and logarithms.

    Parameters
    ----------
    styles
        (images, c).
    diameters
        (images,) in pixels, positive.
    ridge
        The penalty r.
    """
    x, y = np.asarray(styles, np.float64), np.log(np.asarray(diameters, np.float64))
    style_mean, log_mean = x.mean(axis=0), float(y.mean())
    centred = x - style_mean
    normal = centred.T @ centred + ridge * np.eye(x.shape[1])
    weights = np.linalg.solve(normal, centred.T @ (y - log_mean))
    low, high = float(np.exp(y.min())), float(np.exp(y.max()))
    return SizeModel(style_mean, weights, log_mean, low, high)
