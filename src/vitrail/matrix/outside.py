"""Transcripts outside of cells, and the cells that they lie beside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import sparse

from vitrail.assign.lookup import CellLookup
from vitrail.assign.stream import Frame
from vitrail.coordinates import pixel_index
from vitrail.matrix.counts import Accumulator

Int = npt.NDArray[np.int64]


def outside_cells(
    batch: pa.RecordBatch, frame: Frame, code: Mapping[str, int]
) -> tuple[Int, Int, Int]:
    """Row and column of the pixel, and gene, of the transcripts that lie in no cell.

    Parameters
    ----------
    batch
        Columns x, y, gene and status of the stage assign.
    frame
        Pixel size and origin.
    code
        Number of each gene; others get -1.

    Returns
    -------
    Three int64 arrays, one value a transcript of status ``background``.
    """
    status = batch.column("status")
    names = status.dictionary.to_pylist()
    wanted = names.index("background") if "background" in names else -1
    rows = np.flatnonzero(status.indices.to_numpy(zero_copy_only=False) == wanted)
    column = pixel_index(batch.column("x").to_numpy()[rows], frame.pixel_size, frame.origin[0])
    row = pixel_index(batch.column("y").to_numpy()[rows], frame.pixel_size, frame.origin[1])
    gene = batch.column("gene")
    codes = np.array([code.get(name, -1) for name in gene.dictionary.to_pylist()], dtype=np.int64)
    return row, column, codes[gene.indices.to_numpy(zero_copy_only=False)[rows]]


class GrownLabels:
    """Label image whose cells are grown by a distance, window by window.

    Each pixel of the background belongs to the nearest cell within the distance, to the lower
    label of two equally near ones; cells keep their own pixels. A window is read with a margin, so
    that it is the same however the image is divided.

    Parameters
    ----------
    labels
        Label image (y, x), zarr or numpy.
    radius
        Distance in pixels, between the centres of pixels.
    """

    def __init__(self, labels: Any, radius: float) -> None:
        self._labels, self._radius = labels, radius
        self.shape = tuple(labels.shape)
        self.chunks = getattr(labels, "shards", None) or getattr(labels, "chunks", self.shape)

    def __getitem__(self, window: tuple[slice, slice]) -> npt.NDArray[np.int32]:
        from vitrail.segmentation.filters import nearest_label

        halo = int(np.ceil(self._radius))
        start = [side.start for side in window]
        low = [max(first - halo, 0) for first in start]
        read = tuple(
            slice(first, side.stop + halo) for first, side in zip(low, window, strict=True)
        )
        labels = np.ascontiguousarray(self._labels[read], dtype=np.int32)
        grown, _ = nearest_label(labels, self._radius)
        inner = tuple(
            slice(side.start - first, side.stop - first)
            for first, side in zip(low, window, strict=True)
        )
        return grown[inner]


class OutsideCounter:
    """Counts transcripts beside cells, in no cell, while batches pass by.

    Parameters
    ----------
    cells
        Cell labels (y, x), zarr or numpy.
    frame
        Pixel size and origin.
    genes
        Names of the columns; other names are passed over.
    n_cells
        Number of rows.
    distance_um
        Largest distance from a transcript's pixel to the nearest pixel of the cell, micrometres.
    """

    def __init__(
        self, cells: Any, frame: Frame, genes: Sequence[str], n_cells: int, distance_um: float
    ) -> None:
        self._frame = frame
        self._code = {gene: i for i, gene in enumerate(genes)}
        self._nearest = CellLookup(GrownLabels(cells, distance_um / frame.pixel_size))
        self._sums = Accumulator(n_cells, len(genes))

    def watch(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same batches, looked at in passing."""
        for batch in batches:
            row, column, gene = outside_cells(batch, self._frame, self._code)
            cell, _ = self._nearest(row, column)
            counted = (cell > 0) & (gene >= 0)
            found = gene[counted].astype(np.int32)
            self._sums.add(cell[counted], found, np.zeros(len(found), dtype=bool))
            yield batch

    def result(self) -> sparse.csr_matrix:
        """CSR int32 (n_cells, genes): transcripts beside each cell."""
        self._sums.flush()
        return self._sums.total
