"""A sample's immune topography in its AnnData file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from vitrail.errors import VitrailError
from vitrail.io import parquet
from vitrail.io.h5ad import Categorical, read_names
from vitrail.io.h5ad_parts import add_column, put, put_frame

COMPARTMENTS = ("centre", "margin", "stroma")
TEXTS = ("phenotype", "pattern", "note")
PROFILE = "profile_"


def add_topography(file: h5py.File, table: str | Path, cells: str | Path) -> None:
    """Add `obs["compartment"]`, `obs["border_distance_um"]` and two entries of `uns`.

    Parameters
    ----------
    file
        File of a sample's cells, open for writing.
    table, cells
        Outputs of the stage topography.
    """
    with np.load(cells) as arrays:
        compartment, distance = arrays["compartment"], arrays["distance"]
    if len(compartment) != len(read_names(file["obs"])):
        raise VitrailError(
            f"{cells}: has {len(compartment)} cells, wanted the "
            f"{len(read_names(file['obs']))} of {file.filename}."
        )
    add_column(file["obs"], "compartment", Categorical(compartment, list(COMPARTMENTS)))
    add_column(file["obs"], "border_distance_um", distance)
    rows = parquet.read(table)
    if not rows.num_rows:
        return
    columns: dict[str, Any] = {}
    profile: dict[str, Any] = {"cell_types": np.array(rows["cell_type"].to_pylist(), dtype=object)}
    for name in rows.column_names:
        if name.startswith(PROFILE):
            profile[name.removeprefix(PROFILE)] = np.array(rows[name].to_pylist())
        elif name in TEXTS:
            columns[name] = Categorical.of(rows[name].to_pylist())
        elif name != "cell_type":
            columns[name] = np.array(rows[name])
    put_frame(file["uns"], "topography", rows["cell_type"].to_pylist(), columns)
    put(file["uns"], "topography_profile", profile)
