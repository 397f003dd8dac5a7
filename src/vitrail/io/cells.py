"""Cells as the statistics need them, read from annotated.h5ad with h5py alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from vitrail.errors import VitrailError
from vitrail.io.h5ad import Categorical, read_element, read_names


@dataclass(frozen=True)
class CellTypes:
    """Types of n cells.

    Attributes
    ----------
    codes
        int32 array of shape (n,): index into `names`, -1 where the type is unknown.
    names
        The types, sorted.
    """

    codes: npt.NDArray[np.int32]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Cells:
    """What the statistics need of a sample's n cells.

    Attributes
    ----------
    xy
        float64 array of shape (n, 2): x and y in micrometres.
    qc_pass
        bool array of shape (n,).
    cell_type
        Types, or None where the sample has none.
    sample
        Name of the sample; "" for a sample without cells.
    names
        Object array of the n row names, ``<sample>_<cell>``.
    cell
        int32 array of shape (n,): labels.
    """

    xy: npt.NDArray[np.float64]
    qc_pass: npt.NDArray[np.bool_]
    cell_type: CellTypes | None
    sample: str
    names: npt.NDArray[Any]
    cell: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.xy)


def read_cells(path: str | Path) -> Cells:
    """Read positions, quality and types from annotated.h5ad.

    Raises
    ------
    VitrailError
        If the file lacks what every annotated.h5ad has.
    """
    with h5py.File(path, "r") as file:
        obs = file["obs"]
        for item in ("obsm/spatial", "obs/qc_pass", "obs/cell", "obs/sample"):
            if item not in file:
                raise VitrailError(f"{path}: has no {item}, wanted a file of the stage annotate.")
        sample = read_element(obs["sample"])
        return Cells(
            xy=np.asarray(file["obsm/spatial"][:], dtype=np.float64),
            qc_pass=np.asarray(obs["qc_pass"][:], dtype=bool),
            cell_type=_cell_types(obs),
            sample=_constant(sample),
            names=read_names(obs),
            cell=np.asarray(obs["cell"][:], dtype=np.int32),
        )


def _constant(column: Any) -> str:
    values = column.values() if isinstance(column, Categorical) else column
    return str(values[0]) if len(values) else ""


def _cell_types(obs: h5py.Group) -> CellTypes | None:
    if "cell_type" not in obs:
        return None
    column = read_element(obs["cell_type"])
    if not isinstance(column, Categorical):
        column = Categorical.of(list(column))
    order = np.argsort(np.asarray(column.categories, dtype=object), kind="stable")
    rank = np.full(len(order) + 1, -1, dtype=np.int32)
    rank[order] = np.arange(len(order))
    names = tuple(column.categories[i] for i in order)
    return CellTypes(rank[np.asarray(column.codes, dtype=np.int64)], names)


def read_lognorm(path: str | Path, layer: str = "lognorm") -> tuple[Any, npt.NDArray[Any]]:
    """Read a matrix of annotated.h5ad.

    Parameters
    ----------
    path
        File of the stage annotate.
    layer
        Name in ``layers``, or ``"X"`` for the raw counts.

    Returns
    -------
    Matrix of shape (cells, genes), scipy CSR (or CSC, or an array where it is stored as one), and
    the names of the genes as an object array.

    Raises
    ------
    VitrailError
        If there is no such layer.
    """
    with h5py.File(path, "r") as file:
        name = "X" if layer == "X" else f"layers/{layer}"
        if name not in file:
            known = ", ".join(["X", *file["layers"]])
            raise VitrailError(f"{path}: has no layer {layer!r}, wanted one of {known}.")
        return read_element(file[name]), read_names(file["var"])
