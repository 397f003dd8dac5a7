"""All samples of a cohort in one AnnData file.

Matrices go from file to file in blocks of rows; what is held in memory is linear in cells, one
column of `obs` at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np

from vitrail.errors import VitrailError
from vitrail.io.h5_rows import CsrWriter, csr_blocks
from vitrail.io.h5ad import Categorical, read_element, read_names, write_element, write_h5ad
from vitrail.provenance import to_json

Join = Literal["inner", "outer"]

# Matrices that mean the same in each sample. Principal components are each sample's own, and
# expected contamination (`ambient`) is an estimate from the ground of one slide.
LAYERS = ("lognorm", "nucleus", "cytoplasm", "outside")
GRAPH = ("spatial_connectivities", "spatial_distances")
SHEET_COLUMNS = ("sample", "condition", "unit")


def concatenate(
    target: str | Path,
    paths: Sequence[str | Path],
    rows: Sequence[Mapping[str, Any]],
    *,
    genes: Join = "inner",
    provenance: Mapping[str, Any],
) -> dict[str, int]:
    """Write the samples of a cohort, one below the other, as one AnnData file.

    Parameters
    ----------
    target
        File to be made.
    paths
        The samples' AnnData files.
    rows
        The samples' rows of the sheet, in the same order: ``sample``, ``condition``, ``unit``.
    genes
        "inner" keeps the genes that all samples measured, "outer" those that any did; then 0 also
        stands for not measured, and ``var["samples"]`` counts the samples that measured a gene.
        Samples that measured no genes (tables of positions and types) do not narrow the join.
    provenance
        Record of this stage.

    Returns
    -------
    Counts for the log: ``cells``, ``genes``, ``genes_of_any`` and ``samples_with_genes``.

    Notes
    -----
    ``obs["cluster"]`` becomes ``<sample>:<cluster>``, since cluster numbers of different samples
    have nothing to do with each other. The spatial graph is block-diagonal.
    """
    with ExitStack() as stack:
        files = [stack.enter_context(h5py.File(path)) for path in paths]
        panels = [[str(name) for name in read_names(file["var"])] for file in files]
        kept, measured = join_genes(panels, genes)
        sizes = [len(read_names(file["obs"])) for file in files]
        write_h5ad(
            target,
            None,
            _obs(files, rows, sizes),
            _obs_names(files, paths),
            kept,
            var={"samples": measured},
            obsm={"spatial": np.concatenate([file["obsm/spatial"][:] for file in files])},
            uns=_uns(rows, sizes, panels, genes, provenance),
        )
        with h5py.File(target, "r+") as merged:
            _write_matrices(merged, files, sizes, panels, kept)
    return {
        "cells": sum(sizes),
        "genes": len(kept),
        "genes_of_any": len({gene for panel in panels for gene in panel}),
        "samples_with_genes": sum(bool(panel) for panel in panels),
    }


def join_genes(panels: Sequence[Sequence[str]], join: Join) -> tuple[list[str], Any]:
    """Genes of a cohort in order of first appearance, and how many samples measured each.

    Parameters
    ----------
    panels
        Names of the genes of each sample; empty where a sample has none.
    join
        "inner" or "outer".
    """
    count: dict[str, int] = {}
    for panel in panels:
        for gene in panel:
            count[gene] = count.get(gene, 0) + 1
    wanted = sum(bool(panel) for panel in panels) if join == "inner" else 1
    kept = [gene for gene, samples in count.items() if samples >= wanted]
    return kept, np.array([count[gene] for gene in kept], dtype=np.int32)


def _obs_names(files: Sequence[h5py.File], paths: Sequence[str | Path]) -> list[str]:
    names: list[str] = []
    seen: set[str] = set()
    for file, path in zip(files, paths, strict=True):
        own = [str(name) for name in read_names(file["obs"])]
        doubled = seen.intersection(own)
        if doubled:
            raise VitrailError(
                f"{path}: cell '{min(doubled)}' is in another sample too, wanted names that are "
                "unique in the cohort."
            )
        seen.update(own)
        names.extend(own)
    return names


def _obs(
    files: Sequence[h5py.File], rows: Sequence[Mapping[str, Any]], sizes: Sequence[int]
) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for name in SHEET_COLUMNS:
        columns[name] = merge_columns(
            [_constant(row.get(name), n) for row, n in zip(rows, sizes, strict=True)], sizes
        )
    order = {str(name): None for file in files for name in file["obs"].attrs["column-order"]}
    for name in order:
        if name in columns:
            continue
        parts = [read_element(f["obs"][name]) if name in f["obs"] else None for f in files]
        if name == "cluster":
            parts = [_of_sample(p, row["sample"]) for p, row in zip(parts, rows, strict=True)]
        columns[name] = merge_columns(parts, sizes)
    return columns


def _constant(value: Any, n: int) -> Categorical:
    if value is None:
        return Categorical(np.full(n, -1, np.int8), [])
    return Categorical.constant(str(value), n)


def _of_sample(part: Any, sample: str) -> Any:
    if not isinstance(part, Categorical):
        return part
    return Categorical(part.codes, [f"{sample}:{name}" for name in part.categories])


def merge_columns(parts: Sequence[Any], sizes: Sequence[int]) -> Any:
    """One column from the samples' columns; None where a sample has no such column.

    Numbers stay numbers, missing ones become NaN; all that is text becomes categorical, with
    categories in order of first appearance.
    """
    if any(isinstance(part, Categorical) or _is_text(part) for part in parts):
        return _merge_text(parts, sizes)
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        missing = [np.full(n, np.nan) for n in sizes]
        filled = zip(parts, missing, strict=True)
        return np.concatenate([gap if p is None else p.astype(np.float64) for p, gap in filled])
    return np.concatenate(known)


def _is_text(part: Any) -> bool:
    return part is not None and not isinstance(part, Categorical) and part.dtype.kind in "OUST"


def _merge_text(parts: Sequence[Any], sizes: Sequence[int]) -> Categorical:
    place: dict[str, int] = {}
    merged: list[Any] = []
    for part, n in zip(parts, sizes, strict=True):
        if part is None:
            merged.append(np.full(n, -1, np.int32))
            continue
        if not isinstance(part, Categorical):
            part = Categorical.of([None if value is None else str(value) for value in part])
        codes = [place.setdefault(str(name), len(place)) for name in part.categories]
        merged.append(np.array([*codes, -1], dtype=np.int32)[part.codes])
    return Categorical(np.concatenate(merged), list(place))


def _uns(
    rows: Sequence[Mapping[str, Any]],
    sizes: Sequence[int],
    panels: Sequence[Sequence[str]],
    join: Join,
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    samples = {
        **{name: [str(row.get(name) or "") for row in rows] for name in SHEET_COLUMNS},
        "cells": np.array(sizes, dtype=np.int64),
        "genes": np.array([len(panel) for panel in panels], dtype=np.int64),
    }
    keys = {"connectivities_key": GRAPH[0], "distances_key": GRAPH[1], "params": {}}
    return {
        "samples": samples,
        "gene_join": join,
        "spatial_neighbors": keys,
        "vitrail": to_json(provenance),
    }


def _write_matrices(
    merged: h5py.File,
    files: Sequence[h5py.File],
    sizes: Sequence[int],
    panels: Sequence[Sequence[str]],
    kept: Sequence[str],
) -> None:
    place = {gene: i for i, gene in enumerate(kept)}
    columns = [
        np.array([place.get(gene, -1) for gene in panel], dtype=np.int64) for panel in panels
    ]
    n = sum(sizes)
    for name in ("X", *(f"layers/{layer}" for layer in LAYERS)):
        # A layer that one measured sample lacks would read as zeros there.
        if name == "X" or all(name in f for f, panel in zip(files, panels, strict=True) if panel):
            if name != "X" and not kept:
                continue
            blocks = _gene_blocks(files, name, sizes, columns, len(kept))
            _write_rows(merged, name, blocks, (n, len(kept)))
    if all(f"obsp/{GRAPH[0]}" in file for file in files):
        for name in GRAPH:
            blocks = _graph_blocks(files, f"obsp/{name}", sizes, n)
            _write_rows(merged, f"obsp/{name}", blocks, (n, n))
    else:
        del merged["uns/spatial_neighbors"]


def _write_rows(
    merged: h5py.File, name: str, blocks: Iterator[Any], shape: tuple[int, int]
) -> None:
    folder, _, last = name.rpartition("/")
    writer = None
    for block in blocks:
        if writer is None:
            writer = CsrWriter(merged[folder or "/"], last, block.dtype)
        writer.append(block)
    if writer is None:
        from scipy.sparse import csr_matrix

        write_element(merged[folder or "/"], last, csr_matrix(shape, dtype=np.float32))
    else:
        writer.close(shape)


def _gene_blocks(
    files: Sequence[h5py.File],
    name: str,
    sizes: Sequence[int],
    columns: Sequence[Any],
    n_genes: int,
) -> Iterator[Any]:
    """Rows of all samples with the cohort's genes as columns."""
    from scipy.sparse import csr_matrix

    dtype = np.result_type(
        *(_dtype(f[name]) for f, c in zip(files, columns, strict=True) if len(c)), np.int8
    )
    for file, n, place in zip(files, sizes, columns, strict=True):
        if not len(place):
            yield csr_matrix((n, n_genes), dtype=dtype)
            continue
        for block in csr_blocks(file[name]):
            yield _select(block, place, n_genes).astype(dtype)


def _dtype(item: h5py.Group | h5py.Dataset) -> Any:
    return item["data"].dtype if isinstance(item, h5py.Group) else item.dtype


def _select(block: Any, place: Any, n_genes: int) -> Any:
    """Columns of a block at their places in the cohort; those without a place are dropped."""
    from scipy.sparse import csr_matrix

    known = place >= 0
    selection = csr_matrix(
        (np.ones(known.sum(), block.dtype), (np.flatnonzero(known), place[known])),
        shape=(len(place), n_genes),
    )
    selected = (block @ selection).tocsr()
    selected.sort_indices()
    return selected


def _graph_blocks(
    files: Sequence[h5py.File], name: str, sizes: Sequence[int], n: int
) -> Iterator[Any]:
    """Rows of the block-diagonal matrix of all samples."""
    from scipy.sparse import csr_matrix

    start = 0
    for file, size in zip(files, sizes, strict=True):
        for block in csr_blocks(file[name]):
            parts = (block.data, block.indices.astype(np.int64) + start, block.indptr)
            yield csr_matrix(parts, shape=(block.shape[0], n))
        start += size
