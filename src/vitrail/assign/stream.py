"""Assign transcripts batch by batch: memory is bounded by a batch and the label chunks held."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vitrail.assign.account import Account
from vitrail.assign.agreement import Agreement
from vitrail.assign.controls import DEFAULT_CONTROLS, control_names
from vitrail.assign.lookup import CellLookup
from vitrail.assign.status import (
    BACKGROUND,
    CELL,
    COMPARTMENT,
    CONTROL,
    CYTOPLASM,
    NO_COMPARTMENT,
    NUCLEUS,
    OUTSIDE,
    PLANE,
    POSITION,
    QUALITY,
    STATUS,
    below_quality,
    outside_planes,
    precedence,
)
from vitrail.coordinates import pixel_index
from vitrail.errors import VitrailError


@dataclass(frozen=True)
class Frame:
    """Where the label grid lies.

    Attributes
    ----------
    pixel_size
        Edge of a pixel in micrometres.
    origin
        (x, y) in micrometres of the outer corner of pixel (0, 0).
    """

    pixel_size: float
    origin: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Rules:
    """What keeps a transcript out, and what is a control: the stage's section of the config."""

    min_quality: float | None = None
    planes: str | Sequence[float] | dict[str, float] = "all"
    controls: Sequence[str] = field(default=DEFAULT_CONTROLS)


def assign(
    batches: Iterable[pa.RecordBatch],
    genes: Sequence[str],
    lookup: CellLookup,
    frame: Frame,
    write: Callable[[pa.Table], None],
    *,
    rules: Rules = Rules(),
    transcripts_in: int | None = None,
    sources: Sequence[str | None] | None = None,
) -> dict[str, Any]:
    """Give every transcript its cell, its compartment or the reason for none.

    Parameters
    ----------
    batches
        Raw transcripts, with columns x, y (micrometres), gene and, where known, z, quality and
        source_cell.
    genes
        All names that occur as genes, controls included.
    lookup
        Cells and nuclei under pixels.
    frame
        Pixel size and origin of the label grid.
    write
        Takes each batch as a table with columns cell, compartment and status added; rows and
        their order stay.
    rules
        Thresholds and patterns.
    transcripts_in
        Rows to expect; what is read if None.
    sources
        The given cell's own id of each cell 1..n, to compare with source_cell.

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
    account = Account(genes, controls)
    agreement: Agreement | None = None
    for batch in batches:
        gene = _gene_codes(batch.column("gene"), code)
        status, cell, compartment = _assign_batch(batch, is_control[gene], lookup, frame, rules)
        account.add(gene, status, compartment)
        if "source_cell" in batch.schema.names:
            agreement = agreement or Agreement()
            looked_up = np.isin(status, (CELL, CONTROL, BACKGROUND))
            agreement.add(cell[looked_up], batch.column("source_cell").filter(pa.array(looked_up)))
        write(_with_columns(batch, cell, compartment, status))
    account.check(account.rows if transcripts_in is None else transcripts_in)
    result = account.as_dict()
    if agreement is not None:
        result["vendor_agreement"] = agreement.as_dict(sources)
    return result


def _assign_batch(
    batch: pa.RecordBatch,
    is_control: npt.NDArray[np.bool_],
    lookup: CellLookup,
    frame: Frame,
    rules: Rules,
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int32], npt.NDArray[np.int8]]:
    """Status, cell and compartment of each row."""
    n = batch.num_rows
    x, y = _numbers(batch, "x"), _numbers(batch, "y")
    z, quality = _optional(batch, "z"), _optional(batch, "quality")
    column = pixel_index(x, frame.pixel_size, frame.origin[0])
    row = pixel_index(y, frame.pixel_size, frame.origin[1])
    inside = lookup.inside(row, column)
    under = np.zeros(n, dtype=np.int32)
    in_nucleus = np.zeros(n, dtype=bool)
    under[inside], in_nucleus[inside] = lookup(row[inside], column[inside])
    status = precedence(
        n,
        {
            POSITION: ~(np.isfinite(x) & np.isfinite(y)),
            OUTSIDE: ~inside,
            QUALITY: below_quality(quality, rules.min_quality, n),
            PLANE: outside_planes(z, rules.planes, n),
            BACKGROUND: under == 0,
            CONTROL: is_control,
        },
        otherwise=CELL,
    )
    assigned = (status == CELL) | (status == CONTROL)
    cell = np.where(assigned, under, 0).astype(np.int32)
    compartment = np.where(in_nucleus, NUCLEUS, CYTOPLASM)
    compartment[~assigned] = NO_COMPARTMENT
    return status, cell, compartment.astype(np.int8)


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


def _numbers(batch: pa.RecordBatch, name: str) -> npt.NDArray[Any]:
    """Numeric column as a numpy array; nulls become NaN."""
    return batch.column(name).to_numpy(zero_copy_only=False)


def _optional(batch: pa.RecordBatch, name: str) -> npt.NDArray[Any] | None:
    return _numbers(batch, name) if name in batch.schema.names else None


def _with_columns(
    batch: pa.RecordBatch,
    cell: npt.NDArray[np.int32],
    compartment: npt.NDArray[np.int8],
    status: npt.NDArray[np.int8],
) -> pa.Table:
    table = pa.Table.from_batches([batch])
    table = table.append_column("cell", pa.array(cell))
    table = table.append_column("compartment", _dictionary(compartment, COMPARTMENT))
    return table.append_column("status", _dictionary(status, STATUS))


def _dictionary(codes: npt.NDArray[np.int8], names: Sequence[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(names))
