"""Positions as the graph functions take them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail.annotated import positions_of
from vitrail.errors import VitrailError


def positions(xy: Any, dimensions: tuple[int, ...] = (2, 3)) -> npt.NDArray[np.float64]:
    """Positions as a contiguous float64 array (n, d), checked.

    Parameters
    ----------
    xy
        Array (n, d) of positions, or an AnnData with ``obsm["spatial"]``.
    dimensions
        Numbers of columns that are allowed.
    """
    array = np.ascontiguousarray(positions_of(xy), dtype=np.float64)
    if array.size == 0 and array.ndim <= 2:
        return np.zeros((0, dimensions[0]))
    if array.ndim != 2 or array.shape[1] not in dimensions:
        wanted = " or ".join(str(d) for d in dimensions)
        raise VitrailError(
            f"positions: found an array of shape {array.shape}, wanted (n, {wanted})."
        )
    bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if bad.size:
        raise VitrailError(
            f"positions, row {bad[0]}: found {array[bad[0]].tolist()}, wanted finite numbers."
        )
    return array


def distances(
    xy: npt.NDArray[np.float64], rows: npt.NDArray[Any], columns: npt.NDArray[Any]
) -> npt.NDArray[np.float64]:
    """Euclidean distance of each pair of rows of `xy`, in the unit of `xy`."""
    return np.sqrt(((xy[rows] - xy[columns]) ** 2).sum(axis=1))
