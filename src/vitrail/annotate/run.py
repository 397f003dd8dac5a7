"""Annotate a sample's cells."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from vitrail.annotate.quality import Quality, Thresholds, control_counts, count_metrics, judge
from vitrail.annotate.rows import Rows
from vitrail.io.h5_rows import CsrWriter
from vitrail.io.h5ad import (
    Categorical,
    CellMatrix,
    copy_matrices,
    read_element,
    read_head,
    write_h5ad,
)
from vitrail.provenance import to_json

LOG = logging.getLogger("vitrail.annotate")


def annotate(
    counts: str | Path,
    target: str | Path,
    settings: Mapping[str, Any],
    markers: Mapping[str, Sequence[str]] | None = None,
    where: str = "markers",
    *,
    provenance: Mapping[str, Any],
    threads: int | None = None,
) -> None:
    """Flag, normalise, cluster and name the cells of a sample.

    Every cell keeps its row. Cells that fail quality control get no cluster and no type. Types
    that are given stay as they are. Counts are gone through in blocks of cells, layers are copied
    as they are stored: what is held is linear in cells, whatever the number of genes and layers.

    Parameters
    ----------
    counts
        counts.h5ad: X of integers are counts, X of floats are intensities; no columns is
        allowed, as is no row.
    target
        annotated.h5ad, to be made.
    settings
        The stage's section of the config, with `seed`.
    markers
        Marker genes of each type, or None.
    where
        Name of the marker list, for errors.
    provenance
        Record to be stored.
    threads
        Threads that compress; None for all that the process may use.
    """
    with h5py.File(counts, "r") as source:
        cells = read_head(source)
        stored = source["X"]
        dtype = stored["data"].dtype if isinstance(stored, h5py.Group) else stored.dtype
        is_counts = np.issubdtype(dtype, np.integer)
        X = Rows.stored(stored, cells.shape)
        if is_counts and cells.shape[1]:
            _store_metrics(cells, X, _controls(source), settings["blanks"])
        quality = judge(cells.obs, cells.shape[0], Thresholds(**settings["quality"]))
        _store_quality(cells, quality)
        if is_counts and settings["spillover"] is not None:
            _store_spillover(cells, X, quality.passed, settings["spillover"], markers)
        cells.obs["cluster"] = Categorical(np.full(cells.shape[0], -1, dtype=np.int8), [])
        values = X
        if cells.shape[1]:
            values = _normalised(cells, X, stored, quality.passed, settings, is_counts)
            _describe(cells, values, quality.passed, settings, markers, where, is_counts)
        cells.uns["vitrail"] = to_json({**provenance, "inputs": {"counts": _record(cells)}})
        write_h5ad(target, **vars(cells))
        with h5py.File(target, "r+") as file:
            copy_matrices(source, file)
            if is_counts and cells.shape[1]:
                _write_rows(file, "X", X, dtype, threads)
            else:
                source.copy(stored, file, "X")
            _write_rows(file["layers"], "lognorm", values, np.float32, threads)


def _record(cells: CellMatrix) -> Any:
    """Provenance of the counts."""
    return json.loads(str(cells.uns.get("vitrail", "null")))


def _controls(source: h5py.File) -> Rows | None:
    if "obsm/controls" not in source:
        return None
    stored = source["obsm/controls"]
    shape = stored.attrs["shape"] if isinstance(stored, h5py.Group) else stored.shape
    return Rows.stored(stored, tuple(shape))


def _store_metrics(
    cells: CellMatrix, X: Rows, controls: Rows | None, blanks: Sequence[str]
) -> None:
    cells.obs |= count_metrics(X, controls)
    names = [str(name) for name in cells.uns.get("controls", [])]
    cells.obs |= control_counts(controls, names, blanks)


def _describe(
    cells: CellMatrix,
    values: Rows,
    passed: npt.NDArray[np.bool_],
    settings: Mapping[str, Any],
    markers: Mapping[str, Sequence[str]] | None,
    where: str,
    is_counts: bool,
) -> None:
    """Add what comes of normalised values: components, clusters and types."""
    neighbours = _cluster(cells, values, passed, settings, is_counts)
    if markers and "cell_type" not in cells.obs:
        of_passed = values.where(passed)
        _name_types(cells, of_passed, passed, neighbours, markers, settings["cell_types"], where)


def _write_rows(parent: h5py.Group, name: str, rows: Rows, dtype: Any, threads: int | None) -> None:
    writer = CsrWriter(parent, name, dtype, threads)
    for _, block in rows:
        writer.append(block)
    writer.close(rows.shape)


def _store_quality(cells: CellMatrix, quality: Quality) -> None:
    n, passed = cells.shape[0], int(quality.passed.sum())
    cells.obs["qc_pass"] = quality.passed
    cells.obs["qc_reason"] = quality.reason
    cells.uns["qc"] = {"cells": n, "passed": passed, "failed": dict(quality.counts)}
    reasons = ", ".join(f"{count} {reason}" for reason, count in quality.counts.items())
    LOG.info("quality: %d of %d cells pass%s", passed, n, f"; {reasons}" if reasons else "")


def _store_spillover(
    cells: CellMatrix,
    X: Rows,
    passed: npt.NDArray[np.bool_],
    options: Mapping[str, Any],
    markers: Mapping[str, Sequence[str]] | None,
) -> None:
    """Count exclusive markers in one cell, where any are known."""
    from vitrail.annotate.spillover import as_dict, exclusive_pairs, spillover

    pairs = exclusive_pairs(options["pairs"], markers, cells.var_names)
    if not pairs:
        return
    found = spillover(X, passed, cells.var_names, pairs, options["min_counts"])
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
    X: Rows,
    stored: h5py.Group | h5py.Dataset,
    passed: npt.NDArray[np.bool_],
    settings: Mapping[str, Any],
    is_counts: bool,
) -> Rows:
    from vitrail.annotate.normalize import arcsinh, log_scaled, size_factors

    if is_counts:
        target = settings["normalization"]["target"]
        factor = size_factors(cells.obs["total_counts"], passed, target)
        return X.map(lambda here, block: log_scaled(block, factor[here]))
    # Intensities have few columns, and all of a column are needed for its median.
    held = read_element(stored)
    return Rows.of(arcsinh(held.toarray() if hasattr(held, "toarray") else held, passed))


def _cluster(
    cells: CellMatrix,
    values: Rows,
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
    components = principal_components(values, passed, options["components"], scale=not is_counts)
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
    values: Rows,
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
    scores = marker_scores(values, list(columns.values()), neighbours)
    codes = np.full(len(passed), -1, dtype=np.int32)
    codes[passed] = call_types(scores, options["min_score"], options["margin"])
    cells.obs["cell_type"] = Categorical(codes, list(columns))
    tally = np.bincount(codes[codes >= 0], minlength=len(columns))
    found = ", ".join(f"{k} {name}" for name, k in zip(columns, tally, strict=True))
    LOG.info("types: %s, %d unknown", found, int((codes[passed] < 0).sum()))
