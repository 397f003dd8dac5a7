"""Genes across the samples of a cohort: whether their arrangement differs between conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitrail.inference.anova import permutation_f, row_means
from vitrail.inference.bootstrap import difference_interval
from vitrail.inference.design import make_design
from vitrail.inference.fdr import benjamini_hochberg

Floats = npt.NDArray[np.float64]


def across(
    tables: Mapping[str, pd.DataFrame],
    units: Mapping[str, str | None],
    conditions: Mapping[str, str | None],
    seed: int = 0,
    permutations: int = 9999,
    exact_limit: int = 10000,
    bootstraps: int = 1000,
) -> pd.DataFrame:
    """Moran's I of each gene in each sample, and its test between conditions over units.

    Values of a unit's samples in one condition are averaged first. The statistic is F of an
    analysis of variance of these means, with paired units as blocks, and its p-value comes from
    permuting the conditions over the units, within the unit where it is paired.

    Parameters
    ----------
    tables
        Table of each sample: of the stage (columns ``gene`` and ``moran_I``), or of
        `vitrail.autocorrelation.moran` (indexed by gene, column ``I``).
    units, conditions
        Unit (patient) and condition of each sample; a sample without a unit is a unit of its own,
        one without a condition is not tested.
    seed
        Seed of the permutations.
    permutations, exact_limit
        Random labelings of the units, where there are more than `exact_limit` in all.
    bootstraps
        Draws of units for the interval of the difference; 0 for none.

    Returns
    -------
    pandas.DataFrame
        One row a gene of any sample, in the order of their first appearance: ``gene``,
        ``samples``, ``units`` (those with a value), ``I_mean``, for each condition
        ``I_mean_<condition>`` and ``units_<condition>``, ``difference`` (second minus first
        condition; NaN unless there are two) with its 95 % interval ``difference_low`` and
        ``difference_high``, ``F``, ``r2`` (share of the variance between units that the conditions
        explain), ``p``, ``fdr``, ``permutations``, ``exact``, ``note`` (null, or why there is no
        test), and ``I_<sample>`` for each sample.
    """
    names = list(tables)
    genes, values = _matrix(tables)
    unit = [str(units.get(name) or name) for name in names]
    condition = [conditions.get(name) or None for name in names]
    levels = list(dict.fromkeys(c for c in condition if c is not None))
    finite = np.isfinite(values)
    table = pd.DataFrame({"gene": genes, "samples": finite.sum(axis=0)})
    table["units"] = [len({unit[s] for s in np.flatnonzero(column)}) for column in finite.T]
    table["I_mean"] = _mean(values, finite)
    tests = [_untested(levels) for _ in genes]
    patterns, pattern_of = np.unique(finite.T, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        own = np.flatnonzero(pattern_of.ravel() == number)
        used = [s for s in np.flatnonzero(pattern) if condition[s] is not None]
        rows = _tests(
            values[np.ix_(used, own)], [unit[s] for s in used],
            [str(condition[s]) for s in used], levels, permutations, exact_limit, bootstraps, seed,
        )  # fmt: skip
        for gene, row in zip(own, rows, strict=True):
            tests[gene] = row
    table = pd.concat([table, pd.DataFrame(tests, columns=list(_untested(levels)))], axis=1)
    table["fdr"] = benjamini_hochberg(table["p"])
    samples = pd.DataFrame({f"I_{name}": row for name, row in zip(names, values, strict=True)})
    return pd.concat([table, samples], axis=1)


def _matrix(tables: Mapping[str, pd.DataFrame]) -> tuple[list[str], Floats]:
    """Genes of all samples, and I (samples, genes) with NaN where there is none."""
    columns = []
    for table in tables.values():
        index = table.get("gene", table.index)
        column = table["moran_I"] if "moran_I" in table else table["I"]
        columns.append(dict(zip(index.astype(str), column.astype(float), strict=True)))
    genes = list(dict.fromkeys(gene for column in columns for gene in column))
    values = [[column.get(gene, np.nan) for gene in genes] for column in columns]
    return genes, np.array(values, dtype=np.float64).reshape(len(columns), len(genes))


def _mean(values: Floats, finite: npt.NDArray[np.bool_]) -> Floats:
    count = finite.sum(axis=0)
    total = np.where(finite, values, 0.0).sum(axis=0)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)


def _untested(levels: Sequence[str]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for level in levels:
        row |= {f"I_mean_{level}": np.nan, f"units_{level}": 0}
    return row | {
        "difference": np.nan, "difference_low": np.nan, "difference_high": np.nan, "F": np.nan,
        "r2": np.nan, "p": np.nan, "fdr": np.nan, "permutations": 0, "exact": False, "note": None,
    }  # fmt: skip


def _tests(
    values: Floats,
    units: Sequence[str],
    conditions: Sequence[str],
    levels: Sequence[str],
    permutations: int,
    exact_limit: int,
    bootstraps: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Rows of the genes (columns of `values`), which have values in the same samples."""
    design = make_design(units, conditions)
    means = row_means(values, design)
    row = _untested(levels)
    for code, level in enumerate(design.conditions):
        row[f"units_{level}"] = int((design.condition == code).sum())
    testable = design.testable and len(design.conditions) == len(levels)
    if not testable:
        row["note"] = "not tested: wanted at least 2 units with a value in each of 2 conditions"
    rows = [dict(row) for _ in range(values.shape[1])]
    for code, level in enumerate(design.conditions):
        for gene, mean in enumerate(means[design.condition == code].mean(axis=0)):
            rows[gene][f"I_mean_{level}"] = mean
    if not testable:
        return rows
    labels, exact = design.draw(permutations, exact_limit, seed)
    found = permutation_f(means, design, labels, exact)
    for gene, one in enumerate(rows):
        one |= {"F": found.f[gene], "r2": found.r2[gene], "p": found.p[gene]}
        one |= {"permutations": len(labels), "exact": exact}
    if len(levels) == 2:
        first, second = (design.conditions.index(level) for level in levels)
        low, high = difference_interval(means, design, first, second, bootstraps, seed)
        for gene, one in enumerate(rows):
            one["difference"] = one[f"I_mean_{levels[1]}"] - one[f"I_mean_{levels[0]}"]
            one |= {"difference_low": low[gene], "difference_high": high[gene]}
    return rows
