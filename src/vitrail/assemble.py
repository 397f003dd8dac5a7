"""The two files that a user takes away: a sample's AnnData and its SpatialData.

The AnnData is the annotated cells with the spatial graph, the spatial statistics and the portraits
beside them. The SpatialData puts image, labels, outlines and transcripts around it; its table is a
copy of the AnnData file. Neither anndata nor spatialdata is imported: a cohort of small samples
would spend its time on that.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from vitrail.errors import VitrailError
from vitrail.io import parquet
from vitrail.io import spatialdata_store as store
from vitrail.io.h5ad import read_element, read_names
from vitrail.io.h5ad_enrichment import add_enrichment
from vitrail.io.h5ad_parts import add_column, put, put_frame
from vitrail.io.h5ad_topography import add_topography
from vitrail.provenance import to_json

REGION = "cells"
INSTANCE_KEY = "cell"
# Elements of one SpatialData need different names, whatever their types.
LABELS = {"cells": "cell_labels", "nuclei": "nucleus_labels"}
# Columns of our table, and what squidpy's users know them by in uns["moranI"], uns["gearyC"].
SQUIDPY_COLUMNS = {
    "p_normal": "pval_norm",
    "variance_normal": "var_norm",
    "p": "pval_rand",
    "variance": "var_rand",
    "p_permutation": "pval_sim",
    "fdr": "fdr",
}
GENE_COLUMNS = ("z", "p", "p_alike", "p_permutation", "fdr")


def write_anndata(
    target: str | Path,
    cells: str | Path,
    *,
    graph: str | Path | None = None,
    autocorrelation: str | Path | None = None,
    autocorrelation_pairs: str | Path | None = None,
    autocorrelation_local: str | Path | None = None,
    enrichment: str | Path | None = None,
    portraits: str | Path | None = None,
    topography: str | Path | None = None,
    borders: str | Path | None = None,
    info: str | Path | None = None,
    provenance: Mapping[str, Any],
) -> None:
    """Write a sample's AnnData: the annotated cells and all that was computed on them.

    Parameters
    ----------
    target
        File to be made.
    cells, graph, autocorrelation, autocorrelation_pairs, autocorrelation_local, enrichment,
    portraits
        Outputs of the stages annotate, graph, autocorrelation, enrichment and portrait.
    topography, borders
        Outputs of the stage topography: its table and its values a cell.
    info
        slide.json of the stage ingest: names the raw files, their sizes and hashes. Without it
        (samples that are tables) the record of the cells names them.
    provenance
        Record of this stage; stored in ``uns["vitrail"]`` with that of the cells and the raw files.
    """
    shutil.copyfile(cells, target)
    with h5py.File(target, "r+") as file:
        if graph is not None:
            _add_graph(file, graph)
        if autocorrelation is not None:
            _add_autocorrelation(file, autocorrelation)
        if autocorrelation_pairs is not None:
            _add_pairs(file, autocorrelation_pairs)
        if autocorrelation_local is not None:
            _add_local(file, autocorrelation_local)
        if topography is not None and borders is not None:
            add_topography(file, topography, borders)
        uns = file["uns"]
        if enrichment is not None:
            add_enrichment(file, enrichment)
        if portraits is not None:
            put(uns, "portraits", _nested(portraits))
        # Without cells there is nothing to annotate, and spatialdata refuses a region of no rows.
        if len(read_names(file["obs"])):
            keys = {"region": REGION, "region_key": "region", "instance_key": INSTANCE_KEY}
            put(uns, "spatialdata_attrs", keys)
        inputs = json.loads(read_element(uns["vitrail"])) if "vitrail" in uns else None
        record = {"cells": inputs, "files": _raw_files(info, inputs)}
        put(uns, "vitrail", to_json({**provenance, "inputs": record}))


def _raw_files(info: str | Path | None, cells: Mapping[str, Any] | None) -> Any:
    """Raw files of a sample: of a slide as slide.json lists them, of a table as its counts do."""
    if info is not None:
        return json.loads(Path(info).read_text("utf-8")).get("files")
    counts = ((cells or {}).get("inputs") or {}).get("counts") or {}
    return counts.get("files")


def _add_graph(file: h5py.File, path: str | Path) -> None:
    """Put the graph where squidpy looks for it."""
    from scipy.sparse import csr_matrix

    n = len(read_names(file["obs"]))
    obsp = file.require_group("obsp")
    # vitrail.io.graph would read this too, but brings the compiled code that builds graphs.
    with np.load(path) as arrays:
        shape = tuple(int(size) for size in arrays["shape"])
        if shape != (n, n):
            raise VitrailError(
                f"{path}: the graph has {shape[0]} nodes, wanted the {n} cells of {file.filename}."
            )
        for name in ("connectivities", "distances"):
            parts = [arrays[f"{name}_{part}"] for part in ("data", "indices", "indptr")]
            put(obsp, f"spatial_{name}", csr_matrix(tuple(parts), shape=shape))
        meta = json.loads(str(arrays["meta"]))
        if "border" in arrays:
            add_column(file["obs"], "border", arrays["border"])
    neighbors = {
        "connectivities_key": "spatial_connectivities",
        "distances_key": "spatial_distances",
        "params": {"coord_type": "generic", **_without_none(meta)},
    }
    put(file["uns"], "spatial_neighbors", neighbors)


def _without_none(value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(item) if isinstance(item, Mapping) else item
        for key, item in value.items()
        if item is not None
    }


def _add_autocorrelation(file: h5py.File, path: str | Path) -> None:
    """Spatial statistics as columns of `var` and as squidpy's tables in `uns`."""
    table = parquet.read(path)
    if table.num_rows == 0:
        return
    names = read_names(file["var"])
    place = {name: i for i, name in enumerate(names)}
    genes = table["gene"].to_pylist()
    unknown = [gene for gene in genes if gene not in place]
    if unknown:
        raise VitrailError(
            f"{path}: gene '{unknown[0]}' is not among the genes of {file.filename}."
        )
    rows = np.array([place[gene] for gene in genes])
    for prefix, symbol, key in (("moran_", "I", "moranI"), ("geary_", "C", "gearyC")):
        columns = {
            name: np.asarray(table[prefix + name], dtype=np.float64)
            for name in dict.fromkeys((symbol, *SQUIDPY_COLUMNS, *GENE_COLUMNS))
        }
        for name in (symbol, *GENE_COLUMNS):
            values = np.full(len(names), np.nan)
            values[rows] = columns[name]
            add_column(file["var"], prefix + name, values)
        descending = symbol == "I"
        order = np.argsort(-columns[symbol] if descending else columns[symbol], kind="stable")
        renamed = {
            SQUIDPY_COLUMNS.get(name, name): columns[name][order]
            for name in (symbol, *SQUIDPY_COLUMNS)
        }
        put_frame(file["uns"], key, [genes[i] for i in order], renamed)


