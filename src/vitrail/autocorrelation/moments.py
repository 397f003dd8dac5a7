"""Expectation and variance of Moran's I and Geary's C under two null models.

Normality: values are independent draws of one normal distribution. Randomisation: the values at
hand are dealt to the cells at random. Cliff & Ord 1981, *Spatial Processes*, sections 2.3 and 2.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from vitrail.autocorrelation.kernels import deviations, totals
from vitrail.parallel import spans, threaded

SPANS = 16  # of cells, whose sums are taken apart

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class WeightSums:
    """Sums over a weight matrix that the moments need.

    Attributes
    ----------
    n
        Cells.
    s0, s1, s2
        Sum of w_ij; half the sum of (w_ij + w_ji)^2; sum over cells of (row sum + column sum)^2.
    """

    n: int
    s0: float
    s1: float
    s2: float


def weight_sums(weights: sp.csr_matrix, both: sp.csr_matrix) -> WeightSums:
    """Sums over a weight matrix W (n, n), given W + W'."""
    sums = np.asarray(both.sum(axis=1)).ravel()
    return WeightSums(
        weights.shape[0],
        float(weights.sum()),
        float(np.square(both.data).sum()) / 2.0,
        float(np.square(sums).sum()),
    )


def moran_moments(w: WeightSums, kurtosis: Floats) -> tuple[float, float, Floats]:
    """Expectation, variance under normality, variance under randomisation of I.

    Parameters
    ----------
    w
        Sums of the weights; at least 4 cells and one edge.
    kurtosis
        m4 / m2^2 of each gene (genes,).
    """
    n, s0, s1, s2 = float(w.n), w.s0, w.s1, w.s2
    expected = -1.0 / (n - 1.0)
    normal = (n * n * s1 - n * s2 + 3.0 * s0 * s0) / ((n * n - 1.0) * s0 * s0) - expected**2
    a = n * ((n * n - 3.0 * n + 3.0) * s1 - n * s2 + 3.0 * s0 * s0)
    b = kurtosis * ((n * n - n) * s1 - 2.0 * n * s2 + 6.0 * s0 * s0)
    random = (a - b) / ((n - 1.0) * (n - 2.0) * (n - 3.0) * s0 * s0) - expected**2
    return expected, normal, random


def geary_moments(w: WeightSums, kurtosis: Floats) -> tuple[float, float, Floats]:
    """Expectation, variance under normality, variance under randomisation of C.

    Parameters
    ----------
    w
        Sums of the weights; at least 4 cells and one edge.
    kurtosis
        m4 / m2^2 of each gene (genes,).
    """
    n, s0, s1, s2 = float(w.n), w.s0, w.s1, w.s2
    normal = ((2.0 * s1 + s2) * (n - 1.0) - 4.0 * s0 * s0) / (2.0 * (n + 1.0) * s0 * s0)
    a = (n - 1.0) * s1 * (n * n - 3.0 * n + 3.0 - (n - 1.0) * kurtosis)
    b = 0.25 * (n - 1.0) * s2 * (n * n + 3.0 * n - 6.0 - (n * n - n + 2.0) * kurtosis)
    c = s0 * s0 * (n * n - 3.0 - (n - 1.0) ** 2 * kurtosis)
    random = (a - b + c) / (n * (n - 2.0) * (n - 3.0) * s0 * s0)
    return 1.0, normal, random


@dataclass(frozen=True)
class GeneMoments:
    """Moments of each gene over all cells, zeros included (genes,).

    Attributes
    ----------
    mean, squares, kurtosis
        Mean; sum of squared deviations; m4 / m2^2.
    stored
        Values that are not zero.
    constant
        Whether all values are equal, up to rounding.
    """

    mean: Floats
    squares: Floats
    kurtosis: Floats
    stored: npt.NDArray[np.int64]
    constant: npt.NDArray[np.bool_]


def gene_moments(matrix: sp.csr_matrix, threads: int | None = None) -> GeneMoments:
    """Moments of the columns of a CSR matrix (cells, genes) from its stored values alone."""
    n = max(matrix.shape[0], 1)
    nothing = np.zeros(matrix.shape[1])
    number, total, scale = _sums(totals, 3, matrix, nothing, threads)
    mean, absent = total / n, matrix.shape[0] - number
    squares, fourth = _sums(deviations, 2, matrix, mean, threads)
    squares = squares + absent * mean**2
    fourth = fourth + absent * mean**4
    constant = squares <= 1e-24 * scale * n
    with np.errstate(divide="ignore", invalid="ignore"):
        kurtosis = np.where(constant, np.nan, n * fourth / squares**2)
    return GeneMoments(mean, squares, kurtosis, number.astype(np.int64), constant)


def _sums(
    kernel: Any, columns: int, matrix: sp.csr_matrix, mean: Floats, threads: int | None
) -> Floats:
    """What `kernel` adds up over the stored values of each gene (columns, genes)."""

    def part(span: tuple[int, int]) -> Floats:
        out = np.zeros((matrix.shape[1], columns))
        kernel(matrix.indptr, matrix.indices, matrix.data, mean, *span, out)
        return out

    # The same spans for any number of threads, so that sums are added in the same order.
    parts = threaded(part, spans(matrix.shape[0], SPANS), threads)
    return np.sum(parts, axis=0).T if parts else np.zeros((columns, matrix.shape[1]))
