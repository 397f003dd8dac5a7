"""Label images of a Xenium run: ``cells.zarr.zip`` (masks/0 = nuclei, masks/1 = cells)."""

from __future__ import annotations

import zipfile
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail.errors import VitrailError

MASK = {"nuclei": "0", "cells": "1"}
# Relative difference of the masks' pixel from the run's that is rounding.
SAME = 1e-4
# Digits of a cell's id stand for its hexadecimal number: a = 0, p = 15.
DIGITS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")


class XeniumMask:
    """Mask of cells or nuclei (contract: `raster_file.RasterFile`).

    Parameters
    ----------
    path
        ``cells.zarr.zip``.
    kind
        ``cells`` or ``nuclei``.
    pixel_size
        Micrometres a pixel of the run.

    Raises
    ------
    VitrailError
        If the archive is damaged, has no masks, or lies otherwise than on the image's pixels.
    """

    planes = 1
    names: list[str] | None = None

    def __init__(self, path: str, kind: str, pixel_size: float) -> None:
        self.path = path
        self.pixel_size: float | None = pixel_size
        group = open_group(path)
        masks = group.get("masks")
        if masks is None or MASK[kind] not in masks:
            raise VitrailError(
                f"{path}: has no masks/{MASK[kind]}, wanted the mask of {kind} (the format's "
                "'cells: outlines' reads the outlines instead)."
            )
        _check_transform(path, masks, pixel_size)
        self._array = masks[MASK[kind]]
        self.shape = (int(self._array.shape[0]), int(self._array.shape[1]))
        self.dtype = np.dtype(self._array.dtype).newbyteorder("=")
        self.groups = [1]

    def read(self, group: int, plane: int, y0: int, y1: int) -> npt.NDArray[Any]:
        """Whole rows, as an array (1, y, x)."""
        try:
            rows = np.asarray(self._array[y0:y1])
        except Exception as error:  # codecs raise errors of many kinds
            raise VitrailError(
                f"{self.path}: rows {y0} to {y1} of its mask cannot be decoded "
                f"({type(error).__name__}: {error}); is the file damaged?"
            ) from error
        return rows[None].astype(self.dtype, copy=False)

    def release(self) -> None:
        """Nothing is kept between strips."""


def open_group(path: str) -> Any:
    """Root group of a zipped zarr."""
    import zarr
    from zarr.storage import ZipStore

    try:
        return zarr.open_group(ZipStore(path, read_only=True), mode="r")
    except (zipfile.BadZipFile, OSError, KeyError, ValueError) as error:
        raise VitrailError(
            f"{path}: is not a complete zipped zarr ({error}); is it truncated or still being "
            "copied?"
        ) from None


def _check_transform(path: str, masks: Any, pixel_size: float) -> None:
    """The masks must lie on the image's pixels: micrometres over the pixel size and no more."""
    if "homogeneous_transform" not in masks:
        return
    found = np.asarray(masks["homogeneous_transform"])[:2]
    wanted = np.zeros_like(found)
    wanted[0, 0] = wanted[1, 1] = 1 / pixel_size
    if not np.allclose(found, wanted, rtol=SAME, atol=SAME):
        raise VitrailError(
            f"{path}: masks/homogeneous_transform is {found.tolist()}, wanted a scale of "
            f"{1 / pixel_size:g} pixels a micrometre alone."
        )


def cell_names(path: str) -> list[str]:
    """The vendor's name of the cell with mask value i + 1.

    Numbers until analysis 1.2, from then on such as ``aaabinlp-1``.
    """
    group = open_group(path)
    try:
        ids = np.asarray(group["cell_id"][:])
        sets = group.get("polygon_sets")
        owner = None if sets is None else np.asarray(sets["1/cell_index"][:])
    except Exception as error:  # codecs raise errors of many kinds
        raise VitrailError(
            f"{path}: the names of its cells cannot be read ({type(error).__name__}: {error}), "
            "wanted the array cell_id, and polygon_sets/1/cell_index from analysis 2 on; is the "
            "file damaged?"
        ) from error
    if ids.ndim == 1:
        return [str(number) for number in ids.tolist()]
    names = [f"{prefix:08x}".translate(DIGITS) + f"-{suffix}" for prefix, suffix in ids.tolist()]
    return names if owner is None else [names[row] for row in owner.tolist()]
