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
from vitrail.graph.positions import positions
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
    xy_by_image: Mapping[str, Any],
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
        Positions (n, 2) of the cells of each image, in micrometres where `graph` has lengths; or
        an AnnData with ``obsm["spatial"]``.
    types_by_image
        Type of each cell, missing (None, NaN) where unknown; None compares whole tissues only. An
        image that is not in it has no types.
    unit_by_image, condition_by_image
        What is independent (patient), and the condition, of each image. One without a unit is a
        unit of its own, one without a condition is in no test. Units that occur in several
        conditions are paired.
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

    Returns
    -------
    Comparison
        ``divergence``, one row a pair of images and graph, and ``comparison``, one row a test; the
        columns are those of divergence.parquet and comparison.parquet in docs/methods.md.

    Raises
    ------
    VitrailError
        If types, units or conditions name an image that has no positions, if an image has another
        number of types than of cells, or if positions are not finite.
    """
    types = _by_image(types_by_image, xy_by_image, "types")
    units = _by_image(unit_by_image, xy_by_image, "a unit")
    conditions = _by_image(condition_by_image, xy_by_image, "a condition")
    samples = []
    for image, given in xy_by_image.items():
        try:
            xy = positions(given)
        except VitrailError as error:
            raise VitrailError(f"image {image}: {error}") from error
        network = build(xy, **{"threads": threads, **(graph or {})})
        portraits = sample_portraits(
            network, xy, types=_coded_types(types.get(image), image, len(xy)),
            **{"seed": seed, "threads": threads, **(portrait or {})},
        )  # fmt: skip
        samples.append(
            Sample(str(image), portraits, _name(conditions.get(image)), _name(units.get(image)))
        )
    return compare_portraits(samples, seed=seed, threads=threads, **settings)


def _by_image(
    given: Mapping[Any, Any] | None, images: Mapping[Any, Any], what: str
) -> dict[Any, Any]:
    """A dict or Series by image; a name that no image has would otherwise go unseen."""
    values = {} if given is None else dict(given.items())
    unknown = [name for name in values if name not in images]
    if unknown:
        raise VitrailError(
            f"compare: found {what} of image {unknown[0]!r}, wanted one of the {len(images)} "
            "images that have positions."
        )
    return values


def _coded_types(types: Any, image: Any, cells: int) -> tuple[npt.NDArray[Any], list[str]] | None:
    """Code of each cell's type, -1 where unknown, and the types' names."""
    if types is None:
        return None
    codes, names = pd.factorize(pd.Series(types), sort=True)
    if len(codes) != cells:
        raise VitrailError(f"image {image}: found {len(codes)} types, wanted {cells}, one a cell.")
    return codes, [str(name) for name in names]


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
