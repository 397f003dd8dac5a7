"""The report: one HTML page without scripts, network or other files."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

import vitrail
from vitrail.report import (
    contamination,
    enrichment,
    local,
    quality,
    results,
    slides,
    topography,
    words,
)
from vitrail.report.facts import WITHOUT_CONDITION, Facts, read_facts
from vitrail.report.palette import DISTANCE, EXPRESSION, UNKNOWN, type_colours
from vitrail.report.svg import colour_scale

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Settings:
    """What the report shows.

    Attributes
    ----------
    title
        Heading of the page.
    alpha
        Level up to which a p value, or a false discovery rate, counts as a finding in the text.
    detailed_slides
        Slides that are shown large, with an image detail and maps of genes; the others are shown
        small. Spread over the conditions.
    overview_px, thumbnail_px
        Longer side of large and of small overviews in pixels.
    detail_um
        Side of the image detail in micrometres.
    genes, gene_maps
        Number of genes in tables and in maps.
    colours
        Colour (#rrggbb) of cell types that shall not have one of the palette's.
    """

    title: str = "Compared tissues"
    alpha: float = 0.05
    detailed_slides: int = 12
    overview_px: int = 900
    thumbnail_px: int = 240
    detail_um: float = 150.0
    genes: int = 20
    gene_maps: int = 3
    colours: Mapping[str, str] | None = None


def build_report(
    files: Sequence[Mapping[str, Any]],
    *,
    divergence: str | Path | None = None,
    comparison: str | Path | None = None,
    autocorrelation: str | Path | None = None,
    places: str | Path | None = None,
    place_tests: str | Path | None = None,
    settings: Settings | None = None,
    config: Mapping[str, Any] | None = None,
) -> str:
    """The page of a cohort.

    Parameters
    ----------
    files
        One mapping a sample, in the order of the sheet: see `vitrail.report.facts.read_facts`.
    divergence, comparison, autocorrelation, places, place_tests
        Tables of the cohort (the last two are those of the topography). The page says what it
        lacks where one is None.
    settings
        What to show.
    config
        The configuration, printed at the end.

    Returns
    -------
    HTML. The same inputs give the same bits.
    """
    settings = settings or Settings()
    facts = _by_condition([read_facts(sample) for sample in files])
    colours = type_colours(slides.legend(facts), settings.colours)
    large = _large(facts, settings.detailed_slides)
    outcome = results.gather(facts, divergence, comparison, autocorrelation, settings, large)
    places_of = {sample.name: local.local_genes(sample, settings.alpha) for sample in facts}
    found = contamination.gather(facts)
    context = {
        "version": vitrail.__version__,
        "settings": settings,
        "facts": facts,
        "conditions": _conditions(facts),
        "tiles": quality.headline(facts),
        "warnings": quality.warnings(facts) + contamination.warnings(found),
        "outcome": outcome,
        "legend": _legend(facts, colours),
        "slides": _slides(facts, colours, outcome, settings, large, places_of),
        "places": topography.gather(facts, places, place_tests),
        "composition": quality.composition(facts, colours),
        "enrichment": enrichment.by_condition(facts),
        "NEIGHBOURS": enrichment.COLOURS,
        "quality": quality.table(facts),
        "account": quality.accounts(facts),
        "contamination": found,
        "seams": quality.seams(facts),
        "gaps": quality.gaps(facts),
        "graphs": quality.graphs(facts),
        "portraits": quality.estimator(facts),
        "pairs": local.gene_pairs(facts, outcome.conditions, settings.alpha),
        "local": local.local_shares(facts, places_of, outcome.conditions),
        "QUADRANTS": list(local.QUADRANTS.values()),
        "co_occurrence": enrichment.by_distance(facts, colours),
        "provenance": quality.provenance(facts),
        "config": config,
        "distance_scale": colour_scale,
        "DISTANCE": DISTANCE,
        "EXPRESSION": EXPRESSION,
    }
    return _environment().get_template("report.html.jinja").render(context)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    for function in (
        words.number, words.ratio, words.percent, words.p_value, words.plural, words.listed,
    ):  # fmt: skip
        environment.filters[function.__name__] = function
    environment.filters["as_text"] = as_text
    return environment


def as_text(value: Any, indent: int = 0) -> str:
    """Nested settings as indented lines, as in the configuration file."""
    space = "  " * indent
    if isinstance(value, Mapping) and value:
        lines = []
        for key, item in value.items():
            nested = isinstance(item, Mapping) and item
            lines.append(f"{space}{key}:" + ("" if nested else f" {as_text(item)}"))
            if nested:
                lines.append(as_text(item, indent + 1))
        return "\n".join(lines)
    return str(json.dumps(value, ensure_ascii=False, default=str))


def _by_condition(facts: Sequence[Facts]) -> list[Facts]:
    """Samples of one condition together, conditions and samples in the sheet's order."""
    order = list(dict.fromkeys(sample.condition for sample in facts))
    order.sort(key=lambda name: name == WITHOUT_CONDITION)
    return sorted(facts, key=lambda sample: order.index(sample.condition))


def _conditions(facts: Sequence[Facts]) -> list[dict[str, Any]]:
    rows = []
    for name in dict.fromkeys(sample.condition for sample in facts):
        own = [sample for sample in facts if sample.condition == name]
        units = len({sample.unit for sample in own})
        rows.append({"name": name, "samples": len(own), "units": units})
    return rows


def _legend(facts: Sequence[Facts], colours: Mapping[str, str]) -> list[dict[str, Any]]:
    counts = slides.legend(facts)
    entries = [
        {"name": name, "colour": colours[name], "cells": counts[name]}
        for name in sorted(counts, key=lambda name: (-counts[name], name))
    ]
    unknown = sum(sample.untyped() for sample in facts if sample.typed)
    if unknown:
        entries.append({"name": "type unknown", "colour": UNKNOWN, "cells": unknown})
    flagged = sum(sample.cells - sample.kept for sample in facts)
    if flagged:
        name = "flagged by quality control"
        entries.append({"name": name, "colour": slides.FLAGGED, "cells": flagged})
    return entries


def _slides(
    facts: Sequence[Facts],
    colours: Mapping[str, str],
    outcome: results.Outcome,
    settings: Settings,
    large: Collection[str],
    places_of: Mapping[str, Mapping[str, Any]],
) -> list[dict[str, Any]]:
    genes = outcome.map_genes
    limits = outcome.map_limits
    cards = []
    for sample in facts:
        own = colours if sample.typed else type_colours(sample.type_counts())
        shown = {name: own.get(name, UNKNOWN) for name in sample.types}
        size = settings.overview_px if sample.name in large else settings.thumbnail_px * 2
        card: dict[str, Any] = {
            "facts": sample,
            "large": sample.name in large,
            "overview": slides.overview(sample, shown, size),
            "types": sample.type_counts(),
            "colours": shown,
            "detail": [],
            "maps": [],
            "local": [],
        }
        if card["large"]:
            card["detail"] = slides.detail(sample, shown, settings.detail_um)
            values = outcome.map_values.get(sample.name, {})
            card["maps"] = [
                (gene, slides.gene_map(sample, gene, values[gene], limits[gene], 420))
                for gene in genes
                if gene in values
            ]
            card["local"] = [
                (gene, slides.local_map(sample, gene, quadrants, 420))
                for gene, quadrants in list(places_of[sample.name].items())[: settings.gene_maps]
            ]
        cards.append(card)
    return cards


def _large(facts: Sequence[Facts], most: int) -> set[str]:
    """Names of the slides to show large: all, or the first of each condition in turn."""
    if len(facts) <= most:
        return {sample.name for sample in facts}
    waiting: dict[str, list[str]] = {}
    for sample in facts:
        waiting.setdefault(sample.condition, []).append(sample.name)
    chosen: list[str] = []
    while len(chosen) < most:
        for names in waiting.values():
            if names and len(chosen) < most:
                chosen.append(names.pop(0))
    return set(chosen)
