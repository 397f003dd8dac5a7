"""Intervals by drawing the independent units again (Efron & Tibshirani 1993, chapter 13)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vitrail.inference.design import Design

Floats = npt.NDArray[np.float64]

LEVEL = (0.025, 0.975)


def draw_units(design: Design, bootstraps: int, seed: int) -> Floats:
    """How often each row of a design is drawn (bootstraps, rows).

    Units are drawn with replacement among those that occur in the same conditions, so that each
    condition keeps its number of units; all rows of a unit come with it.
    """
    random = np.random.default_rng([seed, 1])
    kinds: dict[tuple[int, ...], list[int]] = {}
    for unit in np.unique(design.unit):
        kinds.setdefault(tuple(np.sort(design.condition[design.unit == unit])), []).append(unit)
    times = np.zeros((bootstraps, len(design.units)))
    for members in kinds.values():
        drawn = random.multinomial(len(members), [1.0 / len(members)] * len(members), bootstraps)
        times[:, members] = drawn
    return times[:, design.unit]


def difference_interval(
    means: Floats, design: Design, first: int, second: int, bootstraps: int, seed: int
) -> tuple[Floats, Floats]:
    """95 % percentile interval of the difference of two conditions' means, over draws of units.

    Parameters
    ----------
    means
        Values (rows of the design, columns).
    design
        The design.
    first, second
        Codes of the conditions; the difference is second minus first.
    bootstraps
        Number of draws; 0 gives NaN.
    seed
        Seed of the draws.

    Returns
    -------
    Both ends of the interval, (columns,) each.
    """
    if bootstraps < 1:
        return np.full(means.shape[1], np.nan), np.full(means.shape[1], np.nan)
    weight = draw_units(design, bootstraps, seed)

    def mean(condition: int) -> Floats:
        own = design.condition == condition
        return np.asarray(weight[:, own] @ means[own] / weight[:, own].sum(axis=1, keepdims=True))

    low, high = np.quantile(mean(second) - mean(first), LEVEL, axis=0)
    return low, high
