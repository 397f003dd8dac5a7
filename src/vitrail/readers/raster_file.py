"""One file (or OME-Zarr folder) of pixels, whatever its format, read strip by strip.

Formats are told apart by their first bytes, not by their names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from vitrail.errors import VitrailError

Array = npt.NDArray[Any]
# An axis of one of these letters has a meaning; any other must be named in the config.
KNOWN_AXES = "TZCYXS"


class RasterFile(Protocol):
    """Contract of a file of pixels.

    Attributes
    ----------
    path
        The file.
    shape
        (height, width) in pixels.
    dtype
        Its dtype, in native byte order.
    planes
        Number of planes along z.
    groups
        Number of channels in each group of channels that are decoded together (the samples of an
        RGB page are one group, channels on pages of their own are groups of one).
    names
        Names of all channels where the file gives them.
    pixel_size
        Micrometres a pixel where the file says so.
    """

    path: str
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    planes: int
    groups: list[int]
    names: list[str] | None
    pixel_size: float | None

    def read(self, group: int, plane: int, y0: int, y1: int) -> Array:
        """Whole rows y0 to y1 of a plane of one group of channels, as an array (c, y, x)."""

    def release(self) -> None:
        """Forget what was decoded and kept for the next strip."""


def open_raster(path: str, axes: str | None, threads: int = 1) -> RasterFile:
    """Open a file of pixels.

    Parameters
    ----------
    path
        OME-TIFF, TIFF, PNG, JPEG, or the folder of an OME-Zarr image.
    axes
        Letters of the axes, where the file does not name them (for example ``ZYX``).
    threads
        Threads that decode.
    """
    place = Path(path)
    if place.is_dir():
        from vitrail.readers.ome_zarr import OmeZarrFile

        return OmeZarrFile(path)
    if not place.is_file():
        raise VitrailError(f"{path}: does not exist, wanted an image.")
    with open(path, "rb") as file:
        start = file.read(8)
    if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        from vitrail.readers.tiff import TiffRaster

        return TiffRaster(path, axes, threads)
    if start[:3] == b"\xff\xd8\xff" or start == b"\x89PNG\r\n\x1a\n":
        from vitrail.readers.picture import Picture

        return Picture(path)
    raise VitrailError(
        f"{path}: is neither TIFF, PNG, JPEG nor an OME-Zarr folder (its first bytes are "
        f"{start!r}); is it truncated or still being copied?"
    )


def check_axes(path: str, axes: str, shape: tuple[int, ...], named: bool) -> str:
    """Axes of an array with those of length one dropped; every other one must be known.

    Parameters
    ----------
    path
        The file, for the message.
    axes
        One letter an axis.
    shape
        Length of each axis.
    named
        Whether the config states the axes.
    """
    if len(axes) != len(shape) or "Y" not in axes or "X" not in axes:
        raise VitrailError(
            f"{path}: axes are '{axes}' for an array of shape {shape}, wanted one letter an axis, "
            "Y and X among them (image.axes of the format)."
        )
    for letter, length in zip(axes, shape, strict=True):
        if length > 1 and letter not in KNOWN_AXES:
            hint = "" if named else " such as 'ZYX' or 'CYX'"
            raise VitrailError(
                f"{path}: does not say what its axis '{letter}' of length {length} is, wanted its "
                f"axes in image.axes of the format{hint}."
            )
        if length > 1 and letter == "T":
            raise VitrailError(f"{path}: holds {length} time points, wanted one.")
    return axes
