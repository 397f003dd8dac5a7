"""Topography across the samples of a cohort: high and low, and tests between conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitrail.inference.anova import permutation_f, row_means
from vitrail.inference.bootstrap import difference_interval
from vitrail.inference.design import make_design
from vitrail.inference.fdr import benjamini_hochberg
from vitrail.topography.classes import statuses

MEASURES = (
    "density_centre", "density_margin", "density_stroma", "border_share", "quantity",
    "distribution",
)  # fmt: skip
STATUS_OF = ("centre", "margin")
EFFECTS = ("difference", "difference_low", "difference_high", "F", "r2", "p")
TEXTS = ("cell_type", "phenotype", "pattern", "note")
LISTS = ("profile_from_um", "profile_to_um", "profile_cells", "profile_area_mm2", "profile_density")
NUMBERS = (
    "cells", "density_centre", "density_margin", "density_stroma", "area_centre_mm2",
    "area_margin_mm2", "area_stroma_mm2", "border_um", "ratio", "quantity", "distribution",
)  # fmt: skip


class Across(NamedTuple):
    """Tables as docs/methods.md describes them: one row a sample and type, one row a test."""

    samples: pd.DataFrame
    tests: pd.DataFrame


def across(
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    units: Mapping[str, str | None],
    conditions: Mapping[str, str | None],
    high_density: float | str = "median",
    permutations: int = 9999,
    exact_limit: int = 10000,
    bootstraps: int = 1000,
    seed: int = 0,
) -> Across:
    """Compare the topography of samples.

    Values of a unit's samples in one condition are averaged first; the statistic is F of an
    analysis of variance of these means, with paired units as blocks, its p-value comes from
    permuting the conditions over the units, within the unit where it is paired.

    Parameters
    ----------
    rows
        Rows of each sample's topography, one a target type.
    units, conditions
        Unit (patient) and condition of each sample; a sample without a unit is a unit of its own,
        one without a condition is not tested.
    high_density
        Cut-off between low and high densities; "median": of the samples, for each type and place.
    permutations, exact_limit, seed
        See `vitrail.inference.design.Design.draw`.
    bootstraps
        Draws of units for the interval of the difference; 0 for none.
    """
    table = _sample_table(rows, units, conditions)
    for where in STATUS_OF:
        said = pd.Series([None] * len(table), dtype="object")
        cut = np.full(len(table), np.nan)
        for name in dict.fromkeys(table["cell_type"]):
            own = np.flatnonzero(table["cell_type"] == name)
            values, level = statuses(
                table[f"density_{where}"].to_numpy()[own].tolist(), high_density
            )
            said.iloc[own], cut[own] = values, level
        table[f"status_{where}"], table[f"cut_off_{where}"] = said, cut
    return Across(table, _tests(table, conditions, permutations, exact_limit, bootstraps, seed))


def _sample_table(
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    units: Mapping[str, str | None],
    conditions: Mapping[str, str | None],
) -> pd.DataFrame:
    flat = [
        {
            "sample": sample,
            "condition": conditions.get(sample) or None,
            "unit": units.get(sample) or sample,
            **{key: row[key] for key in (*TEXTS, *NUMBERS, *LISTS)},
            "border_share": _share(row["density_margin"], row["density_centre"]),
        }
        for sample, own in rows.items()
        for row in own
    ]
    texts = ("sample", "condition", "unit", *TEXTS)
    order = (*texts[:4], *NUMBERS, "border_share", *TEXTS[1:], *LISTS)
    table = pd.DataFrame(flat, columns=list(order))
    for name in (*texts, *LISTS):
        table[name] = table[name].astype("object").where(table[name].notna(), None)
    for name in (*NUMBERS, "border_share"):
        table[name] = table[name].astype(np.int64 if name == "cells" else np.float64)
    return table


def _share(margin: float, centre: float) -> float:
    total = margin + centre
    return margin / total if np.isfinite(total) and total > 0 else np.nan


def _tests(
    table: pd.DataFrame,
    conditions: Mapping[str, str | None],
    permutations: int,
    exact_limit: int,
    bootstraps: int,
    seed: int,
) -> pd.DataFrame:
    levels = list(dict.fromkeys(c for c in conditions.values() if c))
    each = [f"{what}_{level}" for level in levels for what in ("mean", "units")]
    columns = [
        "cell_type", "measure", *each, "difference", "difference_low", "difference_high", "F", "r2",
        "p", "fdr", "permutations", "exact", "paired", "note",
    ]  # fmt: skip
    rows = []
    for name in dict.fromkeys(table["cell_type"]):
        own = table[(table["cell_type"] == name) & table["condition"].notna()]
        for measure in MEASURES:
            row = _test(own, measure, levels, permutations, exact_limit, bootstraps, seed)
            rows.append({"cell_type": name, "measure": measure, **row})
    tests = pd.DataFrame(rows, columns=columns)
    tests["fdr"] = benjamini_hochberg(tests["p"].astype(np.float64))
    return tests


def _test(
    table: pd.DataFrame,
    measure: str,
    levels: Sequence[str],
    permutations: int,
    exact_limit: int,
    bootstraps: int,
    seed: int,
) -> dict[str, Any]:
    """Test of one measure; samples where it is not known are left out and counted."""
    values: npt.NDArray[np.float64] = table[measure].to_numpy(np.float64)
    known = np.isfinite(values)
    design = make_design(table["unit"][known].tolist(), table["condition"][known].tolist())
    means = row_means(values[known, None], design) if known.any() else np.zeros((0, 1))
    row: dict[str, Any] = dict.fromkeys(EFFECTS, np.nan) | {
        "permutations": 0, "exact": False, "paired": design.paired, "note": None,
    }  # fmt: skip
    place = {level: code for code, level in enumerate(design.conditions)}
    for level in levels:
        own = means[design.condition == place.get(level, -1), 0]
        row[f"units_{level}"] = len(own)
        row[f"mean_{level}"] = own.mean() if len(own) else np.nan
    notes = [f"not known in {(~known).sum()} of {len(known)} samples"] if not known.all() else []
    if design.testable and len(design.conditions) == len(levels):
        labels, exact = design.draw(permutations, exact_limit, seed)
        found = permutation_f(means, design, labels, exact)
        row |= {"F": found.f[0], "r2": found.r2[0], "p": found.p[0]}
        row |= {"permutations": len(labels), "exact": exact}
        if len(levels) == 2:
            row["difference"] = row[f"mean_{levels[1]}"] - row[f"mean_{levels[0]}"]
            low, high = difference_interval(
                means, design, place[levels[0]], place[levels[1]], bootstraps, seed
            )
            row |= {"difference_low": low[0], "difference_high": high[0]}
    else:
        notes.insert(0, "not tested: wanted at least 2 units with a value in each of 2 conditions")
    return row | {"note": "; ".join(notes) or None}
