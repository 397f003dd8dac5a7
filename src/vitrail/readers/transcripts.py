"""Transcript tables, read batch by batch into the columns of the file contract."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vitrail.errors import VitrailError
from vitrail.readers.delimited import check_columns, column_names, read_batches
from vitrail.readers.format import TranscriptFormat
from vitrail.readers.placement import Frame, apply, to_global

GENE = pa.dictionary(pa.int32(), pa.string())
Float = npt.NDArray[np.float64]
Region = tuple[float, float, float, float]


def schema(form: TranscriptFormat) -> pa.Schema:
    """Columns of raw transcripts, in order: those that the file has."""
    fields = [("x", pa.float64()), ("y", pa.float64())]
    if form.columns["z"]:
        fields.append(("z", pa.float32()))
    fields += [("gene", GENE), ("transcript", pa.int64())]
    if form.columns["quality"]:
        fields.append(("quality", pa.float32()))
    if form.columns["cell"]:
        fields.append(("source_cell", pa.string()))
    return pa.schema(fields)


@dataclass
class TranscriptCount:
    """What became of a table's rows, and what they hold.

    Attributes
    ----------
    rows_in_file, outside_region, rows
        Rows read, left out, and kept.
    genes
        Names in the order in which they occur among all rows of the file.
    low, high
        Least and greatest finite (x, y) of the kept rows, in micrometres; infinite if there are
        none.
    """

    rows_in_file: int = 0
    outside_region: int = 0
    rows: int = 0
    genes: dict[str, int] = field(default_factory=dict)
    low: npt.NDArray[np.float64] = field(default_factory=lambda: np.full(2, np.inf))
    high: npt.NDArray[np.float64] = field(default_factory=lambda: np.full(2, -np.inf))


class TranscriptSource:
    """Transcripts of a slide.

    Parameters
    ----------
    path
        csv, csv.gz or parquet.
    form
        Its columns and placement.

    Raises
    ------
    VitrailError
        If a column is not there.
    """

    def __init__(self, path: str, form: TranscriptFormat) -> None:
        self.path = path
        self.form = form
        for role in ("x", "y", "gene"):
            if form.columns[role] is None:
                raise VitrailError(f"transcripts.columns.{role} is empty, wanted a column's name.")
        found = column_names(path, form.delimiter)
        check_columns(path, found, form.columns, "transcripts")

    def read(
        self, frame: Frame, region: Region | None, count: TranscriptCount
    ) -> Iterator[pa.Table]:
        """Rows in micrometres, batch by batch, in the order of the file.

        Rows whose position is not a number are kept: they are counted where cells are assigned.

        Parameters
        ----------
        frame
            The slide that the file's positions are mapped to.
        region
            (x0, y0, x1, y1) in micrometres, half-open: rows outside are left out. None for all.
        count
            Is kept up to date.
        """
        matrix = to_global(self.form.placement, frame, self.path)
        for batch in read_batches(self.path, self.columns(), self.form.delimiter):
            table = self._batch(batch, matrix, count)
            count.rows_in_file += table.num_rows
            if region is not None:
                table = _inside(table, region)
            count.rows += table.num_rows
            count.outside_region = count.rows_in_file - count.rows
            _extend(count, table)
            yield table

    def columns(self) -> dict[str, pa.DataType]:
        """Columns of the file that are read, and their types."""
        types = {
            "x": pa.float64(),
            "y": pa.float64(),
            "z": pa.float32(),
            "gene": GENE,
            "quality": pa.float32(),
            "cell": pa.string(),
        }
        named = {role: column for role, column in self.form.columns.items() if column}
        wanted: dict[str, pa.DataType] = {}
        for role, column in named.items():
            if wanted.setdefault(column, types[role]) != types[role]:
                raise VitrailError(
                    f"transcripts.columns: '{column}' is named twice, wanted a column a role."
                )
        return wanted

    def _batch(
        self, batch: pa.Table, matrix: npt.NDArray[np.float64], count: TranscriptCount
    ) -> pa.Table:
        names = self.form.columns
        x, y = apply(matrix, *self.positions(batch))
        start = count.rows_in_file
        columns = {
            "x": pa.array(x),
            "y": pa.array(y),
            "gene": self._genes(batch[names["gene"]], count),
            "transcript": pa.array(np.arange(start, start + batch.num_rows, dtype=np.int64)),
        }
        if names["z"]:
            columns["z"] = batch[names["z"]]
        if names["quality"]:
            columns["quality"] = batch[names["quality"]]
        if names["cell"]:
            columns["source_cell"] = self.source_cells(batch)
        wanted = schema(self.form)
        return pa.table({name: columns[name] for name in wanted.names}, schema=wanted)

    def positions(self, batch: pa.Table) -> tuple[Float, Float]:
        """Positions x and y of a batch as the file has them; missing ones are NaN."""
        x, y = (batch[self.form.columns[axis]] for axis in ("x", "y"))
        return numbers(x), numbers(y)

    def source_cells(self, batch: pa.Table) -> pa.ChunkedArray | pa.Array:
        """The vendor's cell of each row of a batch, null where there is none."""
        column = batch[self.form.columns["cell"]]
        none = pa.array(self.form.no_cell, pa.string())
        return pc.if_else(pc.is_in(column, value_set=none), pa.scalar(None, pa.string()), column)

    def _genes(self, column: pa.ChunkedArray, count: TranscriptCount) -> pa.Array:
        """Codes into one dictionary that grows in the order of the file."""
        parts: list[npt.NDArray[np.int32]] = []
        for chunk in column.chunks:
            names = chunk.dictionary.to_pylist()
            local = chunk.indices
            if local.null_count or None in names or "" in names:
                self._check_named(chunk, count.rows_in_file + sum(len(part) for part in parts))
            codes = local.to_numpy(zero_copy_only=False)
            # Names are numbered as rows show them, whatever order the file's dictionary has.
            used, first = np.unique(codes, return_index=True)
            for code in used[np.argsort(first)].tolist():
                count.genes.setdefault(names[code], len(count.genes))
            place = np.array([count.genes.get(name, -1) for name in names], dtype=np.int32)
            parts.append(place[codes] if len(codes) else np.zeros(0, np.int32))
        joined = np.concatenate(parts) if parts else np.zeros(0, np.int32)
        dictionary = pa.array(list(count.genes), pa.string())
        return pa.DictionaryArray.from_arrays(pa.array(joined), dictionary)

    def _check_named(self, genes: pa.DictionaryArray, start: int) -> None:
        missing = pc.or_kleene(pc.is_null(genes), pc.equal(genes.cast(pa.string()), ""))
        row = pc.index(missing.fill_null(True), pa.scalar(True)).as_py()
        if row >= 0:
            raise VitrailError(
                f"{self.path}: column '{self.form.columns['gene']}' is empty in row {start + row} "
                "(counted from 0), wanted the name of a gene."
            )


def numbers(column: pa.ChunkedArray) -> Float:
    """Missing numbers as NaN."""
    return np.asarray(column.to_numpy(), dtype=np.float64)


def _inside(table: pa.Table, region: Region) -> pa.Table:
    x, y = numbers(table["x"]), numbers(table["y"])
    x0, y0, x1, y1 = region
    inside = (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
    return table.filter(pa.array(inside | np.isnan(x) | np.isnan(y)))


def _extend(count: TranscriptCount, table: pa.Table) -> None:
    xy = np.stack([numbers(table["x"]), numbers(table["y"])])
    xy = xy[:, np.isfinite(xy).all(axis=0)]
    if xy.shape[1]:
        count.low = np.minimum(count.low, xy.min(axis=1))
        count.high = np.maximum(count.high, xy.max(axis=1))
