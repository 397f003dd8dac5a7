"""Tests of conditions on distances between units.

PERMANOVA (Anderson 2001, doi:10.1111/j.1442-9993.2001.01070.pp.x) in the form of McArdle & Anderson
2001 (doi:10.1890/0012-9658(2001)082[0290:FMMTCD]2.0.CO;2), with blocks taken out, and the test of
dispersions of Anderson 2006 (doi:10.1111/j.1541-0420.2005.00440.x).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vitrail.inference.bootstrap import LEVEL, draw_units
from vitrail.inference.design import Design

Floats = npt.NDArray[np.float64]

# Labelings whose statistics differ by rounding alone (swapped names of conditions) are ties.
TOLERANCE = 1e-9
CHUNK = 2048


@dataclass(frozen=True)
class Result:
    """Result of one test; see docs/methods.md for the definitions."""

    pseudo_f: float
    r2: float
    p: float
    permutations: int
    exact: bool
    within_mean: float
    between_mean: float
    effect_low: float
    effect_high: float
    dispersion: Floats
    dispersion_f: float
    dispersion_p: float


def row_distances(squared: Floats, design: Design) -> Floats:
    """Squared distances between the rows of a design from those between samples.

    A row stands at the centroid of its samples (Gower): repeated samples of a unit are averaged.
    """
    rows = len(design.unit)
    mean = np.zeros((rows, len(design.members)))
    mean[design.members, np.arange(len(design.members))] = 1.0
    mean /= mean.sum(axis=1, keepdims=True)
    between = mean @ squared @ mean.T
    spread = np.diag(between)
    result = between - 0.5 * (spread[:, None] + spread[None, :])
    np.fill_diagonal(result, 0.0)
    return result


def permanova(
    squared: Floats,
    design: Design,
    permutations: int,
    exact_limit: int,
    bootstraps: int,
    seed: int,
) -> Result:
    """Test whether conditions differ.

    Parameters
    ----------
    squared
        Squared distances between the rows of the design (rows, rows).
    design
        A testable design.
    permutations, exact_limit
        Random labelings, used where there are more than `exact_limit` in all.
    bootstraps
        Draws of units for the interval of the effect.
    seed
        Seed of labelings and draws.
    """
    labels, exact = design.draw(permutations, exact_limit, seed)
    residual = design.without_blocks(design.without_blocks(-0.5 * squared).T)
    inverse, rank = design.inverse()
    total = float(np.trace(residual))
    explained = _explained(residual, inverse, design.condition[None].astype(np.int8))[0]
    others = _explained(residual, inverse, labels)
    free = len(design.unit) - len(np.unique(design.block)) - rank
    unexplained = total - explained
    low, high = _bootstrap(squared, design, bootstraps, seed)
    within, between = _means(np.sqrt(np.maximum(squared, 0.0)), design)
    spread = to_centroids(squared, design.condition)
    dispersion_f = _anova(spread, design.condition[None].astype(np.int8))
    return Result(
        pseudo_f=explained / rank / (unexplained / free) if free and unexplained > 0 else np.nan,
        r2=explained / total if total > 0 else np.nan,
        p=p_value(explained, others, exact, scale=total),
        permutations=len(labels),
        exact=exact,
        within_mean=within,
        between_mean=between,
        effect_low=low,
        effect_high=high,
        dispersion=_group_means(spread, design.condition, len(design.conditions)),
        dispersion_f=float(dispersion_f[0]),
        dispersion_p=p_value(dispersion_f[0], _anova(spread, labels), exact),
    )


def p_value(observed: float, others: Floats, exact: bool, scale: float = 0.0) -> float:
    """Share of labelings at least as extreme: b / m of all, (b + 1) / (m + 1) of random ones."""
    if not np.isfinite(observed):
        return np.nan
    bound = observed - TOLERANCE * max(abs(observed), abs(scale))
    beyond = int((others >= bound).sum())
    return beyond / len(others) if exact else (beyond + 1) / (len(others) + 1)


def to_centroids(squared: Floats, condition: npt.NDArray[np.int64]) -> Floats:
    """Distance of each row to the centroid of its condition."""
    out = np.zeros(len(condition))
    for code in np.unique(condition):
        own = np.flatnonzero(condition == code)
        inner = squared[np.ix_(own, own)]
        out[own] = inner.mean(axis=1) - 0.5 * inner.mean()
    return np.sqrt(np.maximum(out, 0.0))


def _explained(residual: Floats, inverse: Floats, labels: npt.NDArray[np.int8]) -> Floats:
    """Sum of squares between conditions, for each labeling."""
    conditions = len(inverse)
    out = np.empty(len(labels))
    for begin in range(0, len(labels), CHUNK):
        chosen = labels[begin : begin + CHUNK]
        onehot = [(chosen == code).astype(np.float64) for code in range(conditions)]
        moved = [column @ residual for column in onehot]
        total = np.zeros(len(chosen))
        for a in range(conditions):
            for b in range(conditions):
                total += inverse[a, b] * np.einsum("ij,ij->i", moved[a], onehot[b])
        out[begin : begin + CHUNK] = total
    return out


def _anova(values: Floats, labels: npt.NDArray[np.int8]) -> Floats:
    """One-way F of the values, for each labeling; NaN without spread."""
    codes = np.unique(labels[0])
    centred = values - values.mean()
    between = np.zeros(len(labels))
    for code in codes:
        own = labels == code
        between += (own @ centred) ** 2 / own.sum(axis=1)
    within = float((centred**2).sum()) - between
    free = len(values) - len(codes)
    if free < 1 or not (centred**2).sum() > 1e-24:
        return np.full(len(labels), np.nan)
    return between / (len(codes) - 1) / np.maximum(within / free, np.finfo(float).tiny)


def _pairs(design: Design) -> tuple[Floats, Floats]:
    """Masks (rows, rows) of pairs of different units within, and between, conditions."""
    other = design.unit[:, None] != design.unit[None, :]
    same = design.condition[:, None] == design.condition[None, :]
    return (other & same).astype(np.float64), (other & ~same).astype(np.float64)


def _means(distance: Floats, design: Design) -> tuple[float, float]:
    """Mean distance within and between conditions, over pairs of different units."""
    within, between = _pairs(design)
    with np.errstate(invalid="ignore"):
        return (
            float((distance * within).sum() / within.sum()),
            float((distance * between).sum() / between.sum()),
        )


def _bootstrap(squared: Floats, design: Design, bootstraps: int, seed: int) -> tuple[float, float]:
    """95 % percentile interval of between minus within, over draws of units."""
    if bootstraps < 1:
        return np.nan, np.nan
    weight = draw_units(design, bootstraps, seed)
    distance = np.sqrt(np.maximum(squared, 0.0))

    def mean(mask: Floats) -> Floats:
        top = np.einsum("ij,ij->i", weight @ (distance * mask), weight)
        bottom = np.einsum("ij,ij->i", weight @ mask, weight)
        return np.divide(top, bottom, out=np.full(bootstraps, np.nan), where=bottom > 0)

    within, between = _pairs(design)
    effect = mean(between) - mean(within)
    effect = effect[np.isfinite(effect)]
    if not effect.size:
        return np.nan, np.nan
    low, high = np.quantile(effect, LEVEL)
    return float(low), float(high)


def _group_means(values: Floats, condition: npt.NDArray[np.int64], conditions: int) -> Floats:
    return np.array([values[condition == code].mean() for code in range(conditions)])
