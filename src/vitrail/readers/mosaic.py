"""Fields of view laid side by side as one image, read strip by strip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail.errors import VitrailError
from vitrail.readers.raster_file import RasterFile

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Field:
    """One field of view.

    Attributes
    ----------
    path
        Its file.
    top, left
        Row and column of its first pixel in the mosaic.
    number
        Its number.
    """

    path: str
    top: int
    left: int
    number: int


class Mosaic:
    """Fields of view at whole pixels (contract: `raster_file.RasterFile`).

    Where fields overlap, the later one shows; where there is none, pixels are 0. Files are open
    only while strips touch them.

    Parameters
    ----------
    fields
        The fields.
    opener
        Opens a field's file.
    shape
        (height, width) of the mosaic.
    numbered
        Adds `numbered` times the field's number to labels, so that those of all fields differ; 0
        for images.

    Raises
    ------
    VitrailError
        If fields differ in size, dtype or channels.
    """

    def __init__(
        self,
        fields: Sequence[Field],
        opener: Callable[[str], RasterFile],
        shape: tuple[int, int],
        numbered: int = 0,
    ) -> None:
        self.fields = list(fields)
        self._opener = opener
        self._numbered = numbered
        self._open: dict[int, RasterFile] = {}
        first = opener(self.fields[0].path)
        self._first = (first.shape, first.dtype, first.planes, list(first.groups))
        self.path = first.path
        self.field_shape = first.shape
        self.shape = shape
        self.dtype = np.dtype(np.int32) if numbered else first.dtype
        self.planes = first.planes
        self.groups = first.groups
        self.names = first.names
        self.pixel_size = first.pixel_size

    def read(self, group: int, plane: int, y0: int, y1: int) -> Array:
        """Whole rows y0 to y1 of a plane of one group of channels, as an array (c, y, x)."""
        height, width = self.field_shape
        out = np.zeros((self.groups[group], y1 - y0, self.shape[1]), self.dtype)
        for index, field in enumerate(self.fields):
            first, last = max(y0, field.top), min(y1, field.top + height)
            if first >= last:
                self._open.pop(index, None)
                continue
            rows = self._file(index).read(group, plane, first - field.top, last - field.top)
            if self._numbered:
                rows = self._in_mosaic(rows, field)
            out[:, first - y0 : last - y0, field.left : field.left + width] = rows
        return out

    def release(self) -> None:
        """Close all fields."""
        self._open.clear()

    def _file(self, index: int) -> RasterFile:
        if index not in self._open:
            file = self._opener(self.fields[index].path)
            found = (file.shape, file.dtype, file.planes, list(file.groups))
            if found != self._first:
                raise VitrailError(
                    f"{file.path}: has {file.shape[0]} x {file.shape[1]} pixels of {file.dtype} in "
                    f"{sum(file.groups)} channels, wanted the same as {self.path} has."
                )
            self._open[index] = file
        return self._open[index]

    def _in_mosaic(self, rows: Array, field: Field) -> Array:
        if rows.size and int(rows.max()) >= self._numbered:
            raise VitrailError(
                f"{field.path}: has the label {int(rows.max())}, wanted labels below "
                f"{self._numbered}."
            )
        return np.where(rows > 0, rows.astype(np.int64) + field.number * self._numbered, 0)
