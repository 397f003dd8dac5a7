"""Distances between all samples of a cohort, for each graph that is compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from vitrail.compare.whole import WholePortraits, whole_portraits
from vitrail.portrait.arrangement import profile
from vitrail.portrait.pairwise import Masses, pair_divergences, split_divergences, stack
from vitrail.portrait.sample import SamplePortraits

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Deals of the windows of two samples, for the null of the tissue's divergence.
SPLITS = 25

PROFILE = "arrangement profile"
WINDOWS = "portrait divergence in windows"
BEYOND = "portrait divergence beyond abundance"


@dataclass(frozen=True)
class GraphDistances:
    """One graph (the tissue, all types together, or one type) in all pairs of samples.

    Attributes
    ----------
    graph, cell_type
        "tissue", "types" or "type", and the type's name.
    cells
        Cells of the graph in each sample (samples,).
    left_out
        Numbers of the samples that are not compared.
    why
        Why they are not.
    raw, raw_error, controlled, null_mean, null_sd, arrangement
        One value a pair (pairs,), NaN where there is none.
    squared
        Squared distances that are tested (samples, samples); NaN where a sample is left out.
    statistic
        What `squared` measures.
    """

    graph: str
    cell_type: str | None
    cells: Integers
    left_out: list[int]
    why: str
    raw: Floats
    raw_error: Floats
    controlled: Floats
    null_mean: Floats
    null_sd: Floats
    arrangement: Floats
    squared: Floats
    statistic: str = PROFILE


def sample_pairs(n: int) -> tuple[Integers, Integers]:
    """Both samples of each pair, the first before the second."""
    a, b = np.triu_indices(n, k=1)
    return a.astype(np.int64), b.astype(np.int64)


def tissue_distances(
    portraits: Sequence[SamplePortraits], seed: int, threads: int | None = None
) -> GraphDistances:
    """Whole tissue: portrait divergence raw, and in windows with its null."""
    n = len(portraits)
    a, b = sample_pairs(n)
    cells = np.array([p.meta["cells"] for p in portraits], np.int64)
    tissue_alone = [_only(len(p.types) + 1, 0, s) for s, p in enumerate(portraits)]
    raw, raw_error = whole_portraits(portraits, tissue_alone, cells).divergences(a, b, threads)
    windows = int(portraits[0].meta["windows"]) if n else 0
    size = int(portraits[0].meta["window_cells"]) if n else 0
    left_out = [s for s, count in enumerate(cells.tolist()) if count < size or count == 0]
    why = f"fewer cells than a window of {size}"
    pooled = stack([p.windows for p in portraits], [np.full(windows, s) for s in range(n)], n)
    single = stack(
        [p.windows for p in portraits],
        [s * windows + np.arange(windows) for s in range(n)],
        n * windows,
    )
    compared = ~np.isin(a, left_out) & ~np.isin(b, left_out)
    controlled, mean, sd = (np.full(a.size, np.nan) for _ in range(3))
    controlled[compared] = pair_divergences(pooled, a[compared], b[compared], threads)
    if windows > 1:
        null = split_divergences(
            single, a[compared], b[compared], windows, _splits(windows, seed), threads
        )
        mean[compared], sd[compared] = null.mean(axis=1), null.std(axis=1, ddof=1)
    squared = _square(controlled, a, b, n)
    nothing = np.full(a.size, np.nan)
    return GraphDistances(
        "tissue", None, cells, left_out, why, raw, raw_error, controlled, mean, sd, nothing,
        squared, WINDOWS,
    )  # fmt: skip


def type_distances(
    portraits: Sequence[SamplePortraits],
    min_cells: int,
    prior: float,
    threads: int | None = None,
) -> list[GraphDistances]:
    """All types together, then each type: subgraph divergences with nulls, arrangement profiles."""
    types = sorted({name for p in portraits for name in p.types})
    if not types:
        return []
    n = len(portraits)
    a, b = sample_pairs(n)
    place = {name: code for code, name in enumerate(types)}
    codes = [np.array([place[name] for name in p.types], np.int64) for p in portraits]
    cells = np.zeros((n, len(types)), np.int64)
    for s, p in enumerate(portraits):
        cells[s, codes[s]] = p.cells
    values = _profiles(portraits, codes, len(types), prior)
    known = cells >= min_cells
    stacks = _type_stacks(portraits, codes, cells)
    why = f"no type of at least {min_cells} cells"
    results = [_together(values, known, cells, why, a, b)]
    for code, name in enumerate(types):
        left_out = np.flatnonzero(~known[:, code]).tolist()
        why = f"fewer than {min_cells} cells of the type"
        pair_known = known[a, code] & known[b, code]
        raw, raw_error, controlled, mean, sd = _subgraphs(
            portraits, stacks, code, len(types), a, b, pair_known, threads
        )
        squared = _profile_distances(values[:, :, code, :], known, known[:, code])
        results.append(
            GraphDistances(
                "type", name, cells[:, code], left_out, why, raw, raw_error, controlled,
                mean, sd, np.sqrt(squared[a, b]), squared,
            )
        )  # fmt: skip
    return results


def beyond_abundance(graph: GraphDistances) -> GraphDistances | None:
    """A type's subgraphs by the z-score of their divergence against shuffled types.

    The divergence is a squared distance between distributions; its z-score takes its place. A
    divergence below its null's mean is that of equal arrangements: 0. None where there is no null.
    """
    if not np.isfinite(graph.null_sd).any():
        return None
    above = graph.controlled - graph.null_mean
    # A null without spread leaves nothing beyond it, unless the divergence differs from it.
    score = np.divide(above, graph.null_sd, out=np.full(above.shape, np.nan),
                      where=graph.null_sd > 0)  # fmt: skip
    score[(graph.null_sd == 0) & (above <= 0)] = 0.0
    n = len(graph.cells)
    a, b = sample_pairs(n)
    squared = _square(np.maximum(score, 0.0), a, b, n)
    left_out = np.flatnonzero(~np.isfinite(squared).any(axis=1)).tolist()
    why = f"{graph.why} or fewer cells than a window"
    return replace(graph, left_out=left_out, why=why, squared=squared, statistic=BEYOND)


def _only(groups: int, group: int, row: int) -> Integers:
    rows = np.full(groups, -1, np.int64)
    rows[group] = row
    return rows


def _splits(windows: int, seed: int) -> npt.NDArray[np.bool_]:
    random = np.random.default_rng([seed, 2])
    sides = np.zeros((SPLITS, 2 * windows), bool)
    sides[:, :windows] = True
    return random.permuted(sides, axis=1)


def _square(values: Floats, a: Integers, b: Integers, n: int) -> Floats:
    matrix = np.full((n, n), np.nan)
    matrix[a, b] = values
    matrix[b, a] = values
    seen = np.isfinite(matrix).any(axis=1)
    matrix[seen, seen] = 0.0
    return matrix


def _profiles(
    portraits: Sequence[SamplePortraits], codes: Sequence[Integers], n_types: int, prior: float
) -> Floats:
    """Arrangement profiles (samples, depth, types, types); 0 where a type is absent."""
    depth = max(len(p.pairs) for p in portraits)
    values = np.zeros((len(portraits), depth, n_types, n_types))
    for s, p in enumerate(portraits):
        if len(codes[s]):
            values[np.ix_(np.array([s]), np.arange(depth), codes[s], codes[s])] = profile(
                p.pairs, p.cells, prior
            )[None]
    return values


def _together(
    values: Floats, known: npt.NDArray[np.bool_], cells: Integers, why: str,
    a: Integers, b: Integers,
) -> GraphDistances:  # fmt: skip
    n, _, n_types, _ = values.shape
    first, second = np.triu_indices(n_types)
    features = values[:, :, first, second].reshape(n, -1)
    mask = np.repeat((known[:, first] & known[:, second])[:, None], values.shape[1], axis=1)
    squared = _masked_distances(features, mask.reshape(n, -1), np.asarray(known.any(axis=1)))
    left_out = np.flatnonzero(~known.any(axis=1)).tolist()
    nothing = np.full(a.size, np.nan)
    return GraphDistances(
        "types", None, cells.sum(axis=1), left_out, why, nothing, nothing, nothing, nothing,
        nothing, np.sqrt(squared[a, b]), squared,
    )  # fmt: skip


def _profile_distances(
    values: Floats, known: npt.NDArray[np.bool_], compared: npt.NDArray[np.bool_]
) -> Floats:
    """Distances by one type's row of the profile, over the partners that both samples have."""
    n, depth, _n_types = values.shape
    mask = np.repeat((known & compared[:, None])[:, None], depth, axis=1)
    return _masked_distances(values.reshape(n, -1), mask.reshape(n, -1), compared)


