"""Counts and groups of cells for the viewer: ``cell_feature_matrix`` and ``analysis`` archives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vitrail.explorer.archive import Archive
from vitrail.explorer.outlines import cell_ids

TOTAL = "Total transcripts"
UNKNOWN = "unknown"


def write_counts(path: Path, counts: Any, genes: list[str]) -> None:
    """Write the counts gene by gene, with their total as the last feature.

    Parameters
    ----------
    path
        File to be made.
    counts
        scipy sparse matrix (cells, genes) of whole numbers.
    genes
        Names of the genes.
    """
    columns = counts.tocsc()
    columns.sort_indices()
    total = np.asarray(counts.sum(axis=1)).ravel()
    cells = np.flatnonzero(total)
    attributes = {
        "major_version": 3,
        "minor_version": 0,
        "number_cells": int(counts.shape[0]),
        "number_features": len(genes) + 1,
        "feature_keys": [*genes, TOTAL],
        "feature_ids": [*genes, TOTAL],
        "feature_types": ["gene"] * len(genes) + ["aggregate_gene"],
    }
    with Archive(path) as archive:
        archive.group("")
        archive.group("cell_features", attributes)
        archive.array("cell_features/cell_id", cell_ids(counts.shape[0]), np.uint32)
        archive.array("cell_features/data", np.concatenate([columns.data, total[cells]]), np.uint32)
        archive.array("cell_features/indices", np.concatenate([columns.indices, cells]), np.uint32)
        ends = np.append(columns.indptr, columns.indptr[-1] + len(cells))
        archive.array("cell_features/indptr", ends, np.uint32)


def write_groups(path: Path, groups: Mapping[str, list[str | None]]) -> None:
    """Write groupings of the cells, such as clusters and cell types.

    Parameters
    ----------
    path
        File to be made.
    groups
        Name of each grouping to the group of each cell, None where unknown.
    """
    named = {
        name: np.array([UNKNOWN if value is None else value for value in values], dtype=str)
        for name, values in groups.items()
    }
    categories = {name: np.unique(values).tolist() for name, values in named.items()}
    attributes = {
        "major_version": 1,
        "minor_version": 0,
        "number_groupings": len(named),
        "grouping_names": list(named),
        "group_names": list(categories.values()),
    }
    with Archive(path) as archive:
        archive.group("")
        archive.group("cell_groups", attributes)
        for index, (name, values) in enumerate(named.items()):
            members = [np.flatnonzero(values == group) for group in categories[name]]
            starts = np.cumsum([0, *(len(part) for part in members)])[:-1]
            place = f"cell_groups/{index}"
            archive.group(place)
            archive.array(f"{place}/indices", np.concatenate([*members, []]), np.uint32)
            archive.array(f"{place}/indptr", starts, np.uint32)
