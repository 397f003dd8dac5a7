"""The image of a slide, from one file or several, with its channels, its plane and its region."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail.errors import VitrailError
from vitrail.readers.format import ImageFormat
from vitrail.readers.picture import COLOURS
from vitrail.readers.raster_file import RasterFile, open_raster

Array = npt.NDArray[Any]
# dtype of a file's pixels -> dtype of the slide's.
DTYPES = {"uint8": "uint8", "uint16": "uint16"} | dict.fromkeys(
    ("float16", "float32", "float64"), "float32"
)
Plane = tuple[RasterFile, int, int]


@dataclass(frozen=True)
class Layer:
    """Channels that are decoded together, and where each of their planes lies.

    Attributes
    ----------
    names
        Names of the channels; None where nothing names them.
    planes
        (file, group, plane) of each plane, in the order of z.
    channels
        Number of channels.
    """

    names: list[str] | None
    planes: list[Plane]
    channels: int


class ImageSource:
    """Image of a slide, read strip by strip.

    Attributes
    ----------
    channels
        Names of the channels.
    shape
        (height, width) of the whole image in pixels.
    dtype
        dtype of what `read` gives: uint8, uint16 or float32.
    pixel_size
        Micrometres a pixel where the file says so.
    layers
        Groups of channels that are read together, in order.
    not_finite
        Number of pixels that were NaN or infinite and were read as 0.
    """

    def __init__(self, layers: list[Layer], channels: list[str], z: int | str | None) -> None:
        first = layers[0].planes[0][0]
        self.layers = layers
        self.channels = channels
        self.shape = first.shape
        self.dtype = np.dtype(DTYPES[str(first.dtype)])
        self.pixel_size = first.pixel_size
        self.not_finite = 0
        self._z = z

    def read(self, layer: int, y0: int, y1: int, x0: int, x1: int) -> Array:
        """Box of one layer's channels in the chosen plane or projection.

        Parameters
        ----------
        layer
            Index of the layer.
        y0, y1, x0, x1
            Half-open box in pixels; strips of a layer are best read from the top.

        Returns
        -------
        Array (c, y, x) of the slide's dtype.
        """
        planes = self.layers[layer].planes
        if isinstance(self._z, int):
            planes = [planes[self._z]]
        first, *others = planes
        result = self._plane(first, y0, y1)[..., x0:x1]
        if others and self._z == "mean":
            total = result.astype(np.float64)
            for plane in others:
                total += self._plane(plane, y0, y1)[..., x0:x1]
            total /= len(planes)
            return _as_dtype(total, self.dtype)
        for plane in others:
            result = np.maximum(result, self._plane(plane, y0, y1)[..., x0:x1])
        return result

    def release(self, layer: int) -> None:
        """Forget what was decoded for the strips of a layer."""
        for file, _, _ in self.layers[layer].planes:
            file.release()

    def _plane(self, plane: Plane, y0: int, y1: int) -> Array:
        file, group, index = plane
        rows = file.read(group, index, y0, y1).astype(self.dtype, copy=False)
        if rows.dtype.kind != "f":
            return rows
        finite = np.isfinite(rows)
        if finite.all():
            return rows
        self.not_finite += int(rows.size - np.count_nonzero(finite))
        return np.where(finite, rows, np.float32(0))


def open_image(
    paths: Sequence[str], form: ImageFormat, z: int | str | None, threads: int = 1
) -> ImageSource:
    """Open the image of a slide.

    Parameters
    ----------
    paths
        Its files, in the order of the sheet's cell.
    form
        What the files hold.
    z
        Index of the plane, ``max``, ``mean``, or None where there is one plane.
    threads
        Threads that decode.

    Raises
    ------
    VitrailError
        If a file cannot be read, files do not fit each other, the dtype is none of uint8, uint16
        and floating point, or the plane is not there.
    """
    return image_of([open_raster(path, form.axes, threads) for path in paths], form, z)


def image_of(files: Sequence[RasterFile], form: ImageFormat, z: int | str | None) -> ImageSource:
    """Image of a slide from files that are open (see `open_image`)."""
    first = files[0]
    _check_alike(files)
    if str(first.dtype) not in DTYPES:
        raise VitrailError(
            f"{first.path}: pixels are {first.dtype}, wanted uint8, uint16 or floating point."
        )
    layers = _arranged(files, form)
    _check_plane(first.path, min(len(layer.planes) for layer in layers), z)
    return ImageSource(layers, _channel_names(first.path, layers, form), z)


def _check_alike(files: Sequence[RasterFile]) -> None:
    first = files[0]
    for other in files[1:]:
        if (other.shape, other.dtype) != (first.shape, first.dtype):
            raise VitrailError(
                f"{other.path}: has {_size(other)} pixels of {other.dtype}, wanted "
                f"{_size(first)} of {first.dtype} as {first.path} has."
            )


def _size(file: RasterFile) -> str:
    return f"{file.shape[0]} x {file.shape[1]}"


def _check_plane(path: str, planes: int, z: int | str | None) -> None:
    if z is None and planes > 1:
        raise VitrailError(
            f"{path}: has {planes} planes, wanted the sheet's column z to name one of 0 to "
            f"{planes - 1}, or 'max' or 'mean'."
        )
    if isinstance(z, int) and z >= planes:
        raise VitrailError(f"{path}: has no plane {z}, wanted one of 0 to {planes - 1}.")


def _arranged(files: Sequence[RasterFile], form: ImageFormat) -> list[Layer]:
    if isinstance(form.files, tuple):
        return _by_description(files, form.files)
    if form.files == "planes":
        return _as_planes(files)
    counts = {file.planes for file in files}
    if len(counts) > 1:
        raise VitrailError(
            f"{files[0].path}: has {files[0].planes} planes and other files of the image have "
            f"{', '.join(str(n) for n in sorted(counts - {files[0].planes}))}, wanted the same."
        )
    return [layer for file in files for layer in _layers(file)]


def _layers(file: RasterFile) -> list[Layer]:
    # The metadata gives the samples of a colour picture one name, which names none of them.
    named = file.names if file.names and len(file.names) == sum(file.groups) else None
    layers, start = [], 0
    for group, size in enumerate(file.groups):
        names = named[start : start + size] if named else None
        planes = [(file, group, plane) for plane in range(file.planes)]
        layers.append(Layer(names, planes, size))
        start += size
    return layers


def _as_planes(files: Sequence[RasterFile]) -> list[Layer]:
    stacks = [_layers(file) for file in files]
    for file in files:
        if file.groups != files[0].groups:
            raise VitrailError(
                f"{file.path}: has {sum(file.groups)} channels, wanted {sum(files[0].groups)} as "
                f"{files[0].path} has."
            )
    return [
        Layer(layers[0].names, [p for layer in layers for p in layer.planes], layers[0].channels)
        for layers in zip(*stacks, strict=True)
    ]


def _by_description(
    files: Sequence[RasterFile], described: tuple[dict[str, Any], ...]
) -> list[Layer]:
    """Layers from one {channel, z} a file, channels in the order in which they first occur."""
    if len(described) != len(files):
        raise VitrailError(
            f"image.files describes {len(described)} files, the sheet's column image names "
            f"{len(files)}."
        )
    planes: dict[str, dict[int, Plane]] = {}
    for file, entry in zip(files, described, strict=True):
        if sum(file.groups) != 1:
            raise VitrailError(
                f"{file.path}: has {sum(file.groups)} channels, wanted one, since image.files "
                "names one channel for each file."
            )
        start = int(entry.get("z") or 0)
        for plane in range(file.planes):
            planes.setdefault(str(entry["channel"]), {})[start + plane] = (file, 0, plane)
    for name, found in planes.items():
        if sorted(found) != list(range(len(found))):
            raise VitrailError(
                f"image.files gives channel '{name}' the planes {sorted(found)}, wanted each of "
                f"0 to {len(found) - 1} once."
            )
    return [Layer([name], [found[z] for z in sorted(found)], 1) for name, found in planes.items()]


def _channel_names(path: str, layers: list[Layer], form: ImageFormat) -> list[str]:
    count = sum(layer.channels for layer in layers)
    if form.channels is not None:
        names = list(form.channels)
        if len(names) != count:
            raise VitrailError(
                f"{path}: has {count} channels, the format's image.channels names {len(names)}."
            )
    elif all(layer.names for layer in layers):
        names = [name for layer in layers for name in layer.names or ()]
    elif count == 3 and len(layers) == 1:
        names = list(COLOURS)
    else:
        names = [f"channel_{i}" for i in range(count)]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise VitrailError(
            f"{path}: the channel name '{repeated[0]}' occurs twice, wanted each once (the "
            "format's image.channels can name them)."
        )
    return names


def _as_dtype(values: Array, dtype: np.dtype[Any]) -> Array:
    return (np.floor(values + 0.5) if dtype.kind != "f" else values).astype(dtype)
