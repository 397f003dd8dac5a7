"""The table of tests between conditions: one row a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from vitrail.compare.distances import GraphDistances
from vitrail.compare.permanova import permanova, row_distances
from vitrail.inference.design import Design, make_design
from vitrail.inference.fdr import benjamini_hochberg

NUMBERS = (
    "pseudo_f", "r2", "p", "fdr", "within_mean", "between_mean", "effect", "effect_low",
    "effect_high", "dispersion_f", "dispersion_p",
)  # fmt: skip


def comparison_table(
    names: Sequence[str],
    units: Sequence[str],
    conditions: Sequence[str | None],
    graphs: Sequence[GraphDistances],
    permutations: int,
    exact_limit: int,
    bootstraps: int,
    seed: int,
) -> pd.DataFrame:
    """One row a graph: the test of the conditions, or why there is none.

    The first test of the first kind there is (all types together, else the tissue) is primary;
    the false discovery rate is over the cell types, for each statistic.
    """
    every = list(dict.fromkeys(c for c in conditions if c is not None))
    rows = [
        _row(names, units, conditions, every, graph, permutations, exact_limit, bootstraps, seed)
        for graph in graphs
    ]
    table = pd.DataFrame(rows, columns=_columns(every))
    table["primary"] = np.arange(len(table)) == 0
    table["fdr"] = table["p"]
    for statistic in dict.fromkeys(table["statistic"]):
        types = ((table["graph"] == "type") & (table["statistic"] == statistic)).to_numpy()
        table.loc[types, "fdr"] = benjamini_hochberg(table.loc[types, "p"])
    return table


def _columns(conditions: Sequence[str]) -> list[str]:
    each = [
        f"{what}_{c}" for c in conditions for what in ("dispersion", "units", "samples", "cells")
    ]
    return [
        "graph", "cell_type", "primary", "statistic", "conditions", "paired", "pseudo_f", "r2", "p",
        "fdr", "permutations", "exact", "within_mean", "between_mean", "effect", "effect_low",
        "effect_high", "dispersion_f", "dispersion_p", "units", "samples", "cells", *each, "note",
    ]  # fmt: skip


def _row(
    names: Sequence[str],
    units: Sequence[str],
    conditions: Sequence[str | None],
    every: Sequence[str],
    graph: GraphDistances,
    permutations: int,
    exact_limit: int,
    bootstraps: int,
    seed: int,
) -> dict[str, Any]:
    used, notes = _samples_of(names, units, conditions, every, graph)
    design = make_design([units[s] for s in used], [conditions[s] or "" for s in used])
    row: dict[str, Any] = dict.fromkeys(NUMBERS, np.nan)
    row |= {
        "graph": graph.graph,
        "cell_type": graph.cell_type,
        "statistic": graph.statistic,
        "conditions": "|".join(design.conditions),
        "paired": design.paired,
        "permutations": 0,
        "exact": False,
        "units": len(design.units),
        "samples": len(used),
        "cells": int(graph.cells[used].sum()),
        **_sizes(used, conditions, units, every, graph),
    }
    if design.testable:
        squared = row_distances(graph.squared[np.ix_(used, used)], design)
        result = permanova(squared, design, permutations, exact_limit, bootstraps, seed)
        row |= {
            "pseudo_f": result.pseudo_f,
            "r2": result.r2,
            "p": result.p,
            "permutations": result.permutations,
            "exact": result.exact,
            "within_mean": result.within_mean,
            "between_mean": result.between_mean,
            "effect": result.between_mean - result.within_mean,
            "effect_low": result.effect_low,
            "effect_high": result.effect_high,
            "dispersion_f": result.dispersion_f,
            "dispersion_p": result.dispersion_p,
        }
        for condition, value in zip(design.conditions, result.dispersion, strict=True):
            row[f"dispersion_{condition}"] = value
    else:
        notes.insert(0, _why_not(every, design))
    row["note"] = "; ".join(notes) or None
    return row


def _samples_of(
    names: Sequence[str],
    units: Sequence[str],
    conditions: Sequence[str | None],
    every: Sequence[str],
    graph: GraphDistances,
) -> tuple[list[int], list[str]]:
    """Samples of the test, and notes on those that are left out."""
    notes = []
    if graph.left_out:
        listed = ", ".join(f"{names[s]} ({graph.cells[s]})" for s in graph.left_out)
        notes.append(f"left out for {graph.why}: {listed}")
    without = [names[s] for s, c in enumerate(conditions) if c is None]
    if without and every:
        notes.append(f"without condition: {', '.join(without)}")
    used = [s for s, c in enumerate(conditions) if c is not None and s not in graph.left_out]
    used, unrelated = _all_comparable(used, graph)
    if unrelated:
        listed = ", ".join(names[s] for s in unrelated)
        notes.append(f"left out for sharing no compared type with the others: {listed}")
    for condition in every:
        own = {units[s] for s in used if conditions[s] == condition}
        if len(own) < 2 and len(every) > 2:
            notes.append(f"left out for fewer than 2 units: {condition} ({len(own)})")
            used = [s for s in used if conditions[s] != condition]
    return used, notes


def _all_comparable(used: list[int], graph: GraphDistances) -> tuple[list[int], list[int]]:
    """Drop samples, those with the most gaps first, until all pairs have a distance."""
    kept, dropped = list(used), []
    while kept:
        gaps = (~np.isfinite(graph.squared[np.ix_(kept, kept)])).sum(axis=1)
        if len(kept) == 1 or not gaps.any():
            break
        dropped.append(kept.pop(int(gaps.argmax())))
    return kept, dropped


def _sizes(
    used: Sequence[int],
    conditions: Sequence[str | None],
    units: Sequence[str],
    every: Sequence[str],
    graph: GraphDistances,
) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for condition in every:
        own = [s for s in used if conditions[s] == condition]
        row[f"dispersion_{condition}"] = np.nan
        row[f"units_{condition}"] = len({units[s] for s in own})
        row[f"samples_{condition}"] = len(own)
        row[f"cells_{condition}"] = int(graph.cells[own].sum())
    return row


def _why_not(every: Sequence[str], design: Design) -> str:
    if len(every) < 2:
        return f"not tested: {len(every)} condition{'' if len(every) == 1 else 's'}, wanted 2"
    counts = np.bincount(design.condition, minlength=len(design.conditions))
    told = dict.fromkeys(every, 0) | dict(zip(design.conditions, counts.tolist(), strict=True))
    return "not tested: wanted at least 2 units a condition, found " + ", ".join(
        f"{count} of {condition}" for condition, count in told.items()
    )
