"""Immune topography, made ready for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from vitrail.report import svg, words
from vitrail.report.facts import WITHOUT_CONDITION, Facts
from vitrail.report.palette import CATEGORIES
from vitrail.report.tables import finite, read_rows

MEASURES = {
    "density_centre": "Density in the centre",
    "density_margin": "Density at the margin",
    "density_stroma": "Density in the stroma",
    "border_share": "Margin / (margin + centre)",
    "quantity": "Density in tumour and stroma",
    "distribution": "Tumour / (tumour + stroma)",
}
PHENOTYPES = ("inflamed", "excluded", "desert")
AXES = ("µm from the border (below zero: inside of the tumour)", "cells / mm²")


@dataclass
class TypePlaces:
    """One counted cell type.

    Attributes
    ----------
    name
        The type.
    rows
        Its rows, one a sample, in the page's order.
    counts
        Of each condition: its name, and samples and units of each phenotype.
    chart, legend
        Profile across the border, and the colour of each condition in it.
    tests
        Tests between the conditions, with ``what`` in words.
    finding
        One sentence.
    """

    name: str
    rows: list[dict[str, Any]]
    counts: list[dict[str, Any]]
    chart: Markup
    legend: list[dict[str, str]]
    tests: list[dict[str, Any]]
    finding: str


def gather(
    facts: Sequence[Facts], places: str | Path | None, tests: str | Path | None
) -> list[TypePlaces]:
    """Topography of each counted type; empty where there is none."""
    order = {sample.name: i for i, sample in enumerate(facts)}
    rows = [row for row in read_rows(places) if row["sample"] in order]
    rows.sort(key=lambda row: order[row["sample"]])
    tested = read_rows(tests)
    return [
        _of_type(
            name,
            [row for row in rows if row["cell_type"] == name],
            [row for row in tested if row["cell_type"] == name],
        )
        for name in dict.fromkeys(row["cell_type"] for row in rows)
    ]


def _of_type(name: str, rows: list[dict[str, Any]], tests: list[dict[str, Any]]) -> TypePlaces:
    for row in rows:
        row["condition"] = row["condition"] or WITHOUT_CONDITION
    conditions = list(dict.fromkeys(row["condition"] for row in rows))
    by_condition = {c: [row for row in rows if row["condition"] == c] for c in conditions}
    profiles = {c: unit_profiles(own) for c, own in by_condition.items()}
    colours = [CATEGORIES[i % len(CATEGORIES)] for i in range(len(conditions))]
    chart = Markup("")
    if rows and rows[0]["profile_from_um"]:
        edges = np.array([*rows[0]["profile_from_um"], rows[0]["profile_to_um"][-1]])
        chart = svg.curves(edges, profiles, colours, f"{name} across the tumour's border", AXES)
    known = [
        row | {"what": MEASURES[row["measure"]], "means": _means(row), "units": _units(row)}
        for row in tests
        if row["measure"] in MEASURES
    ]
    counts = [_count(condition, own) for condition, own in by_condition.items()]
    legend = [{"name": c, "colour": colour} for c, colour in zip(conditions, colours, strict=True)]
    return TypePlaces(name, rows, counts, chart, legend, known, _finding(name, counts))


def _means(row: Mapping[str, Any]) -> list[tuple[str, float | None]]:
    prefix = "mean_"
    return [(key[len(prefix) :], row[key]) for key in row if key.startswith(prefix)]


def _units(row: Mapping[str, Any]) -> list[int]:
    prefix = "units_"
    return [int(row[key] or 0) for key in row if key.startswith(prefix)]


def unit_profiles(rows: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.float64]:
    """Density (units, bins): cells of all samples of a unit over their tissue.

    Bins where no sample of the unit has a density are NaN.
    """
    profiles = []
    for unit in dict.fromkeys(row["unit"] for row in rows):
        own = [row for row in rows if row["unit"] == unit]
        known = np.array([[finite(v) for v in row["profile_density"]] for row in own])
        cells = np.array([row["profile_cells"] for row in own], dtype=np.float64)
        area = np.array([row["profile_area_mm2"] for row in own], dtype=np.float64)
        total = (area * known).sum(axis=0)
        sums = (cells * known).sum(axis=0)
        profiles.append(np.divide(sums, total, out=np.full(total.shape, np.nan), where=total > 0))
    return np.array(profiles)


def _count(condition: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Samples of each phenotype in one condition, and of none."""
    numbers = {name: sum(row["phenotype"] == name for row in rows) for name in PHENOTYPES}
    units = len({row["unit"] for row in rows})
    without = sum(row["phenotype"] is None for row in rows)
    return {"condition": condition, "numbers": numbers, "without": without, "units": units}


def _finding(name: str, counts: Sequence[Mapping[str, Any]]) -> str:
    parts = []
    for count in counts:
        shown = [f"{n} {kind}" for kind, n in count["numbers"].items() if n]
        if count["without"]:
            shown.append(f"{count['without']} without a phenotype")
        parts.append(f"{count['condition']}: {words.listed(shown)}")
    return f"By the place of {name}, samples are, in {'; in '.join(parts)}."
