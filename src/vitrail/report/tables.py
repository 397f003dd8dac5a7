"""The cohort's tables as rows for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

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


def read_gene_tests(
    path: str | Path | None, samples: Sequence[str], conditions: Sequence[str]
) -> list[dict[str, Any]]:
    """Genes of the cohort, largest mean Moran's I first.

    Each row gets ``by_sample`` and ``by_condition``: Moran's I of each that has one.
    """
    rows = read_rows(path)
    for row in rows:
        row |= {
            key: row.get(key) for key in ("difference", "difference_low", "difference_high", "r2")
        }
        row["by_condition"] = _known(row, "I_mean_", conditions)
        row["by_sample"] = _known(row, "I_", samples)
    known = [row for row in rows if finite(row["I_mean"])]
    return sorted(known, key=lambda row: (-row["I_mean"], row["gene"]))


def _known(row: Mapping[str, Any], prefix: str, names: Sequence[str]) -> dict[str, float]:
    return {name: row[prefix + name] for name in names if finite(row.get(prefix + name))}
