"""Where the fields of view of a CosMx slide lie.

The vendor's y runs upwards, across the slide and within a field: a field's row is its height less
the local y. Fields are placed at whole pixels and transcripts by their position in the field, so
that image and transcripts of a field agree exactly, whatever the position file rounds to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vitrail.errors import VitrailError
from vitrail.readers.delimited import column_names, no_column, read_batches
from vitrail.readers.mosaic import Field
from vitrail.readers.vendors.cosmx import field_number

Float = npt.NDArray[np.float64]

FIELD_NAMES = ("fov", "FOV", "Fov")
PIXELS = (("x_global_px", "y_global_px"),)
MILLIMETRES = (("x_global_mm", "y_global_mm"), ("X_mm", "Y_mm"), ("x_mm", "y_mm"))
# A pixel size that follows from positions in pixels and millimetres needs fields this far apart.
FAR_APART = 100.0


@dataclass(frozen=True)
class Positions:
    """Positions of the fields.

    Attributes
    ----------
    x, y
        By number of the field, in pixels or, where `in_millimetres`, in those.
    pixel_size
        Micrometres a pixel where the file gives both units.
    """

    x: dict[int, float]
    y: dict[int, float]
    in_millimetres: bool
    pixel_size: float | None


def read_positions(path: str) -> Positions:
    """Read a position file of any export.

    Raises
    ------
    VitrailError
        If it has no column of fields, or no two of positions.
    """
    names = column_names(path)
    field = next((name for name in FIELD_NAMES if name in names), None)
    if field is None:
        raise no_column(path, FIELD_NAMES[0], names, "the numbers of the fields of view")
    pixels = next((pair for pair in PIXELS if set(pair) <= set(names)), None)
    millimetres = next((pair for pair in MILLIMETRES if set(pair) <= set(names)), None)
    chosen = pixels or millimetres
    if chosen is None:
        raise no_column(path, PIXELS[0][0], names, "the positions of the fields of view")
    wanted = {field: pa.float64(), **dict.fromkeys((*chosen, *(millimetres or ())), pa.float64())}
    empty = pa.schema(list(wanted.items())).empty_table()
    table = pa.concat_tables([empty, *read_batches(path, wanted)])
    columns = {name: table[name].to_numpy() for name in wanted}
    # Rows of fields that were planned and not taken have no position.
    there = _finite(columns, field, *chosen)
    number = columns[field][there].astype(np.int64).tolist()
    x, y = (columns[name][there].tolist() for name in chosen)
    size = None
    if pixels and millimetres:
        both = _finite(columns, *pixels, *millimetres)
        size = _pixel_size(*(columns[name][both] for name in (*pixels, *millimetres)))
    return Positions(
        dict(zip(number, x, strict=True)),
        dict(zip(number, y, strict=True)),
        pixels is None,
        size,
    )


def _finite(columns: Mapping[str, Float], *names: str) -> npt.NDArray[np.bool_]:
    """Rows that have a number in each of some columns."""
    there: npt.NDArray[np.bool_] = np.logical_and.reduce(
        [np.isfinite(columns[name]) for name in names]
    )
    return there


def _pixel_size(x: Float, y: Float, x_mm: Float, y_mm: Float) -> float | None:
    if not len(x) or max(np.ptp(x), np.ptp(y)) < FAR_APART:
        return None
    along, other = (x, x_mm) if np.ptp(x) >= np.ptp(y) else (y, y_mm)
    return float(np.ptp(other) / np.ptp(along) * 1000)


def read_run_pixel_size(path: str) -> float | None:
    """Micrometres a pixel as the run's ``ExptConfig.txt`` says it, None where it does not."""
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    match = re.search(r"ImPixel_nm\W+([\d.]+)", text)
    return float(match[1]) / 1000 if match else None


class Frame:
    """Fields at whole pixels of one mosaic.

    Parameters
    ----------
    files
        Images and label images of the fields that there are.
    positions
        Where the fields lie.
    field_shape
        (rows, columns) of a field.
    pixel_size
        Micrometres a pixel, for positions in millimetres.
    upwards
        Whether y runs upwards.

    Attributes
    ----------
    top, left
        Row and column of a field's first pixel, by its number.
    shape
        (rows, columns) of the mosaic.

    Raises
    ------
    VitrailError
        If a field has no position, or positions are in millimetres without a pixel size.
    """

    def __init__(
        self,
        files: list[str],
        positions: Positions,
        field_shape: tuple[int, int],
        pixel_size: float | None,
        upwards: bool,
    ) -> None:
        numbers = {field_number(path): path for path in files}
        for number, path in numbers.items():
            if number not in positions.x:
                raise VitrailError(
                    f"{path}: field of view {number} has no position in the position file, which "
                    f"has those of {len(positions.x)} fields."
                )
        if positions.in_millimetres and pixel_size is None:
            raise VitrailError(
                f"{files[0]}: positions of fields are in millimetres and the pixel size is not "
                "known, wanted micrometres a pixel in the sheet's column pixel_size."
            )
        scale = 1000 / pixel_size if positions.in_millimetres and pixel_size else 1.0
        down = -scale if upwards else scale
        x = {number: positions.x[number] * scale for number in numbers}
        y = {number: positions.y[number] * down for number in numbers}
        self.left = {number: round(value - min(x.values())) for number, value in x.items()}
        self.top = {number: round(value - min(y.values())) for number, value in y.items()}
        self.field_shape = field_shape
        self.upwards = upwards
        height, width = field_shape
        self.shape = max(self.top.values()) + height, max(self.left.values()) + width

    def fields(self, files: list[str]) -> list[Field]:
        """Fields of a set of files."""
        numbers = [field_number(path) for path in files]
        for number, path in zip(numbers, files, strict=True):
            if numbers.count(number) > 1:
                raise VitrailError(
                    f"{path}: is one of {numbers.count(number)} files of field of view {number}, "
                    "wanted one."
                )
        return [
            Field(path, self.top[number], self.left[number], number)
            for number, path in zip(numbers, files, strict=True)
        ]

    def to_mosaic(
        self, path: str, field: npt.NDArray[np.int64], x: Float, y: Float
    ) -> tuple[Float, Float]:
        """Local positions in the mosaic's pixels.

        Parameters
        ----------
        path
            The table, for the message.
        field, x, y
            Number of the field and local position of each row.
        """
        numbers, place = np.unique(field, return_inverse=True)
        for number in numbers.tolist():
            if number not in self.top:
                raise VitrailError(
                    f"{path}: has rows of field of view {number}, of which there is no image; "
                    f"wanted one as of the fields {', '.join(map(str, sorted(self.top)[:10]))}."
                )
        left = np.array([self.left[number] for number in numbers.tolist()], dtype=np.float64)
        top = np.array([self.top[number] for number in numbers.tolist()], dtype=np.float64)
        row = self.field_shape[0] - y if self.upwards else y
        return x + left[place], row + top[place]
