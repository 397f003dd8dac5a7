"""Classes of immune topography, from densities in cells per square millimetre."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

INFLAMED, EXCLUDED, DESERT = "inflamed", "excluded", "desert"
INFILTRATED = "infiltrated"
HIGH, LOW = "high", "low"


def border_ratio(centre: float, margin: float) -> float:
    """Density at the margin over that in the centre; infinite where the centre has none."""
    if not (math.isfinite(centre) and math.isfinite(margin)) or centre == margin == 0:
        return math.nan
    return margin / centre if centre > 0 else math.inf


def phenotype(
    centre: float, margin: float, excluded_ratio: float = 10.0, desert_density: float = 100.0
) -> str | None:
    """Phenotype by the border-to-centre ratio (Hammerl et al. 2021, doi:10.1038/s41467-021-25962-0).

    Parameters
    ----------
    centre, margin
        Density in the tumour's centre and at its margin.
    excluded_ratio
        Excluded: more than this many times more at the margin than in the centre.
    desert_density
        Desert (ignored): fewer than this at the margin and in the centre alike.

    Returns
    -------
    "desert", "excluded" or "inflamed"; None where a density is not known.
    """  # noqa: E501
    if not (math.isfinite(centre) and math.isfinite(margin)):
        return None
    if max(centre, margin) < desert_density or centre == margin == 0:
        return DESERT
    return EXCLUDED if border_ratio(centre, margin) > excluded_ratio else INFLAMED


def spatial_distribution(tumour: float, stroma: float) -> float:
    """Density in the tumour as a share of the densities in tumour and stroma; 0.5 where equal."""
    total = tumour + stroma
    return tumour / total if math.isfinite(total) and total > 0 else math.nan


def pattern(
    quantity: float,
    distribution: float,
    desert_quantity: float = 100.0,
    infiltrated_share: float = 0.25,
) -> str | None:
    """Pattern by quantity and spatial distribution (Desbois et al. 2020, doi:10.1038/s41467-020-19408-2).

    Parameters
    ----------
    quantity
        Density over tumour and stroma together.
    distribution
        See `spatial_distribution`.
    desert_quantity
        Desert: a lower quantity.
    infiltrated_share
        Infiltrated: at least this distribution; excluded: less.
    """  # noqa: E501
    if not math.isfinite(quantity):
        return None
    if quantity < desert_quantity or quantity == 0:
        return DESERT
    if not math.isfinite(distribution):
        return None
    return INFILTRATED if distribution >= infiltrated_share else EXCLUDED


def statuses(
    values: Sequence[float], cut_off: float | str = "median"
) -> tuple[list[str | None], float]:
    """High or low of each sample's density, and the cut-off (Galon et al. 2006).

    Galon et al. 2006 (doi:10.1126/science.1129139) divide patients by the density in the tumour's
    centre and by that at its invasive margin, each at a cut-off of the cohort.

    Parameters
    ----------
    values
        Densities, NaN where not known.
    cut_off
        A density, or "median": that of the known values. High is above it.
    """
    known = [value for value in values if math.isfinite(value)]
    if cut_off == "median":
        level = statistics.median(known) if known else math.nan
    else:
        level = float(cut_off)
    said = [None if not math.isfinite(v) else HIGH if v > level else LOW for v in values]
    return said, level
