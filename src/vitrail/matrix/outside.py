"""Transcripts outside of cells, and the cells that they lie beside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vitrail.assign.lookup import CellLookup, Frame, unpack
from vitrail.matrix.blocks import RowBlocks, Rows

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int32]


class Outside(NamedTuple):
    """Transcripts in no cell, each of shape (n,).

    Attributes
    ----------
    x, y
        float64 micrometres.
    gene
        int32, place of the gene in the panel, -1 for other names.
    """

    x: Float
    y: Float
    gene: Int


def outside_cells(table: pa.Table, genes: Sequence[str]) -> Outside:
    """Transcripts of status ``background``.

    Parameters
    ----------
    table
        Columns x, y, gene and status of the stage assign.
    genes
        The panel.
    """
    code = {gene: i for i, gene in enumerate(genes)}
    parts = [_outside(batch, code) for batch in table.combine_chunks().to_batches()]
    empty = Outside(np.empty(0), np.empty(0), np.empty(0, np.int32))
    return Outside(*(np.concatenate(column) for column in zip(empty, *parts, strict=True)))


def _outside(batch: pa.RecordBatch, code: dict[str, int]) -> Outside:
    status, gene = batch.column("status"), batch.column("gene")
    names = status.dictionary.to_pylist()
    wanted = names.index("background") if "background" in names else -1
    rows = np.flatnonzero(status.indices.to_numpy(zero_copy_only=False) == wanted)
    codes = np.array([code.get(name, -1) for name in gene.dictionary.to_pylist()], dtype=np.int32)
    x, y = (batch.column(axis).to_numpy()[rows] for axis in "xy")
    return Outside(x, y, codes[gene.indices.to_numpy(zero_copy_only=False)[rows]])


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
        low = [max(side.start - halo, 0) for side in window]
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
    """Counts transcripts that lie beside cells, in none; threads may share one.

    Parameters
    ----------
    cells
        Cell labels (y, x), zarr or numpy.
    frame
        Pixel size and origin.
    shape
        Number of cells and of columns of the matrix that it goes beside.
    distance_um
        Largest distance from a transcript's pixel to the nearest pixel of the cell, micrometres.
    spill
        Folder for files where memory is short, see `RowBlocks`.
    """

    def __init__(
        self,
        cells: Any,
        frame: Frame,
        shape: tuple[int, int],
        distance_um: float,
        spill: Path | None = None,
    ) -> None:
        self._frame = frame
        self._nearest = CellLookup(GrownLabels(cells, distance_um / frame.pixel_size))
        # As many columns as that matrix, so that the two have the same blocks of cells.
        self._sums = RowBlocks(*shape, spill)

    def add(self, outside: Outside) -> None:
        """Count transcripts for the cells that they lie beside."""
        cell, _ = unpack(self._nearest(outside.x, outside.y, self._frame))
        known = outside.gene >= 0
        none = np.zeros(int(known.sum()), dtype=bool)
        self._sums.add(cell[known], outside.gene[known], none)

    def blocks(self, threads: int | None = None) -> Iterator[Rows]:
        """Counts of all cells in order, once."""
        return self._sums.blocks(threads)
