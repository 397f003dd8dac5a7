"""Given label images."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail.errors import VitrailError
from vitrail.readers.raster_file import open_raster

MAX_LABEL = int(np.iinfo(np.int32).max)


class LabelSource:
    """Label image, read strip by strip as int32.

    Attributes
    ----------
    shape
        (height, width) in pixels.
    pixel_size
        Micrometres a pixel where the file says so.
    """

    def __init__(self, path: str, axes: str | None, z: int | str | None, threads: int = 1) -> None:
        self._file = open_raster(path, axes, threads)
        if self._file.dtype.kind not in "ui":
            raise VitrailError(
                f"{path}: labels are {self._file.dtype}, wanted whole numbers (0 = background)."
            )
        if sum(self._file.groups) != 1:
            raise VitrailError(
                f"{path}: has {sum(self._file.groups)} channels, wanted one label image."
            )
        self._plane = _plane(path, self._file.planes, z)
        self.path = path
        self.shape = self._file.shape
        self.pixel_size = self._file.pixel_size

    def read(self, y0: int, y1: int, x0: int, x1: int) -> npt.NDArray[np.int32]:
        """Labels in a half-open box of pixels, int32 (y, x)."""
        rows: npt.NDArray[Any] = self._file.read(0, self._plane, y0, y1)[0, :, x0:x1]
        if rows.size and (int(rows.min()) < 0 or int(rows.max()) > MAX_LABEL):
            raise VitrailError(
                f"{self.path}: labels run from {rows.min()} to {rows.max()}, wanted 0 to "
                f"{MAX_LABEL}."
            )
        return rows.astype(np.int32)


def _plane(path: str, planes: int, z: int | str | None) -> int:
    if planes == 1:
        return 0
    if isinstance(z, int) and z < planes:
        return z
    raise VitrailError(
        f"{path}: has {planes} planes of labels, wanted the sheet's column z to name one of 0 to "
        f"{planes - 1}."
    )
