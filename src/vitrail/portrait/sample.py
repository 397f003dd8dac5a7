"""All portraits of one sample: what the comparison of a cohort needs of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from vitrail.errors import VitrailError
from vitrail.graph.spatial import interior
from vitrail.portrait.arrangement import pair_counts
from vitrail.portrait.divergence import SHIFT
from vitrail.portrait.entries import Entries
from vitrail.portrait.groups import group_entries
from vitrail.portrait.patterns import count_patterns
from vitrail.portrait.portraits import portrait, undirected
from vitrail.portrait.sampled import PARTS, sampled_portrait
from vitrail.portrait.windows import draw_windows, window_graph

Integers = npt.NDArray[np.int64]

# Ways to take the portraits of whole graphs; one for a cohort.
ESTIMATORS = ("exact", "sampled", "depth")


@dataclass(frozen=True)
class SamplePortraits:
    """Portraits of one sample.

    Attributes
    ----------
    types
        Names of the cell types; empty where the sample has none.
    cells
        Cells of each type (types,).
    whole
        Portraits of the tissue (group 0) and of each type's subgraph (group 1 + type). Sampled
        ones are in `vitrail.portrait.sampled.PARTS` parts, and these groups are
        ``group * PARTS + part``.
    windows
        Portrait of each window (group = window).
    typed
        Portraits of each type's subgraph within the windows, added over windows (group = type).
    shuffled
        The same with the types shuffled over the cells (group = shuffle * types + type).
    pairs
        Ordered pairs of typed cells at graph distance 1, 2, ... (depth, types, types).
    patterns
        Cells by their neighbourhood's pattern of types: in round `group`, `number` cells have
        pattern `key` (see `vitrail.portrait.patterns`).
    meta
        ``cells`` (cells in the graph), ``graph`` (kind and parameters), and the settings
        ``windows``, ``window_cells``, ``shuffles``, ``depth``, ``estimator``, ``max_depth``,
        ``sources``, ``rounds``, ``seed``.
    """

    types: tuple[str, ...]
    cells: Integers
    whole: Entries
    windows: Entries
    typed: Entries
    shuffled: Entries
    pairs: Integers
    patterns: Entries
    meta: dict[str, Any] = field(default_factory=dict)


def sample_portraits(
    graph: Any,
    xy: npt.ArrayLike,
    qc_pass: npt.ArrayLike | None = None,
    types: tuple[npt.ArrayLike, Sequence[str]] | None = None,
    windows: int = 10,
    window_cells: int = 100,
    shuffles: int = 25,
    depth: int = 3,
    max_depth: int | None = None,
    seed: int = 0,
    threads: int | None = None,
    estimator: str = "exact",
    sources: int = 4096,
    rounds: int = 2,
    leave_out_border: bool = False,
) -> SamplePortraits:
    """Portraits of a sample: its tissue, its cell types, its windows and their shuffles.

    Parameters
    ----------
    graph
        Adjacency (n, n) or `vitrail.graph.Graph`; made undirected by union.
    xy
        Positions (n, 2).
    qc_pass
        Boolean (n,): cells that count; None for all.
    types
        Codes (n,), -1 for unknown, and their names; None where types are not comparable.
    windows, window_cells
        Number of windows and cells in each.
    shuffles
        Shuffles of the types, for the null portraits.
    depth
        Distances at which pairs of types are counted.
    max_depth
        Last level of the whole portraits with the estimator "depth"; None otherwise.
    seed
        Seed of windows, shuffles and sources.
    threads
        Number of threads; the result does not depend on it.
    estimator
        How whole portraits are taken: "exact", "sampled" (from `sources` nodes, sizes binned) or
        "depth" (exact up to `max_depth`).
    sources
        Nodes that a sampled portrait is taken from; smaller graphs use all their nodes.
    rounds
        Rounds of the patterns of types.
    leave_out_border
        Leave out the cells whose neighbourhood an edge cuts; needs a Graph with `border`.
    """
    if estimator not in ESTIMATORS:
        raise VitrailError(
            f"portrait: found estimator {estimator!r}, wanted one of {', '.join(ESTIMATORS)}."
        )
    if (estimator == "depth") != (max_depth is not None):
        raise VitrailError(
            f"portrait: found max_depth = {max_depth} with the estimator {estimator!r}, wanted a "
            "number with 'depth' and none otherwise."
        )
    every = np.asarray(xy, dtype=np.float64)
    used = np.arange(len(every)) if qc_pass is None else np.flatnonzero(np.asarray(qc_pass))
    if leave_out_border:
        used = used[interior(graph)[used]]
    network = undirected(graph)
    if network.shape[0] != len(every):
        raise VitrailError(
            f"portrait: found a graph of {network.shape[0]} nodes, wanted one for each of the "
            f"{len(every)} cells."
        )
    network, points = network[used][:, used], every[used]
    codes, names = _codes(types, used)
    drawn = draw_windows(points, windows, window_cells, seed)
    inside, window = window_graph(network, drawn)
    cell_of = drawn.ravel()
    meta = {
        "cells": len(used),
        "graph": {
            key: value
            for key, value in getattr(graph, "meta", {}).items()
            if key not in ("cells", "edges", "provenance")
        },
        "leave_out_border": leave_out_border,
        "windows": windows,
        "window_cells": window_cells,
        "shuffles": shuffles,
        "depth": depth,
        "estimator": estimator,
        "max_depth": max_depth,
        "sources": sources,
        "rounds": rounds,
        "seed": seed,
    }
    return SamplePortraits(
        types=names,
        cells=np.bincount(codes[codes >= 0], minlength=len(names)).astype(np.int64),
        whole=_whole(network, codes, len(names), meta, threads),
        windows=Entries(*group_entries(inside, window)),
        typed=Entries(*group_entries(inside, codes[cell_of])),
        shuffled=_shuffled(inside, cell_of, codes, len(names), shuffles, seed),
        pairs=pair_counts(network, codes, len(names), depth),
        patterns=count_patterns(network, codes, names, rounds),
        meta=meta,
    )


def _codes(
    types: tuple[npt.ArrayLike, Sequence[str]] | None, used: Integers
) -> tuple[Integers, tuple[str, ...]]:
    """Types of the used cells, renumbered over the names of which there are cells, sorted."""
    if types is None:
        return np.full(len(used), -1, np.int64), ()
    codes, names = np.asarray(types[0])[used].astype(np.int64), np.asarray(types[1], dtype=str)
    present = np.unique(codes[codes >= 0])
    order = present[np.argsort(names[present], kind="stable")]
    place = np.full(len(names) + 1, -1, np.int64)
    place[order] = np.arange(len(order))
    return place[codes], tuple(str(name) for name in names[order])


def _whole(
    network: sp.csr_matrix,
    codes: Integers,
    n_types: int,
    meta: dict[str, Any],
    threads: int | None,
) -> Entries:
    subgraphs = [network]
    for code in range(n_types):
        own = np.flatnonzero(codes == code)
        subgraphs.append(network[own][:, own])
    groups, keys, numbers = [], [], []
    for group, subgraph in enumerate(subgraphs):
        if meta["estimator"] == "sampled":
            parts = sampled_portrait(subgraph, meta["sources"], meta["seed"], threads).parts
            groups.append(group * PARTS + parts.group)
            keys.append(parts.key)
            numbers.append(parts.number)
            continue
        entries = portrait(subgraph, meta["max_depth"], threads=threads).tocoo()
        counted = entries.col > 0
        groups.append(np.full(int(counted.sum()), group))
        keys.append(entries.row[counted].astype(np.int64) * SHIFT + entries.col[counted])
        numbers.append(entries.data[counted])
    return Entries(
        np.concatenate(groups).astype(np.int64), np.concatenate(keys), np.concatenate(numbers)
    )


def _shuffled(
    inside: sp.csr_matrix,
    cell_of: Integers,
    codes: Integers,
    n_types: int,
    shuffles: int,
    seed: int,
) -> Entries:
    typed = np.flatnonzero(codes >= 0)
    parts = []
    for shuffle in range(shuffles if n_types else 0):
        drawn = codes.copy()
        drawn[typed] = np.random.default_rng([seed, shuffle]).permutation(codes[typed])
        group, key, number = group_entries(inside, drawn[cell_of])
        parts.append((group + shuffle * n_types, key, number))
    if not parts:
        return Entries(*(np.zeros(0, np.int64) for _ in range(3)))
    return Entries(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
