"""Comparison of a cohort: all pairs of samples, and the conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitrail.compare.composition import composition_distances, pattern_distances
from vitrail.compare.conditions import comparison_table
from vitrail.compare.distances import (
    GraphDistances,
    beyond_abundance,
    sample_pairs,
    tissue_distances,
    type_distances,
)
from vitrail.errors import VitrailError
from vitrail.graph import build
from vitrail.portrait.sample import SamplePortraits, sample_portraits

# Settings of the stages before that make portraits incomparable where they differ.
SHARED_SETTINGS = (
    "graph", "windows", "window_cells", "shuffles", "depth", "estimator", "max_depth", "sources",
    "rounds", "leave_out_border",
)  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """One sample of a cohort.

    Attributes
    ----------
    name
        Its name.
    portraits
        Its portraits.
    condition
        Its condition; None keeps it out of the tests.
    unit
        What is independent (patient, animal); None makes the sample a unit of its own.
    """

    name: str
    portraits: SamplePortraits
    condition: str | None = None
    unit: str | None = None


class Comparison(NamedTuple):
    """Tables of a comparison, as docs/methods.md describes them."""

    divergence: pd.DataFrame
    comparison: pd.DataFrame


def compare(
    xy_by_image: Mapping[str, npt.ArrayLike],
    types_by_image: Mapping[str, Sequence[Any]] | None = None,
    unit_by_image: Mapping[str, Any] | None = None,
    condition_by_image: Mapping[str, Any] | None = None,
    *,
    graph: Mapping[str, Any] | None = None,
    portrait: Mapping[str, Any] | None = None,
    seed: int = 0,
    threads: int | None = None,
    **settings: Any,
) -> Comparison:
    """Compare tissues between conditions, from the positions and types of their cells.

    Parameters
    ----------
    xy_by_image
        Positions (n, 2) of the cells of each image.
    types_by_image
        Type of each cell, missing (None, NaN) where unknown; None compares whole tissues only.
    unit_by_image, condition_by_image
        What is independent (patient), and the condition, of each image.
    graph
        Keywords of `vitrail.graph.build`; by default the 6 nearest neighbours.
    portrait
        Keywords of `vitrail.portrait.sample.sample_portraits`.
    seed
        Seed of windows, shuffles, permutations and bootstraps.
    threads
        Number of threads; the result does not depend on it.
    **settings
        Keywords of `compare_portraits`.
    """
    samples = []
    for image, xy in xy_by_image.items():
        positions = np.asarray(xy, dtype=np.float64)
        types = None
        if types_by_image is not None and image in types_by_image:
            codes, names = pd.factorize(pd.Series(types_by_image[image]), sort=True)
            types = (codes, [str(name) for name in names])
            if len(codes) != len(positions):
                raise VitrailError(
                    f"image {image}: found {len(codes)} types, wanted {len(positions)}, one a cell."
                )
        network = build(positions, **{"threads": threads, **(graph or {})})
        portraits = sample_portraits(
            network, positions, types=types,
            **{"seed": seed, "threads": threads, **(portrait or {})},
        )  # fmt: skip
        samples.append(
            Sample(
                str(image),
                portraits,
                _name((condition_by_image or {}).get(image)),
                _name((unit_by_image or {}).get(image)),
            )
        )
    return compare_portraits(samples, seed=seed, threads=threads, **settings)


def compare_portraits(
    samples: Sequence[Sample],
    min_type_cells: int = 30,
    prior: float = 10.0,
    permutations: int = 9999,
    exact_limit: int = 10000,
    bootstraps: int = 1000,
    seed: int = 0,
    threads: int | None = None,
) -> Comparison:
    """Compare the portraits of a cohort's samples.

    Parameters
    ----------
    samples
        All samples of the cohort; their portraits must have been made with the same settings.
    min_type_cells
        A type with fewer cells in a sample is not compared there.
    prior
        Pairs of cells by which a contrast of the arrangement profile is drawn to 0.
    permutations, exact_limit
        Random labelings of the units, where there are more than `exact_limit` in all.
    bootstraps
        Draws of units for the interval of the effect; 0 for none.
    seed
        Seed of permutations, bootstraps and deals of windows.
    threads
        Number of threads; the result does not depend on it.
    """
    _check(samples)
    portraits = [sample.portraits for sample in samples]
    graphs: list[GraphDistances] = []
    if samples:
        graphs = [
            *type_distances(portraits, min_type_cells, prior, threads),
            tissue_distances(portraits, seed, threads),
        ]
    conditions = [sample.condition for sample in samples]
    units = [sample.unit or sample.name for sample in samples]
    names = [sample.name for sample in samples]
    subgraphs = [beyond_abundance(graph) for graph in graphs if graph.graph == "type"]
    tests = comparison_table(
        names, units, conditions, [*graphs[:-1], *filter(None, subgraphs), *graphs[-1:]],
        permutations, exact_limit, bootstraps, seed,
    )  # fmt: skip
    return Comparison(_divergence_table(samples, graphs), tests)


def _name(value: Any) -> str | None:
    return None if value is None or value != value or value == "" else str(value)


def _check(samples: Sequence[Sample]) -> None:
    for sample in samples[1:]:
        for key in SHARED_SETTINGS:
            found, wanted = sample.portraits.meta[key], samples[0].portraits.meta[key]
            if found != wanted:
                raise VitrailError(
                    f"sample {sample.name}, {key}: found {found}, wanted {wanted} as in sample "
                    f"{samples[0].name}: portraits of different settings cannot be compared."
                )


def _divergence_table(samples: Sequence[Sample], graphs: Sequence[GraphDistances]) -> pd.DataFrame:
    a, b = sample_pairs(len(samples))
    pairs = {
        f"{column}_{side}": _coded([getattr(sample, attribute) for sample in samples], index)
        for column, attribute in (("sample", "name"), ("condition", "condition"), ("unit", "unit"))
        for side, index in (("a", a), ("b", b))
    }
    tables = []
    alone = composition_distances([sample.portraits for sample in samples])
    kernel = pattern_distances([sample.portraits.patterns for sample in samples])
    for graph in graphs:
        table = pd.DataFrame(pairs)
        table["graph"] = graph.graph
        table["cell_type"] = pd.Series([graph.cell_type] * a.size, dtype="object")
        table["cells_a"], table["cells_b"] = graph.cells[a], graph.cells[b]
        table["raw"], table["raw_error"] = graph.raw, graph.raw_error
        table["controlled"] = graph.controlled
        table["null_mean"], table["null_sd"] = graph.null_mean, graph.null_sd
        spread = np.where(graph.null_sd > 0, graph.null_sd, np.nan)
        table["z"] = (graph.controlled - graph.null_mean) / spread
        table["arrangement"] = graph.arrangement
        table["distance"] = np.sqrt(graph.squared[a, b])
        typed = graph.graph == "types"
        table["composition"] = alone[a, b] if typed else np.nan
        table["wl"] = kernel[a, b] if typed else np.nan
        table["note"] = _notes(samples, graph, a, b)
        tables.append(table)
    if not tables:
        return _divergence_table_columns()
    joined = pd.concat(tables, ignore_index=True)
    joined["graph"] = joined["graph"].astype("category")
    joined["cell_type"] = joined["cell_type"].astype("category")
    return joined


def _divergence_table_columns() -> pd.DataFrame:
    text = ["sample_a", "sample_b", "condition_a", "condition_b", "unit_a", "unit_b", "graph",
            "cell_type"]  # fmt: skip
    numbers = ["raw", "raw_error", "controlled", "null_mean", "null_sd", "z", "arrangement",
               "distance", "composition", "wl"]  # fmt: skip
    columns: dict[str, pd.Series] = {name: pd.Series(dtype="category") for name in text}
    columns |= {name: pd.Series(dtype=np.int64) for name in ("cells_a", "cells_b")}
    columns |= {name: pd.Series(dtype=np.float64) for name in numbers}
    return pd.DataFrame({**columns, "note": pd.Series(dtype="object")})


def _coded(values: list[str | None], index: npt.NDArray[np.int64]) -> pd.Categorical:
    names = list(dict.fromkeys(value for value in values if value is not None))
    codes = np.array([-1 if value is None else names.index(value) for value in values], np.int64)
    return pd.Categorical.from_codes(codes[index], categories=pd.Index(names, dtype="object"))


def _notes(
    samples: Sequence[Sample], graph: GraphDistances, a: npt.NDArray, b: npt.NDArray
) -> pd.Series:
    notes = np.full(a.size, None, dtype=object)
    for pair in np.flatnonzero(np.isin(a, graph.left_out) | np.isin(b, graph.left_out)):
        left_out = [samples[s].name for s in (a[pair], b[pair]) if s in graph.left_out]
        notes[pair] = f"{graph.why}: {', '.join(left_out)}"
    return pd.Series(notes, dtype="object")