def _add_pairs(file: h5py.File, path: str | Path) -> None:
    """Bivariate Moran's I as a table in `uns`, where pairs were asked for."""
    table = parquet.read(path)
    if table.num_rows == 0:
        return
    columns = {name: np.array(table[name].to_pylist(), dtype=object) for name in ("x", "y")}
    for name in ("I", "expected", "variance", "z", "p", "p_permutation", "fdr"):
        columns[name] = np.asarray(table[name], dtype=np.float64)
    index = [f"{x}|{y}" for x, y in zip(columns["x"], columns["y"], strict=True)]
    put_frame(file["uns"], "bivariate_moran", index, columns)


def _add_local(file: h5py.File, path: str | Path) -> None:
    """Local Moran's I as arrays (cells, genes) in `obsm`, where genes were asked for."""
    table = parquet.read(path)
    if table.num_rows == 0:
        return
    genes = list(dict.fromkeys(table["gene"].to_pylist()))
    column = {gene: i for i, gene in enumerate(genes)}
    labels = read_element(file["obs"][INSTANCE_KEY])
    order = np.argsort(labels)
    rows = order[np.searchsorted(labels, np.asarray(table["cell"]), sorter=order)]
    columns = np.array([column[gene] for gene in table["gene"].to_pylist()])
    for name in ("I", "p", "p_permutation", "fdr", "quadrant"):
        values = np.asarray(table[name])
        whole = np.zeros if name == "quadrant" else partial(np.full, fill_value=np.nan)
        out = whole((len(labels), len(genes)), dtype=values.dtype)
        out[rows, columns] = values
        put(file["obsm"], f"local_moran_{name}", out)
    put(file["uns"], "local_moran", {"genes": np.array(genes, dtype=object)})


