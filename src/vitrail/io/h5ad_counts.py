"""Counts of transcripts, written into a h5ad file in blocks of cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import h5py
import numpy as np
from scipy import sparse

from vitrail.io.h5_rows import CsrWriter
from vitrail.matrix.blocks import Rows


class Layer(NamedTuple):
    """A matrix of genes beside X, made from each block of counts.

    Attributes
    ----------
    dtype
        Type of its values.
    rows
        Its CSR rows, from the block and the number of its first columns that are genes. Called
        once a block, in order.
    """

    dtype: Any
    rows: Callable[[Rows, int], sparse.csr_matrix]


NUCLEUS = Layer(np.int32, lambda rows, genes: rows.nucleus[:, :genes])


def write_counts(
    path: str | Path,
    blocks: Iterable[Rows],
    shape: tuple[int, int],
    genes: int,
    threads: int | None = None,
    layers: Mapping[str, Layer] = MappingProxyType({"nucleus": NUCLEUS}),
) -> None:
    """Add ``X``, ``layers`` and ``obsm["controls"]`` to a file without them.

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
    layers
        By name.
    """
    with h5py.File(path, "r+") as file:
        counts = CsrWriter(file, "X", np.int32, threads)
        controls = CsrWriter(file["obsm"], "controls", np.int32, threads)
        beside = {
            name: CsrWriter(file["layers"], name, layer.dtype, threads)
            for name, layer in layers.items()
        }
        for rows in blocks:
            counts.append(rows.total[:, :genes])
            controls.append(rows.total[:, genes:])
            for name, layer in layers.items():
                beside[name].append(layer.rows(rows, genes))
        for writer in (counts, *beside.values()):
            writer.close((shape[0], genes))
        controls.close((shape[0], shape[1] - genes))