def _masked_distances(
    features: Floats, mask: npt.NDArray[np.bool_], compared: npt.NDArray[np.bool_]
) -> Floats:
    """Mean squared difference over the features that both samples have (samples, samples)."""
    n = len(features)
    squared = np.full((n, n), np.nan)
    for s in np.flatnonzero(compared):
        both = mask & mask[s]
        shared = both.sum(axis=1)
        difference = (((features - features[s]) ** 2) * both).sum(axis=1)
        known = compared & (shared > 0)
        squared[s, known] = difference[known] / shared[known]
    return squared


def _type_stacks(
    portraits: Sequence[SamplePortraits], codes: Sequence[Integers], cells: Integers
) -> tuple[WholePortraits, Masses, Masses]:
    """Whole subgraphs, subgraphs in windows, shuffled subgraphs in windows, of all samples."""
    n, n_types = cells.shape
    shuffles = int(portraits[0].meta["shuffles"])
    rows = [np.append(-1, s * n_types + codes[s]) for s in range(n)]
    whole = whole_portraits(portraits, rows, cells.ravel())
    typed = stack(
        [p.typed for p in portraits], [s * n_types + codes[s] for s in range(n)], n * n_types
    )
    rounds = np.arange(shuffles)[:, None] * n_types
    shuffled = stack(
        [p.shuffled for p in portraits],
        [(s * shuffles * n_types + rounds + codes[s]).ravel() for s in range(n)],
        n * shuffles * n_types,
    )
    return whole, typed, shuffled


