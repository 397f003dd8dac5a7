"""Bivariate Moran: one gene in a cell against another gene in its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from numba import njit

from vitrail.autocorrelation.moments import gene_moments
from vitrail.autocorrelation.pairs import weight_matrix
from vitrail.autocorrelation.permutation import TOLERANCE, draw, extremity
from vitrail.autocorrelation.values import check_alternative, find_genes, normal_p, value_matrix
from vitrail.inference.fdr import benjamini_hochberg
from vitrail.parallel import available_threads, spans, threaded

Floats = npt.NDArray[np.float64]

# Genes whose neighbours' sums are held at a time, 8 bytes a cell each.
BLOCK = 16


def bivariate(
    counts: Any,
    graph: Any,
    pairs: Sequence[tuple[str, str]],
    permutations: int = 0,
    seed: int = 0,
    row_standardised: bool = False,
    genes: Sequence[str] | None = None,
    threads: int | None = None,
    alternative: str = "two-sided",
) -> pd.DataFrame:
    """Bivariate Moran's I of pairs of genes, for example ligands against receptors.

    I = n / s0 * zx'W zy / sqrt(zx'zx zy'zy) with z the deviations from the mean: x in a cell
    against y in its neighbours (Wartenberg 1985, doi:10.1111/j.1538-4632.1985.tb00849.x). The
    null deals the values of y to the cells at random, x stays: then I is a sum of n terms with
    expectation 0 and a variance that is known exactly. A pair of genes that are each arranged in
    space deviates from this null without any tie between them.

    Parameters
    ----------
    counts, graph, permutations, seed, row_standardised, genes, threads, alternative
        As in `vitrail.autocorrelation.moran`.
    pairs
        Names of (x, y).

    Returns
    -------
    pandas.DataFrame
        One row a pair: ``x``, ``y``, ``I``, ``expected``, ``variance``, ``z``, ``p`` (normal
        approximation), ``p_permutation``, ``fdr`` (over the pairs) and ``reason``, as in
        `vitrail.autocorrelation.moran`.
    """
    check_alternative(alternative)
    matrix, names = value_matrix(counts, genes)
    x = find_genes([pair[0] for pair in pairs], names)
    y = find_genes([pair[1] for pair in pairs], names)
    n = matrix.shape[0]
    weights = weight_matrix(graph, n, row_standardised)
    s0 = float(weights.sum())
    used, place = np.unique(np.concatenate([x, y]), return_inverse=True)
    place_x, place_y = place[: x.size], place[x.size :]
    chosen = sp.csr_matrix(matrix[:, used])
    moments = gene_moments(chosen, threads)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = n / (s0 or np.nan) / np.sqrt(moments.squares[place_x] * moments.squares[place_y])
    columns = sp.csc_matrix(chosen)
    value, variance, found = _sums(
        columns, weights, moments.mean, place_x, place_y, permutations, seed, alternative, threads
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = variance * moments.squares[place_y] / max(n - 1, 1) * scale**2
        table = pd.DataFrame({"x": [p[0] for p in pairs], "y": [p[1] for p in pairs]}, dtype=object)
        table["I"], table["expected"], table["variance"] = value * scale, 0.0, variance
        table["z"] = table["I"] / np.sqrt(variance)
    table["p"] = normal_p(table["z"].to_numpy(), alternative)
    table["p_permutation"] = (found + 1) / (permutations + 1) if permutations else np.nan
    reason = np.full(x.size, None, dtype=object)
    reason[moments.constant[place_x] | moments.constant[place_y]] = "constant"
    if s0 <= 0:
        reason[:] = "no edges"
    if n < 4:
        reason[:] = "fewer than 4 cells"
    table.loc[reason != None, table.columns[2:]] = np.nan  # noqa: E711
    table["fdr"] = benjamini_hochberg(table["p_permutation" if permutations else "p"])
    table["reason"] = pd.Series(reason, dtype=object)
    return table


def _sums(
    columns: sp.csc_matrix, weights: sp.csr_matrix, mean: Floats, x: Any, y: Any,
    permutations: int, seed: int, alternative: str, threads: int | None,
) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:  # fmt: skip
    """Of each pair zx'W zy, squared deviations of W'zx, and permutations as extreme."""
    n = columns.shape[0]
    value, spread = np.zeros(x.size), np.zeros(x.size)
    found = np.zeros(x.size, np.int64)
    gene = np.unique(x)
    stored = (columns.indptr, columns.indices, columns.data)
    for first in range(0, gene.size, BLOCK):
        block = gene[first : first + BLOCK]
        own = np.flatnonzero(np.isin(x, block))
        centred = columns[:, block].toarray() - mean[block]
        near = np.ascontiguousarray((weights.T @ centred).T)
        # Centred, so that the mean of y, which all permutations share, need not be subtracted.
        near -= near.mean(axis=1, keepdims=True)
        rows, partner = np.searchsorted(block, x[own]), y[own]
        observed = _dots(*stored, near, rows, partner, np.arange(n))
        value[own] = observed
        spread[own] = np.square(near).sum(axis=1)[rows]
        bound = extremity(observed, alternative)
        bound = bound - np.abs(bound) * TOLERANCE

        def count(
            span: tuple[int, int], near: Floats = near, rows: Any = rows, partner: Any = partner,
            bound: Floats = bound,
        ) -> npt.NDArray[np.int64]:  # fmt: skip
            beyond = np.zeros(rows.size, np.int64)
            for number in range(*span):
                away = _dots(*stored, near, rows, partner, draw(n, seed, number))
                beyond += extremity(away, alternative) >= bound
            return beyond

        parts = threaded(count, spans(permutations, threads or available_threads()), threads)
        found[own] = np.sum(parts, axis=0) if parts else 0
    return value, spread, found


@njit(cache=True, nogil=True)
def _dots(
    indptr: Any, indices: Any, data: Any, near: Any, rows: Any, partners: Any, place: Any
) -> Any:
    """Sum over cells of y times ``near[row]`` at the cell's place, for each pair."""
    out = np.zeros(rows.size)
    for pair in range(rows.size):
        row = near[rows[pair]]
        for stored in range(indptr[partners[pair]], indptr[partners[pair] + 1]):
            out[pair] += data[stored] * row[place[indices[stored]]]
    return out
