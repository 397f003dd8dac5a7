"""Counts of transcripts, written into a h5ad file in blocks of cells."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import h5py
import numpy as np

from vitrail.io.h5_rows import CsrWriter
from vitrail.matrix.blocks import Rows


def write_counts(
    path: str | Path,
    blocks: Iterable[Rows],
    shape: tuple[int, int],
    genes: int,
    threads: int | None = None,
) -> None:
    """Add ``X``, ``layers["nucleus"]`` and ``obsm["controls"]`` to a file without them.

    Parameters
    ----------
    path
        What `write_h5ad` wrote without X.
    blocks
        Rows of all cells in order.
    shape
        Number of cells and of columns.
    genes
        Number of columns that are genes; those after them are controls.
    threads
        Threads that compress; None for all that the process may use.
    """
    with h5py.File(path, "r+") as file:
        places = ((file, "X"), (file["layers"], "nucleus"), (file["obsm"], "controls"))
        writers = [CsrWriter(parent, name, np.int32, threads) for parent, name in places]
        for rows in blocks:
            parts = rows.total[:, :genes], rows.nucleus[:, :genes], rows.total[:, genes:]
            for writer, part in zip(writers, parts, strict=True):
                writer.append(part)
        for writer, columns in zip(writers, (genes, genes, shape[1] - genes), strict=True):
            writer.close((shape[0], columns))
