"""Micrometres and pixels: the one place where the two meet.

Pixel ``i`` of an axis covers ``[origin + i * s, origin + (i + 1) * s)`` micrometres, where ``s`` is
the pixel size; its centre lies at ``origin + (i + 0.5) * s``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def pixel_index(
    position: npt.ArrayLike, pixel_size: float, origin: float = 0.0
) -> npt.NDArray[np.int64]:
    """Index of the pixel that holds each position of one axis.

    Parameters
    ----------
    position
        Positions in micrometres, any shape; computed in float64 whatever the input's dtype.
    pixel_size
        Edge of a pixel in micrometres.
    origin
        Position in micrometres of the outer edge of pixel 0.

    Returns
    -------
    int64 array of the same shape. Positions that are not finite become -1, which lies outside
    every image, as do all other negative indices.
    """
    scaled = (np.asarray(position, dtype=np.float64) - origin) / pixel_size
    finite = np.isfinite(scaled) & (np.abs(scaled) < 2.0**62)
    return np.where(finite, np.floor(np.where(finite, scaled, -1.0)), -1.0).astype(np.int64)


def pixel_centre(
    index: npt.ArrayLike, pixel_size: float, origin: float = 0.0
) -> npt.NDArray[np.float64]:
    """Position in micrometres of the centre of each pixel of one axis.

    Parameters
    ----------
    index
        Pixel indices, any shape; fractional indices (a mean of pixel indices) are allowed.
    pixel_size
        Edge of a pixel in micrometres.
    origin
        Position in micrometres of the outer edge of pixel 0.
    """
    return (np.asarray(index, dtype=np.float64) + 0.5) * pixel_size + origin