def _subgraphs(
    portraits: Sequence[SamplePortraits],
    stacks: tuple[WholePortraits, Masses, Masses],
    code: int,
    n_types: int,
    a: Integers,
    b: Integers,
    known: npt.NDArray[np.bool_],
    threads: int | None,
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Raw divergence of one type's subgraphs, its error; in windows, with mean and sd of a null."""
    whole, typed, shuffled = stacks
    shuffles = int(portraits[0].meta["shuffles"])
    raw, raw_error, controlled, mean, sd = (np.full(a.size, np.nan) for _ in range(5))
    raw[known], raw_error[known] = whole.divergences(
        a[known] * n_types + code, b[known] * n_types + code, threads
    )
    large = np.array([p.meta["cells"] >= p.meta["window_cells"] for p in portraits])
    windowed = known & large[a] & large[b]
    first, second = a[windowed], b[windowed]
    controlled[windowed] = pair_divergences(
        typed, first * n_types + code, second * n_types + code, threads
    )
    if shuffles > 1:
        rounds = np.arange(shuffles)[None] * n_types + code
        null = pair_divergences(
            shuffled,
            first[:, None] * shuffles * n_types + rounds,
            second[:, None] * shuffles * n_types + rounds,
            threads,
        ).reshape(-1, shuffles)
        mean[windowed], sd[windowed] = null.mean(axis=1), null.std(axis=1, ddof=1)
    return raw, raw_error, controlled, mean, sd
