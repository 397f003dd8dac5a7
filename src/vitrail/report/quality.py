"""Counts of the cohort: headline numbers, quality control, accounts, seams, composition, gaps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from vitrail.report import svg, words
from vitrail.report.facts import MEASURES, Facts
from vitrail.report.palette import UNKNOWN

# Below these shares a sample is named at the top of the page.
FEW_KEPT = 0.5
FEW_ASSIGNED = 0.3
SEAM_EXCESS = 0.05
BINS = 24
ACCOUNT_COLOURS = {
    "genes in cells": "#0072b2",
    "controls in cells": "#cc79a7",
    "background": "#c9ccd1",
    "quality": "#e69f00",
    "ambiguous": "#f0e442",
    "outside": "#56b4e9",
    "plane": "#44aa99",
    "position": "#882255",
}


def graphs(facts: Sequence[Facts]) -> list[dict[str, Any]]:
    """The spatial graph of each sample that has one."""
    return [
        {
            "name": sample.name,
            "kind": ", ".join(
                [str(sample.graph.get("kind", "unknown kind"))]
                + [
                    f"{key} {_plain(value)}"
                    for key, value in sample.graph.items()
                    if key not in ("kind", "cells", "edges")
                ]
            ),
            "cells": int(sample.graph.get("cells", sample.kept)),
            "edges": int(sample.graph.get("edges", 0)),
            "border": sample.border,
        }
        for sample in facts
        if sample.graph
    ]


def _plain(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return words.number(value) if isinstance(value, int | float | np.number) else str(value)


def estimator(facts: Sequence[Facts]) -> str:
    """How whole portraits were taken, to stand behind "the whole graphs' portraits"."""
    made = next((sample.portraits for sample in facts if sample.portraits), {})
    if made.get("estimator") == "depth":
        return f" up to level {made['max_depth']}"
    if made.get("estimator") == "sampled":
        return f", estimated from {words.number(made['sources'])} cells of each"
    return ""


def headline(facts: Sequence[Facts]) -> list[tuple[str, str]]:
    """(number, what it counts) for the top of the page."""
    cells, kept = sum(s.cells for s in facts), sum(s.kept for s in facts)
    tiles = [
        (f"{len(facts):,}", "sample" if len(facts) == 1 else "samples"),
        (f"{len({s.unit for s in facts}):,}", "independent units"),
        (f"{kept:,}", f"cells kept of {cells:,}"),
    ]
    accounts = [s.account for s in facts if s.account]
    if accounts:
        total = sum(a["transcripts_in"] for a in accounts)
        inside = sum(a["genes_in_cells"] for a in accounts)
        tiles.append((f"{total:,}", f"transcripts, {words.percent(inside, total)} in cells"))
    genes = {gene for s in facts for gene in s.genes}
    if genes:
        tiles.append((f"{len(genes):,}", "genes"))
    return tiles


def warnings(facts: Sequence[Facts]) -> list[str]:
    """Sentences on what a reader should look at before believing the rest."""
    few = [s.name for s in facts if s.cells and s.kept < FEW_KEPT * s.cells]
    empty = [s.name for s in facts if not s.cells]
    low = [s.name for s in facts if s.account and _assigned(s.account) < FEW_ASSIGNED]
    seams = [s.name for s in facts if s.seams and (s.seams.get("excess") or 0) > SEAM_EXCESS]
    wrong = [s.name for s in facts if s.account and not _adds_up(s.account)]
    named = [
        (empty, "No cells were found in"),
        (few, f"Quality control kept fewer than {FEW_KEPT:.0%} of the cells in"),
        (low, f"Fewer than {FEW_ASSIGNED:.0%} of the transcripts lie in cells in"),
        (seams, f"More than {SEAM_EXCESS:.0%} of the cells at tile borders look cut in"),
        (wrong, "The account of transcripts does not add up in"),
    ]
    return [f"{text} {words.some(names)}." for names, text in named if names]


def _assigned(account: Mapping[str, Any]) -> float:
    return account["genes_in_cells"] / max(account["transcripts_in"], 1)


def _adds_up(account: Mapping[str, Any]) -> bool:
    parts = account["genes_in_cells"] + account["controls_in_cells"]
    return bool(parts + sum(account["unassigned"].values()) == account["transcripts_in"])


def table(facts: Sequence[Facts]) -> dict[str, Any]:
    """Quality control: one row a sample, distributions on axes that all rows share."""
    reasons = list(dict.fromkeys(reason for s in facts for reason in s.reasons))
    measures = [name for name in MEASURES if any(name in s.measures for s in facts)]
    edges = {
        name: _edges([s.measures[name] for s in facts if name in s.measures]) for name in measures
    }
    rows = []
    for sample in facts:
        charts = {}
        for name in measures:
            if name in sample.measures and sample.cells:
                values = sample.measures[name]
                label = f"{MEASURES[name]} of {sample.name}"
                charts[name] = {
                    "median": float(np.median(values[sample.passed])) if sample.kept else np.nan,
                    "chart": svg.histogram(values, edges[name], label),
                }
        rows.append({"facts": sample, "charts": charts})
    ranges = {name: (float(edges[name][0]), float(edges[name][-1])) for name in measures}
    return {
        "rows": rows,
        "reasons": reasons,
        "measures": {name: MEASURES[name] for name in measures},
        "ranges": ranges,
    }


def _edges(values: Iterable[Any]) -> Any:
    tops = [float(np.percentile(v, 99)) for v in values if len(v)]
    return np.linspace(0, max(tops, default=1.0) or 1.0, BINS + 1)


def accounts(facts: Sequence[Facts]) -> dict[str, Any]:
    """Where each sample's transcripts went."""
    known = [s for s in facts if s.account]
    reasons = [
        reason
        for reason in dict.fromkeys(r for s in known for r in (s.account or {})["unassigned"])
        if any((s.account or {})["unassigned"].get(reason) for s in known)
    ]
    rows = []
    for sample in known:
        account = sample.account or {}
        parts = {
            "genes in cells": account["genes_in_cells"],
            "controls in cells": account["controls_in_cells"],
            **{reason: account["unassigned"].get(reason, 0) for reason in reasons},
        }
        bars = [(name, n, ACCOUNT_COLOURS.get(name, UNKNOWN)) for name, n in parts.items()]
        rows.append(
            {
                "name": sample.name,
                "total": account["transcripts_in"],
                "parts": parts,
                "adds_up": _adds_up(account),
                "bar": svg.shares(bars, f"Transcripts of {sample.name}", 220),
                "agreement": account.get("vendor_agreement"),
            }
        )
    columns = ["genes in cells", "controls in cells", *reasons]
    colours = [(name, ACCOUNT_COLOURS.get(name, UNKNOWN)) for name in columns]
    return {
        "rows": rows,
        "columns": columns,
        "colours": colours,
        "without": len(facts) - len(known),
    }


