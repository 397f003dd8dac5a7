"""Neighbouring cell types in a sample's AnnData."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from vitrail.io import parquet
from vitrail.io.h5ad import read_element
from vitrail.io.h5ad_parts import put, put_frame


def add_enrichment(file: h5py.File, path: str | Path) -> None:
    """Pairs of cell types as a table, and as squidpy's matrices over all categories."""
    table = parquet.read(path)
    if table.num_rows == 0:
        return
    columns = {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}
    index = [str(i) for i in range(table.num_rows)]
    put_frame(file["uns"], "enrichment", index, columns)
    categories = read_element(file["obs/cell_type"]).categories
    place = {name: i for i, name in enumerate(categories)}
    rows = [place[name] for name in columns["type_a"]]
    at = np.array([rows, [place[name] for name in columns["type_b"]]])
    shape = (len(categories), len(categories))

    def matrix(name: str, used: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        found = np.full(shape, np.nan)
        found[tuple(at[:, used])] = columns[name][used]
        return found

    edges = columns["kind"] == "graph"
    count, score = matrix("count", edges), matrix("z", edges)
    counts = {"count": np.nan_to_num(count).astype(np.int64), "zscore": score}
    put(file["uns"], "cell_type_nhood_enrichment", counts)
    radii = np.unique(columns["distance_high"][~edges])
    if len(radii):
        rings = np.stack([matrix("count", columns["distance_high"] == r) for r in radii])
        occurrence = {"occ": _co_occurrence(rings), "interval": np.append(0.0, radii)}
        put(file["uns"], "cell_type_co_occurrence", occurrence)


def _co_occurrence(rings: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """As squidpy defines it, of counts (rings, a, b): [b, a, r] = P(b | a) / P(b) within r."""
    within = np.nan_to_num(rings).cumsum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        near = within / within.sum(axis=2, keepdims=True)
        share = within.sum(axis=1) / within.sum(axis=(1, 2))[:, None]
        ratio = near / share[:, None, :]
    return np.nan_to_num(ratio, posinf=0.0).transpose(2, 1, 0)
