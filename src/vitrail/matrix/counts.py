"""Sparse counts of genes in cells, added up from transcripts batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import sparse

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int32]

# Transcripts that wait before they are added to the matrix; more where the matrix is larger, so
# that adding up stays linear in all.
WAITING_ROWS = 1 << 22


@dataclass(frozen=True)
class Counts:
    """Counts of n cells.

    Attributes
    ----------
    X
        CSR int32 (n, genes): transcripts of each gene in each cell.
    nucleus
        CSR int32 (n, genes): those in the cell's nucleus.
    controls
        CSR int32 (n, controls).
    """

    X: sparse.csr_matrix
    nucleus: sparse.csr_matrix
    controls: sparse.csr_matrix


class Accumulator:
    """Adds up counts; holds the matrix and a bounded number of waiting transcripts.

    Parameters
    ----------
    n_cells, n_columns
        Shape of the matrix. n_columns must be below 2**30.
    """

    def __init__(self, n_cells: int, n_columns: int) -> None:
        self.shape = (n_cells, n_columns)
        self.total = sparse.csr_matrix(self.shape, dtype=np.int32)
        self.nucleus = sparse.csr_matrix(self.shape, dtype=np.int32)
        self._waiting: list[tuple[Ints, Ints]] = []
        self._rows = 0

    def add(self, cell: Ints, column: Ints, in_nucleus: Bools) -> None:
        """Count transcripts: labels from 1, columns and compartments, each of shape (n,)."""
        if len(cell) and not (cell.min() >= 1 and cell.max() <= self.shape[0]):
            raise ValueError(f"cells must be between 1 and {self.shape[0]}")
        self._waiting.append((cell, (column << 1) | in_nucleus))
        self._rows += len(cell)
        if self._rows >= max(WAITING_ROWS, self.total.nnz):
            self.flush()

    def flush(self) -> None:
        """Add the waiting transcripts to the matrices."""
        if not self._rows:
            return
        cell = np.concatenate([cell for cell, _ in self._waiting])
        key = np.concatenate([key for _, key in self._waiting])
        self._waiting, self._rows = [], 0
        indptr, indices, total, nucleus = _to_csr(cell, key, self.shape[0])
        self.total = self.total + sparse.csr_matrix((total, indices, indptr), self.shape)
        self.nucleus = self.nucleus + sparse.csr_matrix((nucleus, indices, indptr), self.shape)
        self.nucleus.eliminate_zeros()


@numba.njit(cache=True, nogil=True)
def _to_csr(cell, key, n_cells):  # type: ignore[no-untyped-def]
    """Counting sort by cell, then runs of equal columns; key = 2 * column + in nucleus."""
    start = np.zeros(n_cells + 1, np.int64)
    for i in range(cell.size):
        start[cell[i]] += 1
    for c in range(n_cells):
        start[c + 1] += start[c]
    position = start[:-1].copy()
    by_cell = np.empty(cell.size, np.int32)
    for i in range(cell.size):
        c = cell[i] - 1
        by_cell[position[c]] = key[i]
        position[c] += 1
    indptr = np.zeros(n_cells + 1, np.int64)
    indices = np.empty(cell.size, np.int32)
    total = np.empty(cell.size, np.int32)
    nucleus = np.empty(cell.size, np.int32)
    n = 0
    for c in range(n_cells):
        keys = by_cell[start[c] : start[c + 1]]
        keys.sort()
        previous = -1
        for k in keys:
            if k >> 1 != previous:
                previous = k >> 1
                indices[n], total[n], nucleus[n] = previous, 0, 0
                n += 1
            total[n - 1] += 1
            nucleus[n - 1] += k & 1
        indptr[c + 1] = n
    return indptr, indices[:n].copy(), total[:n].copy(), nucleus[:n].copy()


def panel(genes: Sequence[str], controls: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names of the genes and of the controls, each sorted."""
    return sorted(set(genes) - set(controls)), sorted(controls)


def count(
    batches: Iterable[pa.RecordBatch], genes: Sequence[str], controls: Sequence[str], n_cells: int
) -> Counts:
    """Count assigned transcripts.

    Parameters
    ----------
    batches
        Columns gene, cell, compartment and status of the stage assign.
    genes, controls
        Names of the columns of the two matrices.
    n_cells
        Number of rows.
    """
    code = {name: i for i, name in enumerate([*genes, *controls])}
    sums = Accumulator(n_cells, len(code))
    for batch in batches:
        counted = _is(batch.column("status"), "cell") | _is(batch.column("status"), "control")
        cell = batch.column("cell").to_numpy()[counted]
        in_nucleus = _is(batch.column("compartment"), "nucleus")[counted]
        sums.add(cell, _codes(batch.column("gene"), code)[counted], in_nucleus)
    sums.flush()
    m = len(genes)
    return Counts(
        X=_with_int32_indices(sums.total[:, :m]),
        nucleus=_with_int32_indices(sums.nucleus[:, :m]),
        controls=_with_int32_indices(sums.total[:, m:]),
    )


def _is(column: pa.Array, name: str) -> Bools:
    """Where a dictionary column holds `name`."""
    names = column.dictionary.to_pylist()
    if name not in names:
        return np.zeros(len(column), dtype=bool)
    return column.indices.to_numpy(zero_copy_only=False) == names.index(name)


def _codes(column: pa.Array, code: Mapping[str, int]) -> Ints:
    codes = np.array([code[name] for name in column.dictionary.to_pylist()], dtype=np.int32)
    return codes[column.indices.to_numpy(zero_copy_only=False)]


def _with_int32_indices(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """The matrix with the narrowest index type, so that its bits do not depend on its history."""
    dtype = np.int32 if matrix.nnz < 2**31 else np.int64
    parts = (matrix.data.astype(np.int32), matrix.indices.astype(dtype))
    return sparse.csr_matrix((*parts, matrix.indptr.astype(dtype)), shape=matrix.shape)


def check(counts: Counts, genes: Sequence[str], account: Mapping[str, Any]) -> None:
    """Assert that the matrices hold what the account of the stage assign says.

    Raises
    ------
    AssertionError
        If a sum differs, in all or for a gene.
    """
    expected = {
        "genes_in_cells": counts.X,
        "genes_in_nuclei": counts.nucleus,
        "controls_in_cells": counts.controls,
    }
    for name, matrix in expected.items():
        found = int(matrix.sum(dtype=np.int64))
        if found != account[name]:
            raise AssertionError(
                f"transcripts are not conserved: the matrix holds {found}, "
                f"{name} in the account is {account[name]}"
            )
    sums = np.asarray(counts.X.sum(axis=0, dtype=np.int64)).ravel()
    for gene, found in zip(genes, sums.tolist(), strict=True):
        if found != account["by_gene"][gene].get("cell", 0):
            raise AssertionError(f"transcripts of {gene} are not conserved: {found} in the matrix")
