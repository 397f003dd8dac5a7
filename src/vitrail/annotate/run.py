"""Annotate a sample's cells."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail.annotate.quality import Quality, Thresholds, control_counts, count_metrics, judge
from vitrail.io.h5ad import Categorical, CellMatrix

LOG = logging.getLogger("vitrail.annotate")


def annotate(
    cells: CellMatrix,
    settings: Mapping[str, Any],
    markers: Mapping[str, Sequence[str]] | None = None,
    where: str = "markers",
) -> CellMatrix:
    """Flag, normalise, cluster and name the cells of a sample.

    Every cell keeps its row. Cells that fail quality control get no cluster and no type. Types
    that are given stay as they are.

    Parameters
    ----------
    cells
        counts.h5ad: X of integers are counts, X of floats are intensities; no columns is
        allowed, as is no row.
    settings
        The stage's section of the config, with `seed`.
    markers
        Marker genes of each type, or None.
    where
        Name of the marker list, for errors.

    Returns
    -------
    The same cells with the columns, layers and embeddings of annotated.h5ad.
    """
    is_counts = np.issubdtype(cells.X.dtype, np.integer)
    if is_counts and cells.shape[1]:
        cells.X = _canonical(cells.X)
        controls = cells.obsm.get("controls")
        cells.obs |= count_metrics(cells.X, controls)
        names = [str(name) for name in cells.uns.get("controls", [])]
        cells.obs |= control_counts(controls, names, settings["blanks"])
    quality = judge(cells.obs, cells.shape[0], Thresholds(**settings["quality"]))
    _store_quality(cells, quality)
    if is_counts and settings["spillover"] is not None:
        _store_spillover(cells, quality.passed, settings["spillover"], markers)
    cells.obs["cluster"] = Categorical(np.full(cells.shape[0], -1, dtype=np.int8), [])
    if cells.shape[1] == 0:
        cells.layers["lognorm"] = _no_columns(cells.shape[0])
        return cells
    cells.layers["lognorm"] = _normalised(cells, quality.passed, settings, is_counts)
    neighbours = _cluster(cells, quality.passed, settings, is_counts)
    if markers and "cell_type" not in cells.obs:
        _name_types(cells, quality.passed, neighbours, markers, settings["cell_types"], where)
    return cells


def _canonical(X: Any) -> Any:
    """CSR with sorted places, so that nothing depends on how the file stores it."""
    from scipy import sparse

    X = sparse.csr_matrix(X)
    X.sum_duplicates()
    X.eliminate_zeros()
    return X


def _no_columns(n: int) -> Any:
    from scipy import sparse

    return sparse.csr_matrix((n, 0), dtype=np.float32)


def _store_quality(cells: CellMatrix, quality: Quality) -> None:
    n, passed = cells.shape[0], int(quality.passed.sum())
    cells.obs["qc_pass"] = quality.passed
    cells.obs["qc_reason"] = quality.reason
    cells.uns["qc"] = {"cells": n, "passed": passed, "failed": dict(quality.counts)}
    reasons = ", ".join(f"{count} {reason}" for reason, count in quality.counts.items())
    LOG.info("quality: %d of %d cells pass%s", passed, n, f"; {reasons}" if reasons else "")


def _store_spillover(
    cells: CellMatrix,
    passed: npt.NDArray[np.bool_],
    options: Mapping[str, Any],
    markers: Mapping[str, Sequence[str]] | None,
) -> None:
    """Count exclusive markers in one cell, where any are known."""
    from vitrail.annotate.spillover import as_dict, exclusive_pairs, spillover

    pairs = exclusive_pairs(options["pairs"], markers, cells.var_names)
    if not pairs:
        return
    found = spillover(cells.X, passed, cells.var_names, pairs, options["min_counts"])
    cells.obs["exclusive_pairs"] = found.in_cell
    cells.uns["spillover"] = as_dict(found)
    LOG.info(
        "spill-over: %d cells with both genes of %d exclusive pairs, %.0f expected by chance",
        found.observed.sum(),
        len(pairs),
        found.expected.sum(),
    )


def _normalised(
    cells: CellMatrix,
    passed: npt.NDArray[np.bool_],
    settings: Mapping[str, Any],
    is_counts: bool,
) -> Any:
    from vitrail.annotate.normalize import arcsinh, lognorm

    if is_counts:
        return lognorm(cells.X, passed, settings["normalization"]["target"])
    X = cells.X.toarray() if hasattr(cells.X, "toarray") else cells.X
    return arcsinh(X, passed)


def _cluster(
    cells: CellMatrix,
    passed: npt.NDArray[np.bool_],
    settings: Mapping[str, Any],
    is_counts: bool,
) -> npt.NDArray[np.int64] | None:
    """Add components and clusters; give back the passed cells' neighbours among them."""
    options = settings["clustering"]
    n = int(passed.sum())
    if n < options["min_cells"] or cells.shape[1] < 2:
        LOG.info("clusters: none, for %d cells and %d columns are too few", n, cells.shape[1])
        return None
    from vitrail.annotate.cluster import leiden
    from vitrail.annotate.embed import nearest_neighbours, principal_components

    # Channels have no common unit of spread, transformed counts have.
    components = principal_components(
        cells.layers["lognorm"], passed, options["components"], scale=not is_counts
    )
    cells.obsm["X_pca"] = components
    k = min(options["neighbors"], n - 1)
    neighbours = nearest_neighbours(components[passed], k, settings["seed"])
    cluster = leiden(neighbours, options["resolution"], settings["seed"])
    codes = np.full(len(passed), -1, dtype=np.int32)
    codes[passed] = cluster
    names = [str(i) for i in range(int(cluster.max(initial=-1)) + 1)]
    cells.obs["cluster"] = Categorical(codes, names)
    LOG.info("clusters: %d", len(names))
    return neighbours


def _name_types(
    cells: CellMatrix,
    passed: npt.NDArray[np.bool_],
    neighbours: npt.NDArray[np.int64] | None,
    markers: Mapping[str, Sequence[str]],
    options: Mapping[str, Any],
    where: str,
) -> None:
    from vitrail.annotate.cell_types import call_types, marker_scores, markers_in_panel

    columns, absent = markers_in_panel(markers, cells.var_names, where)
    if absent:
        LOG.warning("markers that the panel lacks: %s", ", ".join(absent))
    values = cells.layers["lognorm"][passed]
    scores = marker_scores(values, list(columns.values()), neighbours)
    codes = np.full(len(passed), -1, dtype=np.int32)
    codes[passed] = call_types(scores, options["min_score"], options["margin"])
    cells.obs["cell_type"] = Categorical(codes, list(columns))
    tally = np.bincount(codes[codes >= 0], minlength=len(columns))
    found = ", ".join(f"{k} {name}" for name, k in zip(columns, tally, strict=True))
    LOG.info("types: %s, %d unknown", found, int((codes[passed] < 0).sum()))
