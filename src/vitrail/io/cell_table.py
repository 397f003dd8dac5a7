"""The segmentation's tables of cells and nuclei, read without their outlines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail.errors import VitrailError
from vitrail.io import parquet


@dataclass(frozen=True)
class CellTable:
    """segmentation/cells.parquet without its outlines, in label order.

    Attributes
    ----------
    centroid
        float64 array of shape (n, 2): x and y in micrometres.
    score
        float32 array of shape (n,).
    seam
        bool array of shape (n,): touches a tile border.
    source
        The given cell's own id of each cell, None where it was not given.
    """

    centroid: npt.NDArray[np.float64]
    score: npt.NDArray[np.float32]
    seam: npt.NDArray[np.bool_]
    source: list[str | None]

    def __len__(self) -> int:
        return len(self.score)


@dataclass(frozen=True)
class NucleusTable:
    """segmentation/nuclei.parquet without its outlines, in label order.

    Attributes
    ----------
    owner
        int32 array of shape (n + 1,), indexed by label: cell of each nucleus, 0 = none.
    centroid
        float64 array of shape (n, 2): x and y in micrometres.
    source
        The given nucleus' own id of each nucleus, None where it was not given.
    """

    owner: npt.NDArray[np.int32]
    centroid: npt.NDArray[np.float64]
    source: list[str | None]


def read_nucleus_table(path: str | Path) -> NucleusTable:
    """Read segmentation/nuclei.parquet without its outlines.

    Raises
    ------
    VitrailError
        If the labels are not 1 to n in order.
    """
    columns = _columns(path, ("nucleus", "cell", "centroid_x", "centroid_y", "source"))
    _check_labels(path, "nucleus", columns["nucleus"])
    return NucleusTable(
        owner=np.array([0, *columns["cell"]], dtype=np.int32),
        centroid=_centroid(columns),
        source=list(columns["source"]),
    )


def read_cell_table(path: str | Path) -> CellTable:
    """Read segmentation/cells.parquet without its outlines.

    Raises
    ------
    VitrailError
        If the labels are not 1 to n in order.
    """
    columns = _columns(path, ("cell", "centroid_x", "centroid_y", "score", "seam", "source"))
    _check_labels(path, "cell", columns["cell"])
    return CellTable(
        centroid=_centroid(columns),
        score=np.asarray(columns["score"], dtype=np.float32),
        seam=np.asarray(columns["seam"], dtype=bool),
        source=list(columns["source"]),
    )


def read_nucleus_owner(path: str | Path) -> npt.NDArray[np.int32]:
    """Cell that each nucleus belongs to, from segmentation/nuclei.parquet.

    Returns
    -------
    int32 array of shape (number of nuclei + 1,), indexed by nucleus label; 0 = no cell.

    Raises
    ------
    VitrailError
        If the labels are not 1 to n in order.
    """
    columns = _columns(path, ("nucleus", "cell"))
    _check_labels(path, "nucleus", columns["nucleus"])
    return np.array([0, *columns["cell"]], dtype=np.int32)


def _centroid(columns: dict[str, Any]) -> npt.NDArray[np.float64]:
    axes = [np.asarray(columns[axis], dtype=np.float64) for axis in ("centroid_x", "centroid_y")]
    return np.column_stack(axes).reshape(-1, 2)


def _columns(path: str | Path, names: tuple[str, ...]) -> dict[str, Any]:
    with parquet.open_file(path) as file:
        missing = [name for name in names if name not in file.schema_arrow.names]
        if missing:
            raise VitrailError(
                f"{path}: has no column {missing[0]!r}, found {', '.join(file.schema_arrow.names)}."
            )
        table = file.read(columns=list(names))
    return {
        name: table[name].to_pylist() if name == "source" else table[name].to_numpy()
        for name in names
    }


def _check_labels(path: str | Path, column: str, labels: npt.NDArray[Any]) -> None:
    wrong = np.flatnonzero(labels != np.arange(1, len(labels) + 1))
    if len(wrong):
        raise VitrailError(
            f"{path}: row {wrong[0]} has {column} {labels[wrong[0]]}, "
            f"wanted {wrong[0] + 1} (labels run from 1 to n in order)."
        )


def check_nuclei(labels: npt.NDArray[np.int32], owner: npt.NDArray[np.int32]) -> None:
    """Refuse nucleus labels without a row in the table of nuclei.

    Parameters
    ----------
    labels
        Part of the nucleus label image.
    owner
        As `read_nucleus_owner` gives it.

    Raises
    ------
    VitrailError
        If a label has no row.
    """
    largest = int(labels.max(initial=0))
    if largest >= len(owner):
        raise VitrailError(
            f"nuclei: label {largest} is not in the table of nuclei, which has {len(owner) - 1} "
            "rows; wanted the labels and the table of one segmentation."
        )
