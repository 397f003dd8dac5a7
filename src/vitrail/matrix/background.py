"""Where a slide shows tissue between cells: the ground that ambient transcripts are counted on.

The slide is divided into square bins. A bin counts if it lies near cells (in tissue, not on bare
glass), yet surely farther from every cell than a guard: what leaks out of a cell that was outlined
too tightly would otherwise count as ambient. A byte a bin is held, whatever the slide's pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

BIN_UM = 2.0


@dataclass
class Background:
    """Bins of a slide, and which of them hold a part of a cell.

    Parameters
    ----------
    shape
        (height, width) of the slide in pixels.
    pixel_size
        Micrometres.
    bin_um
        Edge of a bin in micrometres, rounded to whole pixels.
    """

    shape: tuple[int, int]
    pixel_size: float
    bin_um: float = BIN_UM
    edge: int = field(init=False)
    occupied: npt.NDArray[np.uint8] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.edge = max(1, round(self.bin_um / self.pixel_size))
        bins = (-(-self.shape[0] // self.edge), -(-self.shape[1] // self.edge))
        self.occupied = np.zeros(bins, dtype=np.uint8)

    def watch(self, labels: npt.NDArray[Any], y0: int, x0: int) -> None:
        """Mark the bins of a block of cell labels (y, x) that begins at pixel (y0, x0)."""
        _mark(labels, y0, x0, self.edge, self.occupied)

    def chosen(self, guard_um: float, reach_um: float) -> npt.NDArray[np.bool_]:
        """Bins whose pixels all lie farther than `guard_um` from cells, at most `reach_um` away.

        Parameters
        ----------
        guard_um
            Distance in micrometres between any pixel of a bin and any pixel of a cell that is
            surely exceeded.
        reach_um
            Largest distance in micrometres from a bin's centre to that of a bin with a cell.
        """
        from vitrail.segmentation.filters import nearest_label

        size = self.edge * self.pixel_size
        chosen = np.zeros_like(self.occupied, dtype=bool)
        # Two points of bins whose centres are d bins apart are at least d - sqrt(2) bins apart.
        guard, reach = guard_um / size + np.sqrt(2.0), reach_um / size
        halo, block = int(np.ceil(reach)), 1024
        for y in range(0, len(chosen), block):
            for x in range(0, chosen.shape[-1], block):
                top, left = max(y - halo, 0), max(x - halo, 0)
                window = self.occupied[top : y + block + halo, left : x + block + halo]
                near, square = nearest_label(window.astype(np.int32), reach)
                found = (near > 0) & (window == 0) & (square > guard * guard)
                chosen[y : y + block, x : x + block] = found[
                    y - top : y - top + block, x - left : x - left + block
                ]
        return chosen

    def area(self, chosen: npt.NDArray[np.bool_]) -> int:
        """Pixels of the chosen bins; those at the slide's end are smaller."""
        heights = np.diff(np.minimum(np.arange(chosen.shape[0] + 1) * self.edge, self.shape[0]))
        widths = np.diff(np.minimum(np.arange(chosen.shape[1] + 1) * self.edge, self.shape[1]))
        return int(heights @ chosen.astype(np.int64) @ widths)


@numba.njit(cache=True, nogil=True)
def _mark(labels, top, left, edge, occupied):  # type: ignore[no-untyped-def]
    for i in range(labels.shape[0]):
        row = (top + i) // edge
        for j in range(labels.shape[1]):
            if labels[i, j] > 0:
                occupied[row, (left + j) // edge] = 1
