"""What came out of the comparison, made ready for the page."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from vitrail.report import distances as apart
from vitrail.report import svg, tables, words
from vitrail.report.distances import Distances
from vitrail.report.facts import WITHOUT_CONDITION, Facts, gene_values
from vitrail.report.tables import Test, finite

if TYPE_CHECKING:
    from vitrail.report.page import Settings

Floats = npt.NDArray[np.float64]
# Distances of the types beside the tested one: how much of it composition explains.
ALONE = {"composition": "Shares of the types alone", "wl": "Weisfeiler-Lehman kernel"}


@dataclass
class HeatMap:
    """Distances between samples in one graph, as a chart whose darkest colour is `high`.

    `kind` is "tested", "beyond abundance" (z-scores of a type) or "alone" (composition, patterns).
    """

    name: str
    of_type: bool
    kind: str
    chart: Markup
    high: float


@dataclass
class Outcome:
    """Findings, tables and charts of the cohort.

    Attributes
    ----------
    findings
        Paragraphs of sentences, the main one first.
    tests, intervals
        The comparison table, and a chart of each test's effect.
    strips
        Distances between units for the main test.
    heat_maps
        Of each graph.
    apart, measures
        Means of each measure of divergence.parquet in each graph, within and between conditions,
        and the measures that there are.
    type_numbers
        Cells of each type in the samples, and samples with too few.
    genes, gene_strips
        Genes of the cohort, and a chart of each one's values.
    untested
        What was not compared: (what, why).
    map_genes, map_limits, map_values
        Genes to be mapped, the value of their darkest colour, values by sample and gene.
    """

    findings: list[list[str]]
    tests: list[Test]
    intervals: list[Markup]
    strips: Markup
    heat_maps: list[HeatMap]
    apart: list[dict[str, Any]]
    measures: list[str]
    type_numbers: list[dict[str, Any]]
    genes: list[dict[str, Any]]
    untested: list[tuple[str, str]]
    conditions: list[str]
    map_genes: list[str] = field(default_factory=list)
    map_limits: dict[str, float] = field(default_factory=dict)
    map_values: dict[str, dict[str, Any]] = field(default_factory=dict)


def gather(
    facts: Sequence[Facts],
    divergence: str | Path | None,
    comparison: str | Path | None,
    autocorrelation: str | Path | None,
    settings: Settings,
    mapped: Collection[str],
) -> Outcome:
    """Read the cohort's tables and put them into words and charts.

    `mapped` names the samples whose genes are mapped.
    """
    names = [sample.name for sample in facts]
    conditions = [c for c in dict.fromkeys(s.condition for s in facts) if c != WITHOUT_CONDITION]
    tests = tables.read_tests(comparison)
    distances = apart.read_distances(divergence, names)
    far = apart.summaries(
        distances, [sample.unit for sample in facts], [sample.condition for sample in facts]
    )
    genes = tables.read_gene_tests(autocorrelation, names, conditions)
    outcome = Outcome(
        findings=_findings(tests, genes, settings.alpha),
        tests=tests,
        intervals=_intervals(tests),
        strips=_strips(tests, distances, facts),
        heat_maps=_heat_maps(distances, facts),
        apart=far,
        measures=[key for key in far[0] if key not in ("name", "of_type")] if far else [],
        type_numbers=apart.type_numbers(distances),
        genes=genes[: settings.genes],
        untested=_untested(facts, tests, distances, bool(comparison)),
        conditions=conditions,
    )
    _choose_maps(outcome, facts, settings, mapped)
    return outcome


def _findings(
    tests: Sequence[Test], genes: Sequence[dict[str, Any]], alpha: float
) -> list[list[str]]:
    whole = [words.outcome(test, alpha) for test in tests if test.row["graph"] != "type"]
    more = [words.by_type(tests, alpha), words.genes(genes, alpha)]
    return [*whole, *([sentence] for sentence in more if sentence)]


def _intervals(tests: Sequence[Test]) -> list[Markup]:
    """Effects as charts, on one axis for the tests of one statistic."""
    keys = ("effect", "effect_low", "effect_high")
    bounds = {}
    for statistic in dict.fromkeys(test.row.get("statistic") for test in tests):
        own = [test.row for test in tests if test.row.get("statistic") == statistic]
        values = [row[key] for row in own for key in keys if finite(row.get(key))]
        bounds[statistic] = (min(0.0, *values), max(0.0, *values)) if values else (0.0, 1.0)
    return [_interval(test.row, bounds[test.row.get("statistic")]) for test in tests]


def _interval(row: dict[str, Any], bounds: tuple[float, float]) -> Markup:
    if not finite(row.get("effect")):
        return Markup("")
    low, high = _or_nan(row.get("effect_low")), _or_nan(row.get("effect_high"))
    label = f"Effect {words.number(row['effect'])}"
    return svg.interval(row["effect"], low, high, bounds, label)


def _or_nan(value: Any) -> float:
    return float(value) if finite(value) else np.nan


def _strips(
    tests: Sequence[Test], distances: Sequence[Distances], facts: Sequence[Facts]
) -> Markup:
    """Distances between units in the graph of the main test."""
    if not tests:
        return Markup("")
    matrix = next((d.matrix for d in distances if d.name == tests[0].name), None)
    if matrix is None:
        return Markup("")
    groups = apart.between_units(
        matrix, [sample.unit for sample in facts], [sample.condition for sample in facts]
    )
    label = f"Distances between units: {tests[0].name}"
    return svg.strips({name: _thinned(v) for name, v in groups.items()}, label, "distance")


def _thinned(values: Sequence[float], most: int = 300) -> list[float]:
    """At most so many values, evenly taken from their order, so that the picture stays small."""
    if len(values) <= most:
        return list(values)
    ordered = np.sort(values)
    return [float(v) for v in ordered[np.linspace(0, len(ordered) - 1, most).astype(int)]]


def _heat_maps(graphs: Sequence[Distances], facts: Sequence[Facts]) -> list[HeatMap]:
    """What is tested in each graph, z-scores of each type, and what composition alone explains."""
    maps = [_heat_map(g.name, g.of_type, "tested", g.matrix, facts) for g in graphs]
    for graph in graphs:
        if graph.of_type and "z" in graph.measures:
            scores = np.maximum(graph.measures["z"], 0.0)
            maps.append(_heat_map(graph.name, True, "beyond abundance", scores, facts))
    for graph in graphs:
        for measure, name in ALONE.items():
            if measure in graph.measures:
                maps.append(_heat_map(name, False, "alone", graph.measures[measure], facts))
    return maps


def _heat_map(
    name: str, of_type: bool, kind: str, given: Floats, facts: Sequence[Facts]
) -> HeatMap:
    matrix = given.copy()
    np.fill_diagonal(matrix, 0.0)
    off = matrix[~np.eye(len(matrix), dtype=bool)]
    high = float(np.nanmax(off)) if np.isfinite(off).any() else 0.0
    chart = svg.heat_map(
        matrix,
        [sample.name for sample in facts],
        [sample.condition for sample in facts],
        f"Distances between samples, {kind}: {name}",
        high,
    )
    return HeatMap(name, of_type, kind, chart, high)


def _untested(
    facts: Sequence[Facts],
    tests: Sequence[Test],
    distances: Sequence[Distances],
    compared: bool,
) -> list[tuple[str, str]]:
    rows = []
    if not compared:
        rows.append(("The conditions", "there is no comparison table"))
    alone = [sample.name for sample in facts if sample.condition == WITHOUT_CONDITION]
    if alone:
        rows.append((_some(alone), "the sample sheet names no condition"))
    for test in tests:
        if test.row.get("note"):
            rows.append((test.name, str(test.row["note"])))
    for graph in distances:
        for note, pairs in graph.notes.items():
            rows.append((f"{graph.name}: {words.plural(pairs, 'pair')} of samples", note))
    return rows


def _some(names: Sequence[str], most: int = 8) -> str:
    if len(names) <= most:
        return words.listed(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more samples"


def _choose_maps(
    outcome: Outcome, facts: Sequence[Facts], settings: Settings, mapped: Collection[str]
) -> None:
    """Read the values of the top genes, and one colour range a gene for all slides."""
    ranked = [row["gene"] for row in outcome.genes] or [
        row["gene"] for sample in facts for row in sample.ranking[: settings.gene_maps]
    ]
    outcome.map_genes = list(dict.fromkeys(ranked))[: settings.gene_maps]
    shown = [sample for sample in facts if sample.genes and sample.name in mapped]
    for sample in shown if outcome.map_genes else []:
        outcome.map_values[sample.name] = gene_values(sample.files["anndata"], outcome.map_genes)
    for gene in outcome.map_genes:
        tops = [
            float(np.percentile(values[gene], 99))
            for values in outcome.map_values.values()
            if gene in values and len(values[gene])
        ]
        outcome.map_limits[gene] = max(tops, default=0.0)
