"""Sparse counts of genes in cells, added up from assigned transcripts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import sparse

from vitrail.matrix.blocks import RowBlocks, Rows
from vitrail.parallel import in_order

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int32]


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


def panel(genes: Sequence[str], controls: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names of the genes and of the controls, each sorted."""
    return sorted(set(genes) - set(controls)), sorted(controls)


def collect(
    units: Iterable[Callable[[], pa.Table]],
    genes: Sequence[str],
    controls: Sequence[str],
    n_cells: int,
    spill: str | Path | None = None,
    threads: int | None = None,
) -> RowBlocks:
    """Add up assigned transcripts, in threads.

    Parameters
    ----------
    units
        Each gives a table with the columns gene, cell and compartment of the stage assign when
        called; cell 0 does not count.
    genes, controls
        Names of the columns, genes first.
    n_cells
        Number of rows.
    spill
        Folder for files where memory is short, see `RowBlocks`.
    threads
        Their number; None for all that the process may use.
    """
    code = {name: i for i, name in enumerate([*genes, *controls])}
    sums = RowBlocks(n_cells, len(code), spill)

    def add(unit: Callable[[], pa.Table]) -> None:
        for batch in unit().combine_chunks().to_batches():
            cell = batch.column("cell").to_numpy()
            sums.add(cell, _codes(batch.column("gene"), code), _in_nucleus(batch))

    for _ in in_order(add, units, threads):
        pass
    return sums


def count(
    units: Iterable[Callable[[], pa.Table]],
    genes: Sequence[str],
    controls: Sequence[str],
    n_cells: int,
    threads: int | None = None,
) -> Counts:
    """Count assigned transcripts, all cells at once; parameters as of `collect`."""
    total, nucleus = collect(units, genes, controls, n_cells, threads=threads).matrices(threads)
    m = len(genes)
    return Counts(total[:, :m], nucleus[:, :m], total[:, m:])


def _in_nucleus(batch: pa.RecordBatch) -> Bools:
    column = batch.column("compartment")
    names = column.dictionary.to_pylist()
    place = names.index("nucleus") if "nucleus" in names else -1
    return column.indices.to_numpy(zero_copy_only=False) == place


def _codes(column: pa.Array, code: Mapping[str, int]) -> Ints:
    codes = np.array([code[name] for name in column.dictionary.to_pylist()], dtype=np.int32)
    return codes[column.indices.to_numpy(zero_copy_only=False)]


class Sums:
    """What the account of the stage assign knows, added up block by block."""

    def __init__(self, columns: int) -> None:
        self.total = np.zeros(columns, np.int64)
        self.nucleus = np.zeros(columns, np.int64)

    def watch(self, blocks: Iterable[Rows]) -> Iterator[Rows]:
        """Pass blocks of cells on and add up their counts."""
        for rows in blocks:
            for sums, matrix in ((self.total, rows.total), (self.nucleus, rows.nucleus)):
                sums += np.asarray(matrix.sum(axis=0, dtype=np.int64)).ravel()
            yield rows

    def check(self, genes: Sequence[str], account: Mapping[str, Any]) -> None:
        """Assert that the matrices hold what the account of the stage assign says.

        Parameters
        ----------
        genes
            Names of the first columns; the others are controls.
        account
            As `vitrail.assign.account.Account.as_dict` gives it.

        Raises
        ------
        AssertionError
            If a sum differs, in all or for a gene.
        """
        m = len(genes)
        expected = {
            "genes_in_cells": self.total[:m],
            "genes_in_nuclei": self.nucleus[:m],
            "controls_in_cells": self.total[m:],
        }
        for name, sums in expected.items():
            if int(sums.sum()) != account[name]:
                raise AssertionError(
                    f"transcripts are not conserved: the matrix holds {int(sums.sum())}, "
                    f"{name} in the account is {account[name]}"
                )
        for gene, found in zip(genes, self.total[:m].tolist(), strict=True):
            if found != account["by_gene"][gene].get("cell", 0):
                raise AssertionError(
                    f"transcripts of {gene} are not conserved: {found} in the matrix"
                )
