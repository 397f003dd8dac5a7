"""From positions in a vendor's file to micrometres on the slide.

The steps, in this order:

1. ``affine`` takes the file's (x, y) to the stated ``unit``;
2. ``origin``, the position in that unit of the image's outer corner, is subtracted (unit
   ``pixel``), or of the point that becomes (0, 0) (unit ``micrometre``);
3. ``flip_y`` mirrors y about the horizontal middle line of the whole image;
4. ``half_pixel`` adds half a pixel to both axes, for files whose whole numbers are pixel centres;
5. pixels become micrometres: times the pixel size, plus the image's origin.

All steps are affine, so they are one matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail.errors import VitrailError
from vitrail.readers.format import Placement

Float = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Frame:
    """The whole slide as its files know it, before any region is cut from it.

    Attributes
    ----------
    pixel_size
        Micrometres a pixel.
    origin
        (x, y) in micrometres of the outer corner of pixel (0, 0).
    height
        Rows of the image or label image; None where there is neither.
    """

    pixel_size: float
    origin: tuple[float, float] = (0.0, 0.0)
    height: int | None = None


def to_global(placement: Placement, frame: Frame, what: str) -> Float:
    """Matrix (2, 3) that takes positions in a file to micrometres in `global`.

    Parameters
    ----------
    placement
        The mapping that the config states.
    frame
        The slide.
    what
        Name of the file, for the message.

    Raises
    ------
    VitrailError
        If y is to be flipped and there is no image to flip it about.
    """
    matrix = np.eye(3)
    if placement.affine is not None:
        matrix[:2] = placement.affine
    matrix = _shift(-placement.origin[0], -placement.origin[1]) @ matrix
    in_pixels = placement.unit == "pixel"
    if placement.flip_y:
        matrix = _flip(frame, in_pixels, what) @ matrix
    if placement.half_pixel:
        half = 0.5 if in_pixels else 0.5 * frame.pixel_size
        matrix = _shift(half, half) @ matrix
    if in_pixels:
        scale = np.diag([frame.pixel_size, frame.pixel_size, 1.0])
        matrix = _shift(*frame.origin) @ scale @ matrix
    return matrix[:2]


def apply(matrix: Float, x: npt.NDArray[Any], y: npt.NDArray[Any]) -> tuple[Float, Float]:
    """Positions mapped by a matrix (2, 3); what the identity maps keeps its bits."""
    x64, y64 = x.astype(np.float64, copy=False), y.astype(np.float64, copy=False)
    return _row(matrix[0], x64, y64), _row(matrix[1], y64, x64, swapped=True)


def _row(row: Float, along: Float, across: Float, swapped: bool = False) -> Float:
    a, b, c = (row[1], row[0], row[2]) if swapped else row
    # A term that is not there is left out: 0 times infinity is not 0.
    result = along if a == 1.0 else a * along
    if b != 0.0:
        result = result + b * across
    return result if c == 0.0 else result + c


def _shift(x: float, y: float) -> Float:
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def _flip(frame: Frame, in_pixels: bool, what: str) -> Float:
    if frame.height is None:
        raise VitrailError(
            f"{what}: flip_y is set, but the sample has no image or labels whose middle y could "
            "be mirrored about; state an affine instead."
        )
    edges = float(frame.height)
    if not in_pixels:
        edges = 2 * frame.origin[1] + frame.height * frame.pixel_size
    return np.array([[1.0, 0.0, 0.0], [0.0, -1.0, edges], [0.0, 0.0, 1.0]])
