"""OME-Zarr images (OME-NGFF 0.4 and 0.5), level 0, read strip by strip."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail.errors import VitrailError
from vitrail.readers.ome_xml import square
from vitrail.readers.raster_file import check_axes

Array = npt.NDArray[Any]
MICROMETRES = {"nanometer": 1e-3, "micrometer": 1.0, "millimeter": 1e3, "centimeter": 1e4}


class OmeZarrFile:
    """Image of an OME-Zarr folder (contract: `raster_file.RasterFile`)."""

    def __init__(self, path: str) -> None:
        import zarr

        self.path = path
        self.pixel_size: float | None = None
        try:
            group = zarr.open_group(path, mode="r")
            attributes: dict[str, Any] = dict(group.attrs)
            attributes = attributes.get("ome", attributes)
            multiscale = attributes["multiscales"][0]
            dataset = multiscale["datasets"][0]
            array: Any = group[dataset["path"]]
        except (KeyError, IndexError, OSError, ValueError) as error:
            raise VitrailError(
                f"{path}: is not an OME-Zarr image ({type(error).__name__}: {error}), wanted a "
                "zarr group with 'multiscales'."
            ) from None
        self._array = array
        described = multiscale["axes"]
        letters = "".join(axis["name"][0].upper() for axis in described)
        self._axes = check_axes(path, letters, array.shape, named=False)
        size = dict(zip(letters, self._array.shape, strict=True))
        self.shape = (size["Y"], size["X"])
        self.dtype = np.dtype(self._array.dtype).newbyteorder("=")
        self.planes = size.get("Z", 1)
        self.groups = [1] * size.get("C", 1)
        channels = attributes.get("omero", {}).get("channels", [])
        labels = [channel.get("label") for channel in channels]
        self.names = labels if all(labels) and len(labels) == len(self.groups) else None
        self.pixel_size = _pixel_size(path, described, dataset, multiscale)

    def read(self, group: int, plane: int, y0: int, y1: int) -> Array:
        """Whole rows of one channel, as an array (1, y, x)."""
        at: dict[str, int | slice] = {"C": group, "Z": plane, "T": 0}
        at |= {"Y": slice(y0, y1), "X": slice(None)}
        try:
            rows = np.asarray(self._array[tuple(at[letter] for letter in self._axes)])
        except Exception as error:  # codecs raise errors of many kinds
            raise VitrailError(
                f"{self.path}: rows {y0} to {y1} cannot be decoded "
                f"({type(error).__name__}: {error}); is the file damaged?"
            ) from error
        if self._axes.index("X") < self._axes.index("Y"):
            rows = rows.T
        return rows[None].astype(self.dtype, copy=False)

    def release(self) -> None:
        """Nothing is kept between strips."""


def _pixel_size(
    path: str,
    axes: list[dict[str, Any]],
    dataset: dict[str, Any],
    multiscale: dict[str, Any],
) -> float | None:
    scale = np.ones(len(axes))
    for holder in (dataset, multiscale):
        for step in holder.get("coordinateTransformations", []):
            if step.get("type") == "scale" and len(step.get("scale", ())) == len(axes):
                scale = scale * np.asarray(step["scale"], dtype=np.float64)
    sides = {}
    for axis, value in zip(axes, scale.tolist(), strict=True):
        unit = MICROMETRES.get(axis.get("unit", ""))
        sides[axis["name"]] = None if unit is None else value * unit
    return square(path, sides["x"], sides["y"])
