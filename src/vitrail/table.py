"""Stage table: cells from a table become a file of counts, as if they had been segmented here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail.errors import VitrailError
from vitrail.io.h5ad import Categorical, write_h5ad
from vitrail.provenance import to_json
from vitrail.readers import input_files, paths, reader_name
from vitrail.readers.format import TableFormat, table_format
from vitrail.readers.tables import CellTable, parse_filter, read_table
from vitrail.readers.watch import Watch


def table(
    row: Mapping[str, Any],
    entry: Mapping[str, Any],
    counts: str | Path,
    *,
    provenance: Mapping[str, Any],
    names: Mapping[str, str] | None = None,
) -> int:
    """Write ``counts.h5ad`` of a sample that enters as a table of cells.

    Parameters
    ----------
    row
        Row of the sample sheet: ``sample``, ``table``, ``table_filter``, ``pixel_size``.
    entry
        Its format entry.
    counts
        Path to be written.
    provenance
        Record to be stored; gets the raw files, as ``slide.json`` lists them.
    names
        What to call files there whose path is that of a local copy.

    Returns
    -------
    Number of cells.

    Raises
    ------
    VitrailError
        One sentence on what is wrong with the input.
    """
    listed = [file for files in input_files(row, entry).values() for file in files]
    # The reader has the sentence for a file that is not there.
    watch = Watch(file for file in listed if Path(file).is_file())
    if reader_name(entry) == "visium_hd":
        from vitrail.readers.vendors.visium_hd_reader import read_bins

        cells, scale = read_bins(row, entry), 1.0
    else:
        cells, scale = _read_file(row, entry)
    watch.check_unchanged()
    record = {**provenance, "files": watch.files(names)}
    write_counts(counts, str(row["sample"]), cells, scale, record)
    return len(cells.xy)


def _read_file(row: Mapping[str, Any], entry: Mapping[str, Any]) -> tuple[CellTable, float]:
    """Cells of the sheet's file, and micrometres a unit of their positions."""
    listed = paths(row.get("table"))
    if len(listed) != 1:
        raise VitrailError(
            f"sample {row['sample']}: column table names {len(listed)} files, wanted one."
        )
    form = table_format(entry)
    scale = _micrometres(row, entry, form)
    return read_table(listed[0], form, parse_filter(row.get("table_filter"))), scale


def write_counts(
    path: str | Path,
    sample: str,
    cells: CellTable,
    scale: float,
    provenance: Mapping[str, Any],
) -> None:
    """Write cells as ``counts.h5ad``; without counts X has no columns.

    Parameters
    ----------
    path
        File to be written.
    sample
        Name of the sample.
    cells
        Its cells.
    scale
        Micrometres a unit of the cells' positions.
    provenance
        Record to be stored.
    """
    from scipy import sparse

    n = len(cells.xy)
    number = np.arange(1, n + 1, dtype=np.int32)
    obs: dict[str, Any] = {
        "cell": number,
        "region": Categorical.constant("cells", n),
        "sample": Categorical.constant(sample, n),
    }
    if cells.area is not None:
        obs["area_um2"] = cells.area * scale**2
    if cells.cell_type is not None:
        obs["cell_type"] = Categorical.of(cells.cell_type)
    if cells.source is not None:
        obs["source"] = _strings(cells.source)
    matrix = cells.counts
    if matrix is None:
        matrix = sparse.csr_matrix((n, 0), dtype=np.int32)
    write_h5ad(
        path,
        X=matrix,
        obs=obs,
        obs_names=[f"{sample}_{cell}" for cell in number.tolist()],
        var_names=cells.genes,
        obsm={"spatial": cells.xy * scale},
        uns={"vitrail": to_json(provenance)},
    )


def _strings(values: list[str]) -> npt.NDArray[np.object_]:
    return np.array(values, dtype=object)


def _micrometres(row: Mapping[str, Any], entry: Mapping[str, Any], form: TableFormat) -> float:
    """Micrometres a unit of the table's positions."""
    if form.unit == "micrometre":
        return 1.0
    size = row.get("pixel_size") or entry.get("pixel_size")
    if size is None:
        raise VitrailError(
            f"sample {row.get('sample')}: positions of the table are in pixels, wanted micrometres "
            "a pixel in the sheet's column pixel_size."
        )
    return float(size)
