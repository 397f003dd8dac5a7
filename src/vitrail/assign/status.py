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

import numpy as np
import numpy.typing as npt

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


def precedence(n: int, reasons: Mapping[int, Bools], otherwise: int = CELL) -> Codes:
    """Status codes: of each row's reasons, the first in the mapping's order.

    Parameters
    ----------
    n
        Number of rows.
    reasons
        Status code to bool array of shape (n,), strongest first.
    otherwise
        Code of rows without a reason.
    """
    status = np.full(n, otherwise, dtype=np.int8)
    for code, holds in reversed(list(reasons.items())):
        status[holds] = code
    return status


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
