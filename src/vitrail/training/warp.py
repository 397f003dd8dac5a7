"""Affine sampling of images (bilinear) and labels (nearest), mirrored at the borders."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit


@njit(cache=True, nogil=True)
def _mirrored(i, n):  # type: ignore[no-untyped-def]
    """Index into an axis of n pixels that repeats, mirrored, without end: 1 0 | 0 1 2 | 2 1."""
    i %= 2 * n
    return i if i < n else 2 * n - 1 - i


@njit(cache=True, nogil=True)
def _sample_image(image, matrix, out):  # type: ignore[no-untyped-def]
    channels, height, width = image.shape
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            y = matrix[0, 0] * i + matrix[0, 1] * j + matrix[0, 2]
            x = matrix[1, 0] * i + matrix[1, 1] * j + matrix[1, 2]
            y0, x0 = int(np.floor(y)), int(np.floor(x))
            v, u = np.float32(y - y0), np.float32(x - x0)
            top, bottom = _mirrored(y0, height), _mirrored(y0 + 1, height)
            left, right = _mirrored(x0, width), _mirrored(x0 + 1, width)
            one = np.float32(1)
            for c in range(channels):
                above = (one - u) * image[c, top, left] + u * image[c, top, right]
                below = (one - u) * image[c, bottom, left] + u * image[c, bottom, right]
                out[c, i, j] = (one - v) * above + v * below


@njit(cache=True, nogil=True)
def _sample_labels(labels, matrix, out):  # type: ignore[no-untyped-def]
    height, width = labels.shape
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            y = matrix[0, 0] * i + matrix[0, 1] * j + matrix[0, 2]
            x = matrix[1, 0] * i + matrix[1, 1] * j + matrix[1, 2]
            row, column = int(np.floor(y + 0.5)), int(np.floor(x + 0.5))
            out[i, j] = labels[_mirrored(row, height), _mirrored(column, width)]


def warp_image(
    image: npt.NDArray[Any], matrix: npt.NDArray[np.float64], height: int, width: int
) -> npt.NDArray[np.float32]:
    """Bilinear samples (c, height, width) of (c, y, x).

    Parameters
    ----------
    image
        float32 (c, y, x).
    matrix
        float64 (2, 3): source (y, x) of output (row, column, 1), pixel centres at whole numbers.
    height, width
        Of the output.
    """
    out = np.empty((len(image), height, width), np.float32)
    _sample_image(np.ascontiguousarray(image, np.float32), matrix, out)
    return out


def warp_labels(
    labels: npt.NDArray[np.int32], matrix: npt.NDArray[np.float64], height: int, width: int
) -> npt.NDArray[np.int32]:
    """Nearest samples of labels, renumbered so that each connected piece has a label of its own.

    A crop can cut an object in two, and a mirrored border can show one twice.
    """
    from skimage.measure import label

    out = np.empty((height, width), np.int32)
    _sample_labels(labels, matrix, out)
    return label(out, background=0, connectivity=2).astype(np.int32)
