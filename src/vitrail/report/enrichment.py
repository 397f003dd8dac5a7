"""Which cell types stand beside each other, as one heat map a condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import h5py
import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from vitrail.io.h5ad import read_element
from vitrail.report import svg
from vitrail.report.facts import Facts
from vitrail.report.palette import UNKNOWN

KEY = "uns/cell_type_nhood_enrichment/zscore"
DISTANCES = "uns/cell_type_co_occurrence"
# Ratios above this are drawn at the top, so that a rare pair does not flatten all others.
MOST = 4.0
# Blue to red through white, equally dark at both ends (ColorBrewer's RdBu).
COLOURS = ("#2166ac", "#92c5de", "#f7f7f7", "#f4a582", "#b2182b")


@dataclass
class NeighbourMap:
    """Mean z scores of a condition, as a chart whose darkest colours are -`high` and `high`."""

    condition: str
    units: int
    chart: Markup
    high: float


def by_condition(facts: Sequence[Facts]) -> list[NeighbourMap]:
    """Heat maps of the conditions, on one scale; none where no sample has types."""
    scores = {sample.name: _scores(sample) for sample in facts if sample.typed}
    names = sorted({pair[0] for found in scores.values() for pair in found})
    means = []
    for condition in dict.fromkeys(sample.condition for sample in facts):
        units: dict[str, list[npt.NDArray[np.float64]]] = {}
        for sample in facts:
            if sample.condition == condition and scores.get(sample.name):
                found = scores[sample.name]
                matrix = [[found.get((a, b), np.nan) for b in names] for a in names]
                units.setdefault(sample.unit, []).append(np.array(matrix))
        if units:
            unit_means = [_mean(matrices) for matrices in units.values()]
            means.append((condition, len(units), _mean(unit_means)))
    known = [np.abs(mean[np.isfinite(mean)]) for _, _, mean in means]
    high = max((float(values.max()) for values in known if values.size), default=0.0)
    return [
        NeighbourMap(condition, units, _chart(mean, names, condition, high), high)
        for condition, units, mean in means
    ]


@dataclass
class CoOccurrence:
    """A type's neighbours by distance: of each condition its name, units and chart."""

    name: str
    charts: list[tuple[str, int, Markup]]


def by_distance(facts: Sequence[Facts], colours: Mapping[str, str]) -> list[CoOccurrence]:
    """Co-occurrence of each type with all others in each condition, means over units."""
    found = {s.name: _ratios(s) for s in facts if s.typed}
    names = sorted({name for ratios, _ in found.values() for name, _ in ratios})
    edges = {tuple(places) for ratios, places in found.values() if ratios}
    # Samples whose rings differ (settings of their own in the sheet) share no axis.
    if len(edges) != 1:
        return []
    places = np.array(edges.pop())
    nothing = np.full(places.size, np.nan)
    rows = []
    for name in names:
        means = []
        for condition in dict.fromkeys(sample.condition for sample in facts):
            units: dict[str, list[npt.NDArray[np.float64]]] = {}
            for sample in facts:
                ratios = found.get(sample.name, ({}, ()))[0]
                if sample.condition == condition and ratios:
                    matrix = [ratios.get((name, other), nothing) for other in names]
                    units.setdefault(sample.unit, []).append(np.array(matrix))
            if units:
                mean = _mean([_mean(matrices) for matrices in units.values()])
                means.append((condition, len(units), mean))
        known = [mean[np.isfinite(mean)] for _, _, mean in means]
        top = max((float(values.max()) for values in known if values.size), default=1.0)
        high = min(max(top, 1.5), MOST)
        shades = [colours.get(other, UNKNOWN) for other in names]
        rows.append(
            CoOccurrence(
                name,
                [
                    (condition, units, svg.lines(places, mean, shades, names,
                                                 f"Types around {name}: {condition}", high))
                    for condition, units, mean in means
                ],
            )
        )  # fmt: skip
    return rows


def _ratios(
    sample: Facts,
) -> tuple[dict[tuple[str, str], npt.NDArray[np.float64]], tuple[float, ...]]:
    """Ratios by pair of types at each distance, and the distances in micrometres."""
    with h5py.File(sample.files["anndata"]) as file:
        if DISTANCES not in file:
            return {}, ()
        table = read_element(file[DISTANCES])
    ratios = {
        (a, b): np.asarray(table["occ"][i, j], dtype=np.float64)
        for i, a in enumerate(sample.types)
        for j, b in enumerate(sample.types)
    }
    return ratios, tuple(float(place) for place in table["interval"][1:])


def _scores(sample: Facts) -> dict[tuple[str, str], float]:
    """Finite z scores of a sample, by pair of types."""
    with h5py.File(sample.files["anndata"]) as file:
        if KEY not in file:
            return {}
        matrix = read_element(file[KEY])
    return {
        (sample.types[i], sample.types[j]): float(matrix[i, j])
        for i, j in np.argwhere(np.isfinite(matrix))
    }


def _mean(matrices: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """Mean over the matrices that have a value, NaN where none has."""
    stack = np.array(matrices)
    number = np.isfinite(stack).sum(axis=0)
    total = np.nan_to_num(stack).sum(axis=0)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def _chart(
    matrix: npt.NDArray[np.float64], names: Sequence[str], condition: str, high: float
) -> Markup:
    label = f"Neighbouring cell types: {condition}"
    return svg.type_map(matrix, names, label, high, COLOURS)
