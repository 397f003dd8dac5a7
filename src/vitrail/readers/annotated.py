"""Cells from an AnnData file."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail.errors import VitrailError
from vitrail.readers.delimited import check_columns
from vitrail.readers.format import TableFormat
from vitrail.readers.tables import CellTable, Strings, as_text, check_conditions, no_row


def read_h5ad(path: str, form: TableFormat, conditions: Mapping[str, str]) -> CellTable:
    """Read cells, and their counts, from an AnnData file of any age.

    Parameters
    ----------
    path
        h5ad file.
    form
        ``obsm`` names the positions (None: the columns x and y of ``obs``), ``counts`` the counts
        (``X``, the name of a layer, or None).
    conditions
        Column of ``obs`` to value.
    """
    # Old files encode columns in ways that anndata alone knows, so its import is paid for here.
    import anndata

    try:
        data = anndata.read_h5ad(path)
    except Exception as error:  # h5py and anndata raise errors of many kinds
        raise VitrailError(
            f"{path}: cannot be read as h5ad ({error}); is it truncated or still being copied?"
        ) from None
    found = [str(name) for name in data.obs.columns]
    positions = form.obsm is not None and form.obsm in data.obsm
    columns = dict(form.columns)
    if form.obsm is not None and not positions:
        known = ", ".join(data.obsm) or "none"
        raise VitrailError(
            f"{path}: has no obsm['{form.obsm}'] (found {known}), wanted positions (the format's "
            "table.obsm; empty to take the columns x and y)."
        )
    if positions:
        columns["x"] = columns["y"] = None
    check_columns(path, found, columns, "table")
    check_conditions(path, found, conditions)
    rows = _rows(path, data.obs, conditions)
    xy = (
        np.asarray(data.obsm[form.obsm])[:, :2]
        if positions
        else np.stack([np.asarray(data.obs[columns[axis]]) for axis in ("x", "y")], axis=1)
    )
    area = columns["area"]
    source = columns["cell"]
    names = data.obs_names if source is None else data.obs[source]
    return CellTable(
        xy=xy[rows].astype(np.float64),
        cell_type=_texts(data.obs, columns["cell_type"], rows),
        source=[str(name) for name in np.asarray(names)[rows]],
        area=None if area is None else np.asarray(data.obs[area], dtype=np.float64)[rows],
        counts=None if form.counts is None else _counts(path, data, form.counts)[rows],
        genes=[] if form.counts is None else [str(name) for name in data.var_names],
    )


def _rows(path: str, obs: Any, conditions: Mapping[str, str]) -> npt.NDArray[np.int64]:
    keep = np.ones(len(obs), dtype=bool)
    texts = {column: [as_text(value) or "" for value in obs[column]] for column in conditions}
    for column, value in conditions.items():
        keep &= np.array([text == value for text in texts[column]], dtype=bool)
    if conditions and not keep.any():
        raise no_row(path, conditions, {c: list(dict.fromkeys(v)) for c, v in texts.items()})
    return np.flatnonzero(keep)


def _texts(obs: Any, column: str | None, rows: npt.NDArray[np.int64]) -> Strings | None:
    if column is None:
        return None
    return [as_text(value) or None for value in obs[column].iloc[rows]]


def _counts(path: str, data: Any, name: str) -> Any:
    from scipy import sparse

    if name != "X" and name not in data.layers:
        raise VitrailError(
            f"{path}: has no layer '{name}' (found {', '.join(data.layers) or 'none'}), wanted "
            "the format's table.counts."
        )
    values = data.X if name == "X" else data.layers[name]
    if values is None:
        raise VitrailError(f"{path}: has no X, wanted counts (the format's table.counts).")
    matrix = sparse.csr_matrix(values)
    matrix.sum_duplicates()
    if not np.isfinite(matrix.data).all() or (matrix.data < 0).any():
        raise VitrailError(f"{path}: {name} holds negative or missing values, wanted counts.")
    if (matrix.data == np.floor(matrix.data)).all():
        return matrix.astype(np.int32)
    logging.getLogger(__name__).warning("%s: %s holds fractions, kept as float32", path, name)
    return matrix.astype(np.float32)