def seams(facts: Sequence[Facts]) -> list[dict[str, Any]]:
    """Cells at tile borders, beside the same counts at mock borders where no tile ends."""
    return [
        {
            "name": sample.name,
            "counts": sample.seams,
            "mock": sample.seams.get("mock") or {},
            "large": len(sample.seams.get("larger_than_overlap") or []),
        }
        for sample in facts
        if sample.seams
    ]


def composition(facts: Sequence[Facts], colours: Mapping[str, str]) -> dict[str, Any]:
    """Shares of the cell types: a bar a sample, and means over units by condition."""
    typed = [s for s in facts if s.typed]
    types = list(colours)
    bars = []
    for sample in typed:
        counts = sample.type_counts()
        parts = [(name, counts.get(name, 0), colours[name]) for name in types]
        parts.append(("type unknown", sample.untyped(), UNKNOWN))
        bar = svg.shares(parts, f"Cell types of {sample.name}", 560)
        bars.append({"facts": sample, "bar": bar})
    conditions = list(dict.fromkeys(s.condition for s in typed))
    shares = {
        name: _unit_shares([s for s in typed if s.condition == name], types) for name in conditions
    }
    rows = [
        {
            "name": name,
            "colour": colours[name],
            "shares": [
                (
                    float(shares[c][:, i].mean()),
                    float(shares[c][:, i].min()),
                    float(shares[c][:, i].max()),
                )
                for c in conditions
            ],
        }
        for i, name in enumerate(types)
    ]
    return {
        "bars": bars,
        "conditions": conditions,
        "rows": rows,
        "without": len(facts) - len(typed),
    }


def _unit_shares(facts: Sequence[Facts], types: Sequence[str]) -> Any:
    """Array (units, types): shares among the cells with a type, samples of a unit pooled."""
    pooled: dict[str, Any] = {}
    for sample in facts:
        counts = sample.type_counts()
        own = np.array([counts.get(name, 0) for name in types], dtype=np.float64)
        pooled[sample.unit] = pooled.get(sample.unit, 0) + own
    matrix = np.stack(list(pooled.values()))
    return matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)


def gaps(facts: Sequence[Facts]) -> list[tuple[str, str]]:
    """(what is missing, samples that lack it), one entry a thing that is missing."""
    missing: dict[str, list[str]] = {}
    for sample in facts:
        for what in sample.missing():
            missing.setdefault(what, []).append(sample.name)
    return [
        (what, "all samples" if len(names) == len(facts) else words.some(names))
        for what, names in missing.items()
    ]


def provenance(facts: Sequence[Facts]) -> list[tuple[str, str]]:
    """(version, samples) of vitrail that the files were made with."""
    made: dict[str, list[str]] = {}
    for sample in facts:
        version = str(sample.provenance.get("vitrail", "not recorded"))
        made.setdefault(version, []).append(sample.name)
    return [
        (version, "all samples" if len(names) == len(facts) else words.some(names))
        for version, names in made.items()
    ]