def _nested(path: str | Path) -> dict[str, Any]:
    """Arrays of an npz file as mappings: a slash in a name begins a mapping inside."""
    nested: dict[str, Any] = {}
    with np.load(path) as file:
        for name in sorted(file.files):
            *folders, last = name.split("/")
            inner = nested
            for folder in folders:
                inner = inner.setdefault(folder, {})
            value = file[name]
            inner[last] = str(value) if value.ndim == 0 and value.dtype.kind in "US" else value
    return nested


def write_spatialdata(
    target: str | Path,
    table: str | Path,
    *,
    slide: str | Path | None = None,
    info: str | Path | None = None,
    labels: str | Path | None = None,
    outlines: str | Path | None = None,
    nuclei: str | Path | None = None,
    transcripts: str | Path | None = None,
    circle_radius: float = 5.0,
) -> bool:
    """Write a sample's SpatialData: all elements in the coordinate system `global`, micrometres.

    Parameters
    ----------
    target
        Store to be made: a folder.
    table
        The sample's AnnData file; becomes ``tables/table``, which annotates ``shapes/cells``.
    slide, info, labels, outlines, nuclei, transcripts
        Outputs of ingest, stitch and assign, where the sample has them.
    circle_radius
        Radius in micrometres of the circles that stand for cells without outlines.

    Returns
    -------
    Whether all chunks and parts of the image, the labels and the transcripts were linked.
    """
    linked = True
    with store.new_store(target) as root:
        if slide is not None and (image := Path(slide, "images", "image")).is_dir():
            linked &= store.take_element(image, root, "images", "image")
        if labels is not None and info is not None:
            geometry = json.loads(Path(info).read_text())
            for kind, name in LABELS.items():
                if (array := Path(labels, kind)).is_dir():
                    linked &= store.take_labels(
                        array, root, name, geometry["pixel_size_um"], geometry["origin_um"]
                    )
        if transcripts is not None:
            linked &= store.take_element(Path(transcripts), root, "points", "transcripts")
        if outlines is not None:
            _add_outlines(root, "cells", outlines, INSTANCE_KEY)
        else:
            _add_circles(root, table, circle_radius)
        if nuclei is not None:
            _add_outlines(root, "nuclei", nuclei, "nucleus")
        store.table_element(root, "table", Path(table))
    return linked


def _add_outlines(root: Path, name: str, source: str | Path, index: str) -> None:
    import pyarrow.parquet as pq

    from vitrail.io.shapes import write_outlines

    # spatialdata refuses shapes without rows.
    if pq.read_metadata(source).num_rows:
        write_outlines(source, store.shapes_element(root, name), index)


def _add_circles(root: Path, table: str | Path, radius: float) -> None:
    from vitrail.io.shapes import write_circles

    with h5py.File(table) as file:
        labels = read_element(file["obs"][INSTANCE_KEY])
        xy = read_element(file["obsm"]["spatial"])
    if len(labels):
        write_circles(store.shapes_element(root, REGION), INSTANCE_KEY, labels, xy, radius)
