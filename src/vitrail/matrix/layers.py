"""What a matrix holds beside the counts: layers by compartment, and ambient transcripts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import sparse

from vitrail.assign.lookup import Frame
from vitrail.io.h5ad import CellMatrix
from vitrail.io.h5ad_counts import NUCLEUS, Layer
from vitrail.matrix.ambient import AmbientCounter, AmbientRules, expected_layer, gene_columns
from vitrail.matrix.background import Background
from vitrail.matrix.blocks import Rows
from vitrail.matrix.outside import OutsideCounter, outside_cells

LOG = logging.getLogger("vitrail.matrix")
COLUMNS = ("gene", "cell", "compartment")
Float = npt.NDArray[np.float64]
# A piece of the transcripts, read when it is called.
Unit = Callable[[], pa.Table]


@dataclass(frozen=True)
class Layers:
    """What is wanted; the config's section ``matrix``.

    Attributes
    ----------
    layers
        Any of ``nucleus``, ``cytoplasm`` (X less nucleus) and ``outside``.
    outside_um
        How far from a cell, in micrometres, transcripts in no cell count for its layer ``outside``.
    ambient
        How ambient transcripts are counted; None: not at all.
    """

    layers: Sequence[str] = ("nucleus", "cytoplasm")
    outside_um: float = 2.0
    ambient: AmbientRules | None = field(default_factory=AmbientRules)

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Layers:
        """From the config's section; keys that it lacks have their defaults."""
        given = dict(settings)
        if given.get("ambient") is not None:
            given["ambient"] = AmbientRules(**given["ambient"])
        return cls(**given)


class Extras:
    """Collects what stands beside the counts while transcripts are counted, and writes it.

    Parameters
    ----------
    wanted
        Which layers.
    background
        The slide's bins, all its labels seen.
    cells
        Cell labels (y, x).
    frame
        Pixel size and origin.
    genes
        Names of the genes, the first columns.
    shape
        Number of cells and of columns, controls included.
    spill
        Folder for files where memory is short, made when it is needed.
    """

    def __init__(
        self,
        wanted: Layers,
        background: Background,
        cells: Any,
        frame: Frame,
        genes: Sequence[str],
        shape: tuple[int, int],
        spill: Path | None = None,
    ) -> None:
        self._wanted = wanted
        self._genes = list(genes)
        self._ambient: AmbientCounter | None = None
        self._outside: OutsideCounter | None = None
        if wanted.ambient is not None:
            self._ambient = AmbientCounter(background, frame, len(genes), wanted.ambient)
        if "outside" in wanted.layers:
            self._outside = OutsideCounter(cells, frame, shape, wanted.outside_um, spill)

    @property
    def columns(self) -> list[str]:
        """Columns of the transcripts that are needed, those for the counts included."""
        needs_places = self._ambient is not None or self._outside is not None
        return [*COLUMNS, "x", "y", "status"] if needs_places else [*COLUMNS]

    def watch(self, units: Iterable[Unit]) -> Iterator[Unit]:
        """The same pieces of the transcripts; each is looked at when it is called."""
        yield from (partial(self._look, unit) for unit in units)

    def _look(self, unit: Unit) -> pa.Table:
        table = unit()
        counters = [each for each in (self._ambient, self._outside) if each is not None]
        if counters:
            outside = outside_cells(table, self._genes)
            for counter in counters:
                counter.add(outside)
        return table

    def describe(self, matrix: CellMatrix, account: Mapping[str, Any]) -> None:
        """Add what is known of ambient transcripts to ``obs``, ``var`` and ``uns``.

        Parameters
        ----------
        matrix
            Has obs ``area_um2``.
        account
            Of the stage assign.
        """
        rules = self._wanted.ambient
        if self._ambient is None or rules is None:
            return
        found = self._ambient.result()
        area = np.asarray(matrix.obs["area_um2"], dtype=np.float64)
        in_cells = [account["by_gene"][gene].get("cell", 0) for gene in self._genes]
        matrix.var |= gene_columns(found, np.array(in_cells, dtype=np.float64), float(area.sum()))
        matrix.obs["ambient_counts"] = area * found.density.sum()
        matrix.uns["ambient"] = {
            "area_um2": found.area,
            "transcripts": int(found.counts.sum()),
            "guard_um": rules.guard_um,
            "reach_um": rules.reach_um,
        }
        if not found.area:
            LOG.warning(
                "ambient: no ground is farther than %s micrometres from all cells and within %s "
                "of one, so that ambient transcripts are not known",
                rules.guard_um,
                rules.reach_um,
            )

    def layers(self, area: Float, threads: int | None = None) -> dict[str, Layer]:
        """Layers to be written with the counts, block by block.

        Parameters
        ----------
        area
            float64 array of shape (n,): square micrometres of each cell.
        threads
            Threads that count.
        """
        made = {"nucleus": NUCLEUS, "cytoplasm": Layer(np.int32, cytoplasm)}
        if self._outside is not None:
            made["outside"] = Layer(np.int32, _Following(self._outside.blocks(threads)))
        found = {name: made[name] for name in self._wanted.layers}
        rules = self._wanted.ambient
        if self._ambient is not None and rules is not None and rules.layer:
            ambient = self._ambient.result()
            if ambient.area:
                found["ambient"] = Layer(np.float32, _Expected(area, ambient.density))
        return found


class _Following:
    """Rows of another matrix with the same blocks, in step."""

    def __init__(self, blocks: Iterator[Rows]) -> None:
        self._blocks = blocks

    def __call__(self, rows: Rows, genes: int) -> sparse.csr_matrix:
        other = next(self._blocks)
        assert (other.first, other.total.shape) == (rows.first, rows.total.shape)
        return other.total[:, :genes]


class _Expected:
    """Expected contamination of a block of cells."""

    def __init__(self, area: Float, density: Float) -> None:
        self._area, self._density = area, density

    def __call__(self, rows: Rows, genes: int) -> sparse.csr_matrix:
        counts = rows.total[:, :genes]
        area = self._area[rows.first : rows.first + counts.shape[0]]
        return expected_layer(counts, area, self._density)


def cytoplasm(rows: Rows, genes: int) -> sparse.csr_matrix:
    """Counts outside of the nucleus, without stored zeros."""
    rest = sparse.csr_matrix(rows.total[:, :genes] - rows.nucleus[:, :genes])
    rest.eliminate_zeros()
    rest.sort_indices()
    return rest
