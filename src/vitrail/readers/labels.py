"""Given label images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail.errors import VitrailError
from vitrail.readers.raster_file import RasterFile

MAX_LABEL = int(np.iinfo(np.int32).max)


class LabelSource:
    """Label image, read strip by strip as int32.

    Parameters
    ----------
    file
        Its file.
    z
        The sheet's plane, for files with several.

    Attributes
    ----------
    shape
        (height, width) in pixels.
    pixel_size
        Micrometres a pixel where the file says so.
    names
        Gives the vendor's name of each label from 1, where there are names; else None.

    Raises
    ------
    VitrailError
        If its pixels are not one channel of whole numbers, or the plane is not there.
    """

    def __init__(self, file: RasterFile, z: int | str | None) -> None:
        self._file = file
        if file.dtype.kind not in "ui":
            raise VitrailError(
                f"{file.path}: labels are {file.dtype}, wanted whole numbers (0 = background)."
            )
        if sum(file.groups) != 1:
            raise VitrailError(
                f"{file.path}: has {sum(file.groups)} channels, wanted one label image."
            )
        self._plane = _plane(file.path, file.planes, z)
        self.path = file.path
        self.shape = file.shape
        self.pixel_size = file.pixel_size
        self.names: Callable[[], list[str]] | None = None

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
