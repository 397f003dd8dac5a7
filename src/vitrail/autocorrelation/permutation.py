"""Permutation p-values: values are permuted over the cells, rows and columns of W together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vitrail.autocorrelation.forms import Genes, Pairs, forms, renumber
from vitrail.autocorrelation.moments import GeneMoments, WeightSums
from vitrail.parallel import available_threads, spans, threaded

Floats = npt.NDArray[np.float64]

# Statistics of a permutation that differ from the observed one by rounding alone are ties.
TOLERANCE = 1e-10


def statistics(
    sums: Floats, genes: Genes, moments: GeneMoments, w: WeightSums
) -> tuple[Floats, Floats]:
    """I and C of each gene from its quadratic forms (genes, 3)."""
    product, linear, square = sums.T
    # What is still to subtract from the columns: nothing from those that were centred.
    mean = moments.mean - genes.shift
    s0 = w.s0 or np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        cross = product - mean * linear + mean**2 * s0
        moran = w.n / s0 * cross / moments.squares
        geary = (w.n - 1) / (2.0 * s0) * (square - 2.0 * product) / moments.squares
    return moran, geary


def observed_forms(pairs: Pairs, genes: Genes, threads: int | None) -> Floats:
    """Quadratic forms of all genes (genes, 3)."""
    out = np.zeros((genes.shift.size, 3))
    pieces = spans(genes.shift.size, 4 * available_threads())
    threaded(lambda span: forms(*pairs, *genes, *span, out), pieces, threads)
    return out


def exceedances(
    pairs: Pairs,
    genes: Genes,
    moments: GeneMoments,
    w: WeightSums,
    observed: tuple[Floats, Floats],
    permutations: int,
    seed: int,
    threads: int | None = None,
) -> npt.NDArray[np.int64]:
    """Number of permutations at least as far from the expectation as the observed statistic.

    All genes and both statistics share the permutations; permutation b depends on the seed and b
    alone.

    Returns
    -------
    int64 (2, genes): for I and for C.
    """
    expected = (-1.0 / (w.n - 1.0), 1.0)
    bounds = [
        np.abs(value - centre) * (1.0 - TOLERANCE) - TOLERANCE * w.n**-0.5
        for value, centre in zip(observed, expected, strict=True)
    ]

    def count(span: tuple[int, int]) -> npt.NDArray[np.int64]:
        found = np.zeros((2, genes.shift.size), np.int64)
        out = np.zeros((genes.shift.size, 3))
        for number in range(*span):
            order = np.random.default_rng([seed, number]).permutation(w.n).astype(np.int32)
            indptr, indices, weights, sums = renumber(
                pairs.indptr, pairs.indices, pairs.weights, pairs.sums, order
            )
            forms(indptr, indices, weights, pairs.weight, sums, *genes, 0, genes.shift.size, out)
            permuted = statistics(out, genes, moments, w)
            for row in range(2):
                found[row] += np.abs(permuted[row] - expected[row]) >= bounds[row]
        return found

    parts = threaded(count, spans(permutations, threads or available_threads()), threads)
    return np.sum(parts, axis=0, dtype=np.int64).reshape(2, -1)
