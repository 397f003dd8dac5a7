"""Ambient transcripts: how many of a cell's counts its surroundings would give it anyway.

Transcripts that lie in tissue but far from every cell have diffused there. As many of them a
square micrometre are expected inside of cells, on top of the cell's own: the expected
contamination of a cell by a gene is its area times the gene's density there (the idea of the
ambient profile of droplets, Young & Behjati 2020, GigaScience 9, giaa151, with the slide's own
empty ground in place of empty droplets).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from scipy import sparse

from vitrail.assign.lookup import Frame
from vitrail.coordinates import pixel_index
from vitrail.matrix.background import Background
from vitrail.matrix.outside import Outside

Float = npt.NDArray[np.float64]


@dataclass(frozen=True)
class AmbientRules:
    """What counts as ambient ground; the config's section ``matrix.ambient``.

    Attributes
    ----------
    guard_um
        Ambient ground lies farther than this from every cell, in micrometres.
    reach_um
        And at most this far from the nearest one.
    layer
        Whether the expected contamination of each count is stored.
    """

    guard_um: float = 3.0
    reach_um: float = 30.0
    layer: bool = True


@dataclass(frozen=True)
class Ambient:
    """Ambient transcripts of a slide.

    Attributes
    ----------
    area
        Square micrometres of ambient ground.
    counts
        int64 array of shape (genes,): transcripts on it.
    """

    area: float
    counts: npt.NDArray[np.int64]

    @property
    def density(self) -> Float:
        """Transcripts a square micrometre of each gene; not a number without any ground."""
        if self.area == 0:
            return np.full(len(self.counts), np.nan)
        return self.counts / self.area


class AmbientCounter:
    """Counts transcripts on ambient ground; threads may share one.

    Parameters
    ----------
    background
        The slide's bins, all its labels seen.
    frame
        Pixel size and origin.
    genes
        Number of genes in the panel.
    rules
        What counts as ambient ground.
    """

    def __init__(
        self, background: Background, frame: Frame, genes: int, rules: AmbientRules
    ) -> None:
        self._frame = frame
        self._edge = background.edge
        self._ground = background.chosen(rules.guard_um, rules.reach_um)
        self._area = background.area(self._ground) * frame.pixel_size**2
        self._counts = np.zeros(genes, dtype=np.int64)
        self._lock = threading.Lock()

    def add(self, outside: Outside) -> None:
        """Count those of the transcripts that lie on ambient ground."""
        s, (x0, y0) = self._frame.pixel_size, self._frame.origin
        row = pixel_index(outside.y, s, y0) // self._edge
        column = pixel_index(outside.x, s, x0) // self._edge
        counted = self._ground[row, column] & (outside.gene >= 0)
        counts = np.bincount(outside.gene[counted], minlength=len(self._counts))
        with self._lock:
            self._counts += counts

    def result(self) -> Ambient:
        """What was counted so far."""
        return Ambient(self._area, self._counts.copy())


def expected_layer(X: sparse.csr_matrix, area: Float, density: Float) -> sparse.csr_matrix:
    """Expected contamination of each stored count: the cell's area times the gene's density.

    Where a count is 0 the expectation is not, but nothing could be taken away there: the layer has
    X's places, so that it is as sparse as X, and all else follows from ``obs["area_um2"]`` and
    ``var["ambient_density"]``.

    Parameters
    ----------
    X
        CSR counts of shape (n, m).
    area
        float64 array of shape (n,): square micrometres.
    density
        float64 array of shape (m,): transcripts a square micrometre.

    Returns
    -------
    CSR float32 of shape (n, m), which shares its index arrays with X.
    """
    data = np.empty(len(X.data), dtype=np.float32)
    _expected(X.indptr, X.indices, area, density, data)
    return sparse.csr_matrix((data, X.indices, X.indptr), shape=X.shape)


@numba.njit(cache=True, nogil=True)
def _expected(indptr, indices, area, density, out):  # type: ignore[no-untyped-def]
    for i in range(indptr.size - 1):
        for k in range(indptr[i], indptr[i + 1]):
            out[k] = area[i] * density[indices[k]]


def gene_columns(ambient: Ambient, in_cells: Float, cell_area: float) -> dict[str, Any]:
    """Columns of ``var``, one value a gene.

    Parameters
    ----------
    ambient
        Of the slide.
    in_cells
        Transcripts of each gene in cells, shape (genes,).
    cell_area
        Area of all cells in square micrometres.

    Returns
    -------
    `ambient_counts` int64 (transcripts on ambient ground), `ambient_density` float64 (of these a
    square micrometre), `ambient_share` float64 (expected contamination over the transcripts in
    cells: 1 or more where cells hold no more of a gene than the ground between them; not a number
    for a gene that no cell has).
    """
    expected = ambient.density * cell_area
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(in_cells > 0, expected / in_cells, np.nan)
    return {
        "ambient_counts": ambient.counts,
        "ambient_density": ambient.density,
        "ambient_share": share,
    }
