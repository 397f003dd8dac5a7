"""Exact mean and variance of the pairs between types when the types are permuted over the cells.

Pairs (i, j) of cells are fixed; N[a, b] counts those with i of type a and j of type b. Its square
sums over pairs of pairs, whose cells coincide in one of seven ways; the chance that so many
different cells have the types asked for is a quotient of falling factorials. For an undirected
graph this is the join-count variance under non-free sampling (Cliff & Ord 1981, 2.2).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Shape(NamedTuple):
    """What the moments need to know of a fixed set of ordered pairs (i, j), i not j."""

    pairs: int  # number of pairs
    mutual: int  # pairs (i, j) that are there as (j, i) too
    out_out: int  # sum over the cells of (pairs that begin there) squared
    in_in: int  # of (pairs that end there) squared
    out_in: int  # of the product of the two


def pair_moments(shape: Shape, cells: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Mean and variance of the pairs of types under permutation of the types.

    Parameters
    ----------
    shape
        The pairs among typed cells.
    cells
        Cells of each type (types,).

    Returns
    -------
    tuple
        float64 (types, types) each; the variance is NaN with fewer than two cells.
    """
    size = np.asarray(cells, dtype=np.float64)
    n = float(size.sum())
    one, other = np.broadcast_arrays(size[:, None], size[None, :])
    same = np.eye(len(size), dtype=bool)
    if n < 2:
        return np.zeros(same.shape), np.full(same.shape, np.nan)

    def chance(first: int, second: int) -> Floats:
        """Chance that so many given cells are of type a, and so many others of type b."""
        steps = first + second
        if n < steps:
            return np.zeros(same.shape)
        apart = _falling(one, first) * _falling(other, second)
        together = _falling(one, steps)
        return np.where(same, together, apart) / _falling(np.array(n), steps)

    mean = shape.pairs * chance(1, 1)
    begin = shape.out_out - shape.pairs
    end = shape.in_in - shape.pairs
    chain = 2 * (shape.out_in - shape.mutual)
    apart = float(shape.pairs) ** 2 - shape.pairs - shape.mutual - begin - end - chain
    second = (
        shape.pairs * chance(1, 1)
        + begin * chance(1, 2)
        + end * chance(2, 1)
        + apart * chance(2, 2)
        + np.where(same, shape.mutual * chance(1, 1) + chain * chance(1, 2), 0.0)
    )
    variance = second - mean**2
    # What is left of two equal numbers is rounding.
    return mean, np.where(variance > 1e-12 * np.maximum(second, 1.0), variance, 0.0)


def _falling(value: Floats, steps: int) -> Floats:
    """The product value (value - 1) ... of so many factors; 0 where it runs out."""
    product = np.ones_like(value)
    for step in range(steps):
        product = product * np.maximum(value - step, 0.0)
    return product
