"""Distances between samples, as divergence.parquet has them, made ready for the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vitrail.io import parquet
from vitrail.report.tables import graph_name

Floats = npt.NDArray[np.float64]

# Columns of the table that are distances, scores or their errors, in the page's order.
MEASURES = (
    "raw", "raw_error", "controlled", "null_mean", "null_sd", "z", "arrangement", "composition",
    "wl",
)  # fmt: skip


@dataclass
class Distances:
    """Distances between all samples in one graph.

    Attributes
    ----------
    name
        What was compared.
    of_type
        Whether it is a single cell type.
    matrix
        (n, n) in the order of the samples asked for, NaN where not compared; zero to itself.
    measures
        (n, n) matrices of the columns of `MEASURES` that have a value, NaN to itself.
    cells
        Cells of the graph in each sample (n,), -1 where no pair tells them.
    notes
        Why pairs were not compared, with the number of pairs.
    """

    name: str
    of_type: bool
    matrix: Floats
    measures: dict[str, Floats] = field(default_factory=dict)
    cells: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    notes: dict[str, int] = field(default_factory=dict)


def read_distances(path: str | Path | None, samples: Sequence[str]) -> list[Distances]:
    """Distances of each graph of divergence.parquet: types together, the tissue, each type."""
    if not path:
        return []
    table = parquet.read(path)
    place = {name: i for i, name in enumerate(samples)}
    sides = np.array([[place.get(name, -1) for name in table[f"sample_{side}"].to_pylist()]
                      for side in "ab"])  # fmt: skip
    graphs = list(zip(table["graph"].to_pylist(), table["cell_type"].to_pylist(), strict=True))
    numbers = {key: i for i, key in enumerate(dict.fromkeys(graphs))}
    number = np.array([numbers[key] for key in graphs], np.int64)
    known = (sides >= 0).all(axis=0)
    found = []
    for (graph, cell_type), own in numbers.items():
        rows = np.flatnonzero((number == own) & known)
        name = graph_name({"graph": graph, "cell_type": cell_type})
        found.append(_of_graph(name, graph == "type", table, rows, sides[:, rows], len(samples)))
    return sorted(found, key=lambda graph: graph.of_type)


def _of_graph(
    name: str, of_type: bool, table: pa.Table, rows: npt.NDArray[np.int64],
    sides: npt.NDArray[np.int64], n: int,
) -> Distances:  # fmt: skip
    matrix = _square(_numbers(table, "distance", rows), sides, n)
    unknown = np.isnan(matrix)[*sides]
    np.fill_diagonal(matrix, 0.0)
    measures = {}
    for measure in MEASURES:
        if measure in table.column_names:
            values = _numbers(table, measure, rows)
            if np.isfinite(values).any():
                measures[measure] = _square(values, sides, n)
    cells = np.full(n, -1, np.int64)
    for side, column in zip(sides, ("cells_a", "cells_b"), strict=True):
        cells[side] = _numbers(table, column, rows).astype(np.int64)
    notes: dict[str, int] = {}
    texts = table["note"].take(pa.array(rows)).to_pylist()
    for text, missing in zip(texts, unknown, strict=True):
        if missing and text:
            # The names of samples make every pair's note another; the table of numbers has them.
            reason = text.split(": ")[0]
            notes[reason] = notes.get(reason, 0) + 1
    return Distances(name, of_type, matrix, measures, cells, notes)


def _numbers(table: pa.Table, column: str, rows: npt.NDArray[np.int64]) -> Floats:
    values = table[column].take(pa.array(rows)).to_pylist()
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _square(values: Floats, sides: npt.NDArray[np.int64], n: int) -> Floats:
    matrix = np.full((n, n), np.nan)
    matrix[sides[0], sides[1]] = matrix[sides[1], sides[0]] = values
    return matrix


def between_units(
    matrix: npt.NDArray[np.float64],
    units: Sequence[str],
    conditions: Sequence[str],
) -> dict[str, list[float]]:
    """Mean distance of each pair of units, grouped by the conditions of the two.

    Parameters
    ----------
    matrix
        (n, n) distances between samples.
    units, conditions
        Of the n samples.

    Returns
    -------
    "within A" for each condition, then "A against B" for each pair; groups without pairs are left
    out.
    """
    pairs: dict[tuple[str, str, str, str], list[float]] = {}
    for i in range(len(units)):
        for j in range(i + 1, len(units)):
            # A unit may have samples in both conditions, so it is named with its condition.
            one, other = sorted([(conditions[i], units[i]), (conditions[j], units[j])])
            if one != other and np.isfinite(matrix[i, j]):
                pairs.setdefault((*one, *other), []).append(float(matrix[i, j]))
    order = list(dict.fromkeys(conditions))
    groups: dict[str, list[float]] = {f"within {name}": [] for name in order}
    groups |= {f"{a} against {b}": [] for i, a in enumerate(order) for b in order[i + 1 :]}
    for (first, _, second, _), values in pairs.items():
        if first == second:
            groups[f"within {first}"].append(float(np.mean(values)))
        else:
            key = f"{first} against {second}"
            key = key if key in groups else f"{second} against {first}"
            groups[key].append(float(np.mean(values)))
    return {name: values for name, values in groups.items() if values}


def summaries(
    graphs: Sequence[Distances], units: Sequence[str], conditions: Sequence[str]
) -> list[dict[str, Any]]:
    """Mean of each measure over pairs of units, within and between conditions.

    Returns
    -------
    One row a graph: ``name``, ``of_type`` and, of each measure that any graph has, a pair of means
    (within, between), NaN where there is none.
    """
    every = [measure for measure in MEASURES if any(measure in graph.measures for graph in graphs)]
    missing = np.full((len(units), len(units)), np.nan)
    return [
        {"name": graph.name, "of_type": graph.of_type}
        | {
            measure: within_and_between(graph.measures.get(measure, missing), units, conditions)
            for measure in every
        }
        for graph in graphs
    ]


def within_and_between(
    matrix: Floats, units: Sequence[str], conditions: Sequence[str]
) -> tuple[float, float]:
    """Means over pairs of different units of one condition, and of two.

    Pairs of samples of the same two units are averaged first; NaN where there is no pair.
    """
    rows = list(dict.fromkeys(zip(units, conditions, strict=True)))
    member = np.zeros((len(rows), len(units)))
    for sample, key in enumerate(zip(units, conditions, strict=True)):
        member[rows.index(key), sample] = 1.0
    known = np.isfinite(matrix)
    total = member @ np.where(known, matrix, 0.0) @ member.T
    count = member @ known.astype(np.float64) @ member.T
    unit, condition = (np.array([key[part] for key in rows]) for part in (0, 1))
    pairs = np.triu((unit[:, None] != unit[None, :]) & (count > 0), 1)
    same = condition[:, None] == condition[None, :]
    mean = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    within, between = (
        float(mean[chosen].mean()) if chosen.any() else np.nan
        for chosen in (pairs & same, pairs & ~same)
    )
    return within, between


def type_numbers(graphs: Sequence[Distances]) -> list[dict[str, Any]]:
    """How many cells of each type the samples have, and in how many they are too few to compare."""
    rows = []
    for graph in graphs:
        told = graph.cells >= 0
        if graph.of_type and told.any():
            off = ~np.eye(len(told), dtype=bool)
            compared = (np.isfinite(graph.matrix) & off).any(axis=1)
            cells = graph.cells[told]
            rows.append(
                {
                    "name": graph.name,
                    "samples": int(told.sum()),
                    "median": float(np.median(cells)),
                    "smallest": int(cells.min()),
                    "largest": int(cells.max()),
                    "left_out": int((told & ~compared).sum()),
                    "reasons": list(graph.notes),
                }
            )
    return rows
