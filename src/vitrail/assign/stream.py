"""Assign transcripts unit by unit: memory is bounded by a unit a thread and the labels held."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vitrail.assign.account import Account
from vitrail.assign.agreement import Agreement, Tally, tally
from vitrail.assign.controls import DEFAULT_CONTROLS, control_names
from vitrail.assign.lookup import Frame, Lookup
from vitrail.assign.status import (
    BACKGROUND,
    CELL,
    COMPARTMENT,
    CONTROL,
    STATUS,
    below_quality,
    outside_planes,
    settle,
)
from vitrail.errors import VitrailError
from vitrail.parallel import in_order

# A piece of the transcripts, read when it is called.
Unit = Callable[[], pa.Table]


@dataclass(frozen=True)
class Rules:
    """The stage's section of the config: what keeps a transcript out, what is a control.

    `boundaries` (``exact`` or ``pixels``) and `overlap` choose the look-up, see
    `vitrail.assign.given`.
    """

    min_quality: float | None = None
    planes: str | Sequence[float] | dict[str, float] = "all"
    controls: Sequence[str] = field(default=DEFAULT_CONTROLS)
    boundaries: str = "exact"
    overlap: str = "nearest"


class Assigned(NamedTuple):
    """What a unit of n transcripts was given, each of shape (n,).

    Attributes
    ----------
    gene
        int32, position of the gene in the panel.
    status, compartment
        int8, codes of `vitrail.assign.status`.
    cell
        int32, label of the cell, 0 = none.
    """

    gene: npt.NDArray[np.int32]
    status: npt.NDArray[np.int8]
    cell: npt.NDArray[np.int32]
    compartment: npt.NDArray[np.int8]


def assign(
    units: Iterable[Unit],
    genes: Sequence[str],
    lookup: Lookup,
    frame: Frame,
    write: Callable[[int, pa.Table], None] | None = None,
    *,
    rules: Rules = Rules(),
    transcripts_in: int | None = None,
    sources: Sequence[str | None] | None = None,
    collect: Callable[[Assigned], None] | None = None,
    threads: int | None = None,
) -> dict[str, Any]:
    """Give every transcript its cell, its compartment or the reason for none.

    Units are read, assigned and written in threads; the results do not depend on their number.
    Memory is bounded by a unit a thread and the label chunks that `lookup` holds.

    Parameters
    ----------
    units
        Each gives a table of raw transcripts (columns as in the file contract) when called.
    genes
        Names of the panel.
    lookup
        Cell at positions: `CellLookup` for label images, `OutlineLookup` for outlines.
    frame
        Where the label grid lies.
    write
        Gets the number of each unit from 0 and the unit with the columns cell, compartment and
        status, in any order, in threads.
    rules
        Thresholds and controls.
    transcripts_in
        Rows that ingest handed over, to check that none is lost.
    sources
        The given cell's own id of each cell 1..n, to compare with source_cell.
    collect
        Gets the codes of each unit, in any order, in threads.
    threads
        Their number; None for all that the process may use.

    Returns
    -------
    The conservation account (see `Account.as_dict`), with `vendor_agreement` where the vendor's
    cells are known.

    Raises
    ------
    VitrailError
        If planes are chosen and there is no z, or a gene is not among `genes`.
    AssertionError
        If the account does not add up.
    """
    controls = control_names(genes, rules.controls)
    is_control = np.isin(np.asarray(genes, dtype=object), controls)
    code = {gene: i for i, gene in enumerate(genes)}

    def one(numbered: tuple[int, Unit]) -> tuple[Account, Tally | None]:
        number, unit = numbered
        table = unit().combine_chunks()
        gene = _gene_codes(_column(table, "gene"), code)
        assigned = _assign_table(table, gene, is_control[gene], lookup, frame, rules)
        if write is not None:
            write(number, _with_columns(table, assigned))
        if collect is not None:
            collect(assigned)
        part = Account(genes, controls)
        part.add(assigned.gene, assigned.status, assigned.compartment)
        return part, _compare(table, assigned)

    account = Account(genes, controls)
    agreement: Agreement | None = None
    for part, compared in in_order(one, enumerate(units), threads):
        account.merge(part)
        if compared is not None:
            agreement = agreement or Agreement()
            agreement.merge(compared)
    account.check(account.rows if transcripts_in is None else transcripts_in)
    result = account.as_dict()
    if agreement is not None:
        result["vendor_agreement"] = agreement.as_dict(sources)
    return result


def _assign_table(
    table: pa.Table,
    gene: npt.NDArray[np.int32],
    is_control: npt.NDArray[np.bool_],
    lookup: Lookup,
    frame: Frame,
    rules: Rules,
) -> Assigned:
    """Status, cell and compartment of each row."""
    n = table.num_rows
    z, quality = _optional(table, "z"), _optional(table, "quality")
    status, cell, compartment = settle(
        lookup(_numbers(table, "x"), _numbers(table, "y"), frame),
        is_control,
        below_quality(quality, rules.min_quality, n),
        outside_planes(z, rules.planes, n),
    )
    return Assigned(gene, status, cell, compartment)


def _compare(table: pa.Table, assigned: Assigned) -> Tally | None:
    """Tally of a unit with the vendor's cells, where it has them."""
    if "source_cell" not in table.schema.names:
        return None
    looked_up = np.isin(assigned.status, (CELL, CONTROL, BACKGROUND))
    vendor = _column(table, "source_cell").filter(pa.array(looked_up))
    return tally(assigned.cell[looked_up], vendor)


def _column(table: pa.Table, name: str) -> pa.Array:
    """Column as one array."""
    found = table.column(name).combine_chunks()
    return pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found


def _gene_codes(column: pa.Array, code: dict[str, int]) -> npt.NDArray[np.int32]:
    """Position of each row's gene in the panel."""
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    names = encoded.dictionary.to_pylist()
    unknown = [name for name in names if name not in code]
    if unknown or encoded.null_count:
        found = repr(unknown[0]) if unknown else "a row without a gene"
        raise VitrailError(
            f"transcripts: column gene holds {found}, wanted one of the {len(code)} genes that "
            "slide.json lists."
        )
    codes = np.array([code[name] for name in names], dtype=np.int32)
    return codes[encoded.indices.to_numpy(zero_copy_only=False)]


def _numbers(table: pa.Table, name: str) -> npt.NDArray[Any]:
    """Numeric column as a numpy array; nulls become NaN."""
    return _column(table, name).to_numpy(zero_copy_only=False)


def _optional(table: pa.Table, name: str) -> npt.NDArray[Any] | None:
    return _numbers(table, name) if name in table.schema.names else None


def _with_columns(table: pa.Table, assigned: Assigned) -> pa.Table:
    table = table.append_column("cell", pa.array(assigned.cell))
    table = table.append_column("compartment", _dictionary(assigned.compartment, COMPARTMENT))
    return table.append_column("status", _dictionary(assigned.status, STATUS))


def _dictionary(codes: npt.NDArray[np.int8], names: Sequence[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(names))
