"""Permutation p-values: values are permuted over the cells, rows and columns of W together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from vitrail.autocorrelation.kernels import LANES, deal, linear, products
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


def statistics(
    forms: Floats, shift: Floats, mean: Floats, squares: Floats, w: WeightSums
) -> tuple[Floats, Floats]:
    """I and C from quadratic forms v'Wv, r'v, r'v^2 (3, ..., genes), where v = x - shift."""
    product, along, square = forms
    # What is still to subtract: nothing from genes that were centred.
    rest = mean - shift
    s0 = w.s0 or np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        cross = product - rest * along + rest**2 * s0
        moran = w.n / s0 * cross / squares
        geary = (w.n - 1) / (2.0 * s0) * (square - 2.0 * product) / squares
    return moran, geary


class Block:
    """Statistics of a block of genes, observed and under permutations."""

    def __init__(self, rows: Rows, graph: Graph, moments: GeneMoments, w: WeightSums) -> None:
        self.rows, self.graph, self.w = rows, graph, w
        self.views = rows.views(rows.buffer)
        self.shift = np.zeros(rows.genes.size)
        self.shift[: rows.shift.size] = rows.shift
        self.mean, self.squares = moments.mean[rows.genes], moments.squares[rows.genes]

    def observed(self, threads: int | None = None) -> tuple[Floats, Floats]:
        """I and C of the block's genes."""
        pairs, rows = self.graph.pairs, self.rows
        sums = np.repeat(pairs.sums[:, None], LANES, axis=1)

        def part(span: tuple[int, int]) -> Floats:
            forms = np.zeros((3, self.shift.size))
            products(
                pairs.indptr, pairs.indices, pairs.weights, rows.start, rows.tails, *self.views,
                rows.shift, *span, forms[0],
            )  # fmt: skip
            along = np.zeros((self.shift.size, 2, LANES))
            linear(rows.start, rows.tails, *self.views, rows.shift, sums, *span, along)
            forms[1:] = along[:, :, 0].T
            return forms

        # The same spans for any number of threads, so that sums are added in the same order.
        parts = threaded(part, spans(self.w.n, SPANS), threads)
        forms = np.sum(parts, axis=0) if parts else np.zeros((3, self.shift.size))
        forms[0] *= pairs.weight if not pairs.weights.size else 1.0
        return statistics(forms, self.shift, self.mean, self.squares, self.w)

    def permuted(self, numbers: range, seed: int, scratch: Scratch) -> tuple[Floats, Floats]:
        """I and C (permutations, genes) of at most LANES permutations."""
        pairs, rank, rows = self.graph.local, self.graph.rank, self.rows
        forms = np.zeros((3, len(numbers), self.shift.size))
        for lane, number in enumerate(numbers):
            place = rank[draw(self.w.n, seed, number)]
            scratch.sums[:, lane] = pairs.sums[place]
            deal(
                place, rows.start, rows.tails, rows.buffer, scratch.at, scratch.lengths,
                scratch.buffer,
            )  # fmt: skip
            products(
                pairs.indptr, pairs.indices, pairs.weights, scratch.at, scratch.lengths,
                *rows.views(scratch.buffer), rows.shift, 0, self.w.n, forms[0, lane],
            )  # fmt: skip
        along = np.zeros((self.shift.size, 2, LANES))
        linear(rows.start, rows.tails, *self.views, rows.shift, scratch.sums, 0, self.w.n, along)
        forms[1:] = along.transpose(1, 2, 0)[:, : len(numbers)]
        forms[0] *= pairs.weight if not pairs.weights.size else 1.0
        return statistics(forms, self.shift, self.mean, self.squares, self.w)


class Scratch:
    """What a thread writes permuted rows to."""

    def __init__(self, rows: Rows) -> None:
        self.buffer = np.empty_like(rows.buffer)
        self.at = np.empty(rows.tails.size, np.int64)
        self.lengths = np.empty_like(rows.tails)
        self.sums = np.zeros((rows.tails.size, LANES))


def exceedances(
    block: Block,
    observed: tuple[Floats, Floats],
    permutations: int,
    seed: int,
    alternative: str = "two-sided",
    threads: int | None = None,
) -> Ints:
    """Number of permutations at least as extreme as the observed statistic.

    All genes and both statistics share the permutations; permutation b depends on the seed and b
    alone.

    Returns
    -------
    int64 (2, genes): for I and for C.
    """
    n = block.w.n
    expected = (-1.0 / (n - 1.0), 1.0)
    bounds = [
        extremity(value - centre, alternative) for value, centre in zip(observed, expected,
                                                                         strict=True)
    ]  # fmt: skip
    bounds = [bound - np.abs(bound) * TOLERANCE - TOLERANCE * n**-0.5 for bound in bounds]

    def count(span: tuple[int, int]) -> Ints:
        found = np.zeros((2, block.shift.size), np.int64)
        scratch = Scratch(block.rows)
        for first in range(*span, LANES):
            permuted = block.permuted(range(first, min(first + LANES, span[1])), seed, scratch)
            for row in range(2):
                away = extremity(permuted[row] - expected[row], alternative)
                found[row] += (away >= bounds[row]).sum(axis=0)
        return found

    parts = threaded(count, spans(permutations, threads or available_threads()), threads)
    return np.sum(parts, axis=0, dtype=np.int64).reshape(2, -1)


def extremity(away: Floats, alternative: str) -> Floats:
    """How far a difference from the expectation speaks for the alternative."""
    if alternative == "two-sided":
        return np.abs(away)
    return away if alternative == "greater" else -away
