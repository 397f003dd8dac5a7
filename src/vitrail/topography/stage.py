"""Topography of one sample as the stage runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vitrail.io.cells import Cells
from vitrail.topography.measure import Topography, topography


def measure_sample(
    cells: Cells, outlines: Sequence[Any] | None, settings: Mapping[str, Any]
) -> Topography:
    """Topography of annotated cells; those that quality control flagged are not counted.

    Parameters
    ----------
    cells
        The sample's cells. Without cell types none counts as tumour.
    outlines
        Given outlines of the tumour in micrometres, or None.
    settings
        Keywords of `vitrail.topography.topography`.
    """
    types = np.full(len(cells), None, dtype=object)
    if cells.cell_type is not None:
        types = np.array([*cells.cell_type.names, None], dtype=object)[cells.cell_type.codes]
    return topography(cells.xy, types, used=cells.qc_pass, outlines=outlines, **settings)
