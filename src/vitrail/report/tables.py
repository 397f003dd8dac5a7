"""The cohort's tables as rows for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail.io import parquet

GRAPH_NAMES = {
    "tissue": "Whole tissue",
    "types": "All cell types together",
}


def read_rows(path: str | Path | None) -> list[dict[str, Any]]:
    """Rows of a parquet file as dictionaries; none without a file."""
    return parquet.read(path).to_pylist() if path else []


def graph_name(row: Mapping[str, Any]) -> str:
    """What a row of divergence or comparison is about, in words."""
    return GRAPH_NAMES.get(row["graph"]) or str(row["cell_type"])


def finite(value: Any) -> bool:
    """Whether a value is a number that was computed."""
    return value is not None and bool(np.isfinite(value))


@dataclass
class Test:
    """One row of the comparison table, as the page shows it.

    Attributes
    ----------
    name
        What was compared.
    row
        The row itself.
    groups
        Of each condition: ``condition``, ``units``, ``samples``, ``cells``, ``dispersion``.
    """

    name: str
    row: dict[str, Any]
    groups: list[dict[str, Any]]

    @property
    def done(self) -> bool:
        """Whether the test has a p value."""
        return finite(self.row.get("p"))

    @property
    def conditions(self) -> list[str]:
        """The conditions that were compared."""
        return [group["condition"] for group in self.groups]


def read_tests(path: str | Path | None) -> list[Test]:
    """The primary test, those of whole tissues, then those of cell types in the table's order."""
    tests = [Test(graph_name(row), row, _groups(row)) for row in read_rows(path)]
    return sorted(tests, key=lambda t: (not t.row.get("primary"), t.row["graph"] == "type"))


def _groups(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    names = [key[len("units_") :] for key in row if key.startswith("units_")]
    parts = ("units", "samples", "cells", "dispersion")
    return [
        {"condition": name, **{part: row.get(f"{part}_{name}") for part in parts}}
        for name in names
        if row.get(f"units_{name}") is not None
    ]


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
    notes
        Why pairs were not compared, with the number of pairs.
    """

    name: str
    of_type: bool
    matrix: npt.NDArray[np.float64]
    notes: dict[str, int]


def read_distances(path: str | Path | None, samples: Sequence[str]) -> list[Distances]:
    """Distances of each graph of divergence.parquet: the one that the graph's test uses."""
    if not path:
        return []
    table = parquet.read(
        path, columns=["sample_a", "sample_b", "graph", "cell_type", "distance", "note"]
    )
    place = {name: i for i, name in enumerate(samples)}
    found: dict[tuple[str, str | None], Distances] = {}
    for row in table.to_pylist():
        key = (row["graph"], row["cell_type"])
        if key not in found:
            matrix = np.full((len(samples), len(samples)), np.nan)
            np.fill_diagonal(matrix, 0.0)
            found[key] = Distances(graph_name(row), row["graph"] == "type", matrix, {})
        graph = found[key]
        a, b = place.get(row["sample_a"]), place.get(row["sample_b"])
        if a is None or b is None:
            continue
        if finite(row["distance"]):
            graph.matrix[a, b] = graph.matrix[b, a] = row["distance"]
        elif row["note"]:
            graph.notes[row["note"]] = graph.notes.get(row["note"], 0) + 1
    return sorted(found.values(), key=lambda graph: graph.of_type)


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


def read_gene_tests(
    path: str | Path | None, samples: Sequence[str], conditions: Sequence[str]
) -> list[dict[str, Any]]:
    """Genes of the cohort, largest mean Moran's I first.

    Each row gets ``by_sample`` and ``by_condition``: Moran's I of each that has one.
    """
    rows = read_rows(path)
    for row in rows:
        row["by_condition"] = _known(row, "I_mean_", conditions)
        row["by_sample"] = _known(row, "I_", samples)
    known = [row for row in rows if finite(row["I_mean"])]
    return sorted(known, key=lambda row: (-row["I_mean"], row["gene"]))


def _known(row: Mapping[str, Any], prefix: str, names: Sequence[str]) -> dict[str, float]:
    return {name: row[prefix + name] for name in names if finite(row.get(prefix + name))}
