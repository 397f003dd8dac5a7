"""Why a transcript counts for a cell, or why it does not.

The first reason that holds is a transcript's status:

1. ``position``: x or y is not a finite number.
2. ``outside``: it lies outside the label image.
3. ``quality``: its quality is below the threshold, or not a number.
4. ``plane``: its z is not among the chosen planes.
5. ``background``: its pixel belongs to no cell.
6. ``ambiguous``: it lies in several cells that overlap. A label image has one cell a pixel, so
   none is ambiguous where cells come as labels.
7. ``control``: its gene is a control probe; it keeps its cell.
8. ``cell``: it counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from vitrail.assign.lookup import NOT_FINITE, NOT_INSIDE, SEVERAL
from vitrail.errors import VitrailError

STATUS = (
    "cell",
    "control",
    "position",
    "outside",
    "quality",
    "plane",
    "background",
    "ambiguous",
)
REASONS = STATUS[2:]
CELL, CONTROL, POSITION, OUTSIDE, QUALITY, PLANE, BACKGROUND, AMBIGUOUS = range(len(STATUS))

COMPARTMENT = ("nucleus", "cytoplasm", "none")
NUCLEUS, CYTOPLASM, NO_COMPARTMENT = range(len(COMPARTMENT))

Codes = npt.NDArray[np.int8]
Bools = npt.NDArray[np.bool_]
Int = npt.NDArray[np.int32]


def settle(
    packed: Int, is_control: Bools, low_quality: Bools, off_plane: Bools
) -> tuple[Codes, Int, Codes]:
    """Status, cell and compartment of transcripts.

    Parameters
    ----------
    packed
        int32 array of shape (n,), what a look-up gave, see `vitrail.assign.lookup`.
    is_control, low_quality, off_plane
        bool arrays of shape (n,): the gene is a control, the quality or the plane keeps it out.

    Returns
    -------
    status int8, cell int32 (0 = none) and compartment int8, each of shape (n,).
    """
    found: tuple[Codes, Int, Codes] = _settle(packed, is_control, low_quality, off_plane)
    return found


@numba.njit(cache=True, nogil=True)
def _settle(packed, is_control, low_quality, off_plane):  # type: ignore[no-untyped-def]
    n = packed.size
    status, cell, compartment = np.empty(n, np.int8), np.zeros(n, np.int32), np.empty(n, np.int8)
    for i in range(n):
        if packed[i] == NOT_FINITE:
            status[i] = POSITION
        elif packed[i] == NOT_INSIDE:
            status[i] = OUTSIDE
        elif low_quality[i]:
            status[i] = QUALITY
        elif off_plane[i]:
            status[i] = PLANE
        elif packed[i] == SEVERAL:
            status[i] = AMBIGUOUS
        elif packed[i] <= 1:
            status[i] = BACKGROUND
        else:
            status[i] = CONTROL if is_control[i] else CELL
            cell[i] = packed[i] >> 1
        in_nucleus = cell[i] > 0 and packed[i] & 1
        compartment[i] = NO_COMPARTMENT if cell[i] == 0 else NUCLEUS if in_nucleus else CYTOPLASM
    return status, cell, compartment


def below_quality(quality: npt.NDArray[Any] | None, minimum: float | None, n: int) -> Bools:
    """Rows whose quality is below `minimum`; none where there is no column or no minimum."""
    if quality is None or minimum is None:
        return np.zeros(n, dtype=bool)
    return ~(quality >= minimum)


def outside_planes(
    z: npt.NDArray[Any] | None, planes: str | Sequence[float] | Mapping[str, float], n: int
) -> Bools:
    """Rows whose z is not chosen.

    Parameters
    ----------
    z
        Positions along the optical axis in the file's own unit, or None.
    planes
        ``"all"``, a list of values of z, or a mapping of ``min`` and ``max`` (both included).

    Raises
    ------
    VitrailError
        If planes are chosen but the transcripts have no z.
    """
    if planes == "all":
        return np.zeros(n, dtype=bool)
    if z is None:
        raise VitrailError(
            f"config, assign: planes is {planes!r}, but the transcripts have no column z; "
            "wanted 'all', or a column z in the sample's mapping."
        )
    if isinstance(planes, Mapping):
        low, high = planes.get("min", -np.inf), planes.get("max", np.inf)
        return ~((z >= low) & (z <= high))
    # z is stored as float32: values from the config are rounded the same way.
    return ~np.isin(z, np.asarray(planes, dtype=z.dtype))
