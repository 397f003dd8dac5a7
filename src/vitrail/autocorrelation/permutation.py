"""Permutation p-values: values are permuted over the cells, rows and columns of W together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from vitrail.autocorrelation.kernels import LANES, linear, products
from vitrail.autocorrelation.moments import SPANS, GeneMoments, WeightSums
from vitrail.autocorrelation.pairs import Pairs, local_pairs, neighbour_pairs
from vitrail.autocorrelation.rows import Rows
from vitrail.parallel import available_threads, spans, threaded

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Statistics of a permutation that differ from the observed one by rounding alone are ties.
TOLERANCE = 1e-10


class Graph(NamedTuple):
    """Pairs in the order of the cells, the same renumbered so that neighbours are near, and how."""

    pairs: Pairs
    local: Pairs
    rank: npt.NDArray[np.int32]


def prepare(both: sp.csr_matrix, permuted: bool) -> Graph:
    """Pairs of W + W' (n, n); without permutations they need no order of their own."""
    pairs = neighbour_pairs(both)
    if permuted:
        return Graph(pairs, *local_pairs(both))
    return Graph(pairs, pairs, np.arange(both.shape[0], dtype=np.int32))


def draw(n: int, seed: int, number: int) -> npt.NDArray[np.int64]:
    """Permutation `number`: the node of the graph that each cell is put at (n,)."""
    return np.random.default_rng([seed, number]).permutation(n)


def statistic(
    name: str, product: Floats, along: Floats, shift: Floats, moments: tuple[Floats, Floats],
    w: WeightSums,
) -> Floats:  # fmt: skip
    """I or C from forms (..., genes) where v = x - shift: v'Wv, and r'v (I) or r'v^2 (C).

    `moments`: mean and sum of squared deviations of each gene.
    """
    mean, squares = moments
    s0 = w.s0 or np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        if name == "geary":
            return (w.n - 1) / (2.0 * s0) * (along - 2.0 * product) / squares
        # What is still to subtract: nothing from genes that were centred.
        rest = mean - shift
        return w.n / s0 * (product - rest * along + rest**2 * s0) / squares


class Block:
    """Statistics of a block of genes, observed and under permutations.

    `names`: those that are wanted, of "moran" and "geary".
    """

    def __init__(
        self, rows: Rows, graph: Graph, moments: GeneMoments, w: WeightSums, names: tuple[str, ...]
    ) -> None:
        self.rows, self.graph, self.w, self.names = rows, graph, w, names
        self.shift = np.zeros(rows.genes.size)
        self.shift[: rows.shift.size] = rows.shift
        self.moments = moments.mean[rows.genes], moments.squares[rows.genes]

    def observed(self, threads: int | None = None) -> Floats:
        """Each statistic of the block's genes (names, genes)."""
        start = self.rows.start[:-1]
        sums = np.repeat(self.graph.pairs.sums[:, None], LANES, axis=1)

        def part(span: tuple[int, int]) -> Floats:
            product = self._products(self.graph.pairs, start, span)
            along = [self._linear(name, sums, span)[:1] for name in self.names]
            return np.concatenate([product[None], *along])

        # The same spans for any number of threads, so that sums are added in the same order.
        parts = threaded(part, spans(self.w.n, SPANS), threads)
        empty = np.zeros((1 + len(self.names), self.rows.genes.size))
        product, *along = np.sum(parts, axis=0) if parts else empty
        return self._statistics(product, along)

    def permuted(self, numbers: range, seed: int, scratch: Scratch) -> Floats:
        """Each statistic (names, permutations, genes) of at most LANES permutations."""
        local, n = self.graph.local, self.w.n
        product = np.empty((len(numbers), self.rows.genes.size))
        for lane, number in enumerate(numbers):
            place = self.graph.rank[draw(n, seed, number)]
            scratch.sums[:, lane] = local.sums[place]
            scratch.at[place] = self.rows.start[:-1]
            product[lane] = self._products(local, scratch.at, (0, n))
        along = [self._linear(name, scratch.sums, (0, n))[: len(numbers)] for name in self.names]
        return self._statistics(product, along)

    def _products(self, pairs: Pairs, at: Ints, span: tuple[int, int]) -> Floats:
        """Forms v'Wv (genes,) of a span of nodes whose rows begin at `at`."""
        rows = self.rows
        total = np.zeros(rows.slots)
        products(
            pairs.indptr, pairs.indices, pairs.weights, at, rows.words, rows.buffer, rows.values,
            rows.shift, *span, total,
        )  # fmt: skip
        return total[: rows.genes.size] * (1.0 if pairs.weights.size else pairs.weight)

    def _linear(self, name: str, sums: Floats, span: tuple[int, int]) -> Floats:
        """Sums r'v or r'v^2 (LANES, genes) of a span of cells, whichever the statistic needs."""
        rows = self.rows
        out = np.zeros((rows.slots, LANES))
        linear(
            rows.start, rows.words, rows.buffer, rows.values, rows.shift, name == "geary", sums,
            *span, out,
        )  # fmt: skip
        return out[: rows.genes.size].T

    def _statistics(self, product: Floats, along: Sequence[Floats]) -> Floats:
        pairs = zip(self.names, along, strict=True)
        return np.stack(
            [statistic(name, product, one, self.shift, self.moments, self.w) for name, one in pairs]
        )


class Scratch:
    """What a thread keeps of a permutation: where rows begin, and sums of weights."""

    def __init__(self, n: int) -> None:
        self.at = np.empty(n, np.int64)
        self.sums = np.zeros((n, LANES))


def exceedances(
    block: Block,
    observed: Floats,
    permutations: int,
    seed: int,
    alternative: str = "two-sided",
    threads: int | None = None,
) -> Ints:
    """Number of permutations at least as extreme as the observed statistics (names, genes).

    All genes and both statistics share the permutations; permutation b depends on the seed and b
    alone.

    Returns
    -------
    int64 (names, genes).
    """
    n = block.w.n
    centre = {"moran": -1.0 / (n - 1.0), "geary": 1.0}
    expected = np.array([[centre[name]] for name in block.names])
    bounds = extremity(observed - expected, alternative)
    bounds = bounds - np.abs(bounds) * TOLERANCE - TOLERANCE * n**-0.5

    def count(span: tuple[int, int]) -> Ints:
        found = np.zeros(bounds.shape, np.int64)
        scratch = Scratch(n)
        for first in range(*span, LANES):
            permuted = block.permuted(range(first, min(first + LANES, span[1])), seed, scratch)
            away = extremity(permuted - expected[:, None], alternative)
            found += (away >= bounds[:, None]).sum(axis=1)
        return found

    parts = threaded(count, spans(permutations, threads or available_threads()), threads)
    return np.sum(parts, axis=0, dtype=np.int64)


def extremity(away: Floats, alternative: str) -> Floats:
    """How far a difference from the expectation speaks for the alternative."""
    if alternative == "two-sided":
        return np.abs(away)
    return away if alternative == "greater" else -away
