"""Analysis of variance of values over independent units, tested by permuting the conditions."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vitrail.inference.design import Design

Floats = npt.NDArray[np.float64]

# Two labelings whose sums of squares differ by rounding alone are ties.
TOLERANCE = 1e-9
CHUNK = 512


class Variance(NamedTuple):
    """Analysis of variance of each column.

    Attributes
    ----------
    f
        F; NaN where no degree of freedom is left, or all values are equal.
    r2
        Share of the sum of squares (within blocks) that the conditions explain.
    p
        Permutation p-value.
    """

    f: Floats
    r2: Floats
    p: Floats


def row_means(values: Floats, design: Design) -> Floats:
    """Means (rows, columns) of samples' values (samples, columns) in each row of a design."""
    sums = np.zeros((len(design.unit), values.shape[1]))
    np.add.at(sums, design.members, values)
    return np.asarray(sums / np.bincount(design.members, minlength=len(sums))[:, None])


def permutation_f(
    means: Floats, design: Design, labels: npt.NDArray[np.int8], exact: bool
) -> Variance:
    """F, the share of variance explained, and the permutation p of each column.

    Parameters
    ----------
    means
        Values (rows of the design, columns).
    design
        Design; its blocks are taken out.
    labels, exact
        Labelings of the rows, and whether they are all there are: see `Design.draw`.

    Returns
    -------
    Arrays (columns,); p is b / m over all labelings, (b + 1) / (m + 1) over random ones. NaN where
    all values are equal.
    """
    centred = design.without_blocks(means)
    inverse, rank = design.inverse()
    total = (centred**2).sum(axis=0)
    explained = _explained(centred, inverse, design.condition[None])[0]
    beyond = np.zeros(means.shape[1], np.int64)
    for begin in range(0, len(labels), CHUNK):
        others = _explained(centred, inverse, labels[begin : begin + CHUNK])
        beyond += (others >= explained - TOLERANCE * total).sum(axis=0)
    free = len(design.unit) - len(np.unique(design.block)) - rank
    with np.errstate(divide="ignore", invalid="ignore"):
        f = explained / rank / ((total - explained) / free) if free else explained * np.nan
        r2 = explained / total
    p = beyond / len(labels) if exact else (beyond + 1) / (len(labels) + 1)
    return Variance(f, r2, np.where(total > 0, p, np.nan))


def _explained(centred: Floats, inverse: Floats, labels: npt.NDArray[Any]) -> Floats:
    """Sum of squares between conditions (labelings, columns)."""
    sums = [(labels == code).astype(np.float64) @ centred for code in range(len(inverse))]
    total = np.zeros((len(labels), centred.shape[1]))
    for a, left in enumerate(sums):
        for b, right in enumerate(sums):
            total += inverse[a, b] * left * right
    return total
