"""What a matrix holds beside the counts: layers by compartment, and ambient transcripts."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import sparse

from vitrail.assign.stream import Frame
from vitrail.io.h5ad import CellMatrix
from vitrail.matrix.ambient import AmbientRules, Watcher, expected_layer, gene_columns
from vitrail.matrix.background import Background
from vitrail.matrix.outside import OutsideCounter

LOG = logging.getLogger("vitrail.matrix")
COLUMNS = ("gene", "cell", "compartment", "status")


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
    """Collects what the layers need while the transcripts are counted.

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
        Columns of the matrix.
    n_cells
        Rows of the matrix.
    """

    def __init__(
        self,
        wanted: Layers,
        background: Background,
        cells: Any,
        frame: Frame,
        genes: Sequence[str],
        n_cells: int,
    ) -> None:
        self._wanted = wanted
        self._ambient = self._outside = None
        if wanted.ambient is not None:
            self._ambient = Watcher(background, frame, genes, wanted.ambient)
        if "outside" in wanted.layers:
            self._outside = OutsideCounter(cells, frame, genes, n_cells, wanted.outside_um)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the transcripts that are needed, those for the counts included."""
        needs_places = self._ambient is not None or self._outside is not None
        return (*COLUMNS, "x", "y") if needs_places else COLUMNS

    def watch(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same batches, looked at in passing."""
        for watcher in (self._ambient, self._outside):
            if watcher is not None:
                batches = watcher.watch(batches)
        yield from batches

    def add_to(self, matrix: CellMatrix) -> None:
        """Add layers, columns and the record of ambient transcripts to a matrix of counts."""
        nucleus = matrix.layers.pop("nucleus")
        if "nucleus" in self._wanted.layers:
            matrix.layers["nucleus"] = nucleus
        if "cytoplasm" in self._wanted.layers:
            matrix.layers["cytoplasm"] = cytoplasm(matrix.X, nucleus)
        if self._outside is not None:
            matrix.layers["outside"] = self._outside.result()
        if self._ambient is not None:
            self._add_ambient(matrix, self._ambient)

    def _add_ambient(self, matrix: CellMatrix, watcher: Watcher) -> None:
        rules, found = self._wanted.ambient, watcher.result()
        assert rules is not None  # there is no watcher without rules
        area = np.asarray(matrix.obs["area_um2"], dtype=np.float64)
        in_cells = np.asarray(matrix.X.sum(axis=0, dtype=np.int64)).ravel()
        matrix.var |= gene_columns(found, in_cells, float(area.sum()))
        matrix.obs["ambient_counts"] = area * found.density.sum()
        if rules.layer and found.area:
            matrix.layers["ambient"] = expected_layer(matrix.X, area, found.density)
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


def cytoplasm(X: sparse.csr_matrix, nucleus: sparse.csr_matrix) -> sparse.csr_matrix:
    """Counts outside of the nucleus, without stored zeros."""
    rest = sparse.csr_matrix(X - nucleus)
    rest.eliminate_zeros()
    rest.sort_indices()
    return rest
