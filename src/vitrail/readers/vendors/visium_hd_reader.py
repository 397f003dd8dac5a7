"""Bins of a Visium HD run as a table of cells: counts, positions in micrometres, areas."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vitrail.errors import VitrailError
from vitrail.readers import fill, paths
from vitrail.readers.delimited import check_columns, column_names, read_batches
from vitrail.readers.tables import CellTable

COLUMNS = {"x": "pxl_col_in_fullres", "y": "pxl_row_in_fullres", "cell": "barcode"}
GENES = "Gene Expression"


def read_bins(row: Mapping[str, Any], entry: Mapping[str, Any]) -> CellTable:
    """Read the bins of one size that lie in tissue.

    Parameters
    ----------
    row
        Row of the sample sheet, its ``folder`` that of a run.
    entry
        Format entry; ``options.bin_um`` is the size of bins.

    Returns
    -------
    Cells whose positions are micrometres from the corner of the microscope's image; their names
    are the barcodes.

    Raises
    ------
    VitrailError
        If a file is missing, damaged, or does not fit the others.
    """
    row = fill(row, entry)
    (matrix,) = paths(row["table"])
    positions, scale = paths(row["described_by"])
    microns, size = _read_scale(scale)
    counts, genes, barcodes = _read_matrix(matrix)
    xy = _read_positions(positions, barcodes) * microns
    return CellTable(
        xy=xy,
        cell_type=None,
        source=barcodes.to_pylist(),
        area=np.full(len(xy), size**2),
        counts=counts,
        genes=genes,
    )


def _read_scale(path: str) -> tuple[float, float]:
    """Micrometres a pixel of the microscope's image, and a bin's edge in micrometres."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        return float(document["microns_per_pixel"]), float(document["bin_size_um"])
    except (ValueError, KeyError, TypeError) as error:
        raise VitrailError(
            f"{path}: does not say 'microns_per_pixel' and 'bin_size_um' ({error}), wanted the "
            "scale of Visium HD bins; is it truncated or still being copied?"
        ) from None


def _read_matrix(path: str) -> tuple[Any, list[str], pa.Array]:
    """Counts (bins, genes) as CSR int32, names of genes, and barcodes."""
    import h5py
    from scipy import sparse

    try:
        with h5py.File(path) as file:
            group = file["matrix"]
            features, bins = (int(length) for length in group["shape"][:])
            parts = tuple(group[name][:] for name in ("data", "indices", "indptr"))
            # One column a bin, so the arrays are those of rows when bins are rows.
            counts = sparse.csr_matrix(parts, shape=(bins, features), dtype=np.int32)
            names = _texts(group["features/name"][:])
            kinds = _texts(group["features/feature_type"][:])
            barcodes = pa.array(_texts(group["barcodes"][:]), pa.string())
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise VitrailError(
            f"{path}: is not a complete matrix of counts ({error}), wanted HDF5 of Space Ranger "
            "with the group 'matrix'; is it truncated or still being copied?"
        ) from None
    kept = np.flatnonzero([kind == GENES for kind in kinds])
    if len(kept) < features:
        logging.getLogger(__name__).warning(
            "%s: %d features that are no genes are left out", path, features - len(kept)
        )
        counts = counts[:, kept]
    counts.sort_indices()
    return counts, _unique([names[i] for i in kept.tolist()]), barcodes


def _texts(values: npt.NDArray[Any]) -> list[str]:
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


def _unique(names: list[str]) -> list[str]:
    """Names of genes, those that occur again numbered as scanpy does: MATR3, MATR3-1."""
    taken = set(names)
    seen: dict[str, int] = {}
    result = []
    for name in names:
        number = seen.get(name, -1) + 1
        chosen = name
        while number and (chosen := f"{name}-{number}") in taken:
            number += 1
        seen[name] = number
        taken.add(chosen)
        result.append(chosen)
    return result


def _read_positions(path: str, barcodes: pa.Array) -> npt.NDArray[np.float64]:
    """Centres (x, y) of bins in pixels of the microscope's image."""
    check_columns(path, column_names(path), COLUMNS, "the positions of bins")
    kinds = {"x": pa.float64(), "y": pa.float64(), "cell": pa.string()}
    wanted = {COLUMNS[role]: kind for role, kind in kinds.items()}
    xy = np.full((len(barcodes), 2), np.nan)
    for batch in read_batches(path, wanted):
        place = pc.index_in(batch[COLUMNS["cell"]], value_set=barcodes).combine_chunks()
        found = place.is_valid().to_numpy(zero_copy_only=False)
        rows = place.drop_null().to_numpy()
        for axis, role in enumerate(("x", "y")):
            xy[rows, axis] = batch[COLUMNS[role]].to_numpy()[found]
    lacking = np.flatnonzero(np.isnan(xy).any(axis=1))
    if len(lacking):
        raise VitrailError(
            f"{path}: has no position of bin {barcodes[int(lacking[0])].as_py()} and "
            f"{len(lacking) - 1} others that have counts; is it of another run?"
        )
    return xy
