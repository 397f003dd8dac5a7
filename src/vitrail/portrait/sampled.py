"""Portraits of large graphs from a sample of their nodes, and divergences with their error.

The divergence of two sampled portraits is biased upwards, not only noisy: what one sample happened
to miss looks like a difference. Two things mend that. Shell sizes are binned, each bin ten percent
wide, so that a sample fills the cells of the distribution; and what is left of the bias, which
falls as one over the number of sources, is measured and taken off by a jackknife over parts of the
sample, which gives the standard error as well (Efron & Stein 1981, doi:10.1214/aos/1176345462;
two samples: each has its own parts). The bias of spread sources does not fall exactly so: a tenth
of the correction is counted into the error. All corrections are scaled by the share of nodes that
were not searched from: with all nodes as sources the estimate is the binned divergence itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from vitrail.errors import VitrailError
from vitrail.parallel import spans, threaded
from vitrail.portrait.bits import BITS
from vitrail.portrait.divergence import SHIFT
from vitrail.portrait.entries import Entries
from vitrail.portrait.network import lay_out
from vitrail.portrait.pairwise import Masses, stack
from vitrail.portrait.portraits import Integers, part_entries, undirected

# Parts of a sample; each holds every PARTS-th source.
PARTS = 16
# A bin of shell sizes reaches so many times its lower end.
WIDTH = 1.1
# Uncertainty of the bias's correction, as a share of it.
DOUBT = 0.1
# Lower ends of the bins: 1, 2, 3 ... as long as they are less than WIDTH apart.
EDGES = np.unique(np.ceil(WIDTH ** np.arange(228)).astype(np.int64))


class Estimate(NamedTuple):
    """An estimated divergence and its standard error."""

    value: float
    error: float


@dataclass(frozen=True)
class SampledPortrait:
    """Portrait of a graph from some of its nodes.

    Attributes
    ----------
    nodes, sources
        Nodes of the graph, and how many of them were searched from.
    parts
        The portraits of the sample's parts, of ``sources / PARTS`` sources each (group = part).
    """

    nodes: int
    sources: int
    parts: Entries


def sampled_portrait(
    graph: Any, sources: int = 4096, seed: int = 0, threads: int | None = None
) -> SampledPortrait:
    """Portrait of a graph from a sample of its nodes that is spread over it.

    Sources are equally spaced, from a start drawn by the seed, along an order in which nodes near
    each other in the graph stand together. Their shells are exact and unlimited in depth.

    Parameters
    ----------
    graph
        As for `vitrail.portrait.portrait`.
    sources
        Number of sources; a graph with at most so many nodes is searched from all of them.
    seed
        Seed of the draw.
    threads
        Number of threads; the result does not depend on it.
    """
    if sources < 2 * PARTS:
        raise VitrailError(f"portrait: found {sources} sources, wanted at least {2 * PARTS}.")
    matrix = undirected(graph)
    n = matrix.shape[0]
    if n == 0:
        nothing = np.zeros(0, np.int64)
        return SampledPortrait(0, 0, Entries(nothing, nothing, nothing))
    drawn = min(n, sources)
    start = np.random.default_rng(seed).random() if drawn < n else 0.0
    # In whole numbers: a float near the next whole one could double a source.
    chosen = (np.arange(drawn, dtype=np.int64) * n + int(start * n)) // drawn
    # The nodes of a batch's sources are a compact piece.
    network = lay_out(matrix, max(1, BITS * n // drawn))
    parts = part_entries(network, chosen, PARTS, threads)
    return SampledPortrait(n, drawn, parts)


def sampled_divergence(a: SampledPortrait, b: SampledPortrait) -> Estimate:
    """Portrait divergence of two graphs, shell sizes binned, from samples of their nodes.

    Returns
    -------
    Estimate
        Value in [0, 1] and its standard error; 0 where both graphs were searched from all nodes.
    """
    rows = np.arange(PARTS)
    masses = binned_masses([a.parts, b.parts], [rows, rows + PARTS], 2 * PARTS)
    unseen = np.array([_unseen(portrait.nodes, portrait.sources) for portrait in (a, b)])
    value, error = pair_estimates(masses, [0], [1], unseen, threads=1)
    return Estimate(float(value[0]), float(error[0]))


def _unseen(nodes: int, sources: int) -> float:
    return 1.0 - sources / nodes if nodes else 0.0


def binned_masses(entries: Sequence[Entries], rows: Sequence[npt.ArrayLike], total: int) -> Masses:
    """As `vitrail.portrait.pairwise.stack`, the shell sizes of a bin added up."""
    return stack(entries, rows, total, binned)


def binned(keys: Integers) -> Integers:
    """Keys with each count replaced by the number of its bin."""
    return keys // SHIFT * SHIFT + np.searchsorted(EDGES, keys % SHIFT, side="right")


def pair_estimates(
    masses: Masses,
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    unseen: npt.NDArray[np.float64],
    threads: int | None = None,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Estimated divergences of many pairs of sampled portraits, and their standard errors.

    Parameters
    ----------
    masses
        Binned; the parts of portrait x are rows ``x * PARTS`` and following.
    a, b
        Portraits of each pair.
    unseen
        Share of each portrait's nodes that were not searched from.
    threads
        Number of threads; the result does not depend on it.
    """
    first, second = np.asarray(a, np.int64).ravel(), np.asarray(b, np.int64).ravel()
    value, error = np.empty(first.size), np.empty(first.size)

    def work(span: tuple[int, int]) -> None:
        _estimates(
            masses.indptr, masses.column, masses.mass, masses.columns,
            first, second, unseen, *span, value, error,
        )  # fmt: skip

    threaded(work, spans(first.size, -(-first.size // 16)), threads)
    return value, error


@njit(cache=True, nogil=True)
def _estimates(
    indptr: Any, column: Any, mass: Any, columns: int, a: Any, b: Any, unseen: Any,
    first: int, last: int, value: Any, error: Any,
) -> None:  # fmt: skip
    sides = np.zeros((2, columns))
    touched = np.empty(columns, np.int64)
    without = np.empty(PARTS)
    for pair in range(first, last):
        own = (a[pair], b[pair])
        totals = np.zeros(2)
        filled = 0
        for side in range(2):
            for term in range(indptr[own[side] * PARTS], indptr[(own[side] + 1) * PARTS]):
                place = column[term]
                if sides[0, place] == 0.0 and sides[1, place] == 0.0:
                    touched[filled] = place
                    filled += 1
                sides[side, place] += mass[term]
                totals[side] += mass[term]
        plain = _divergence(sides, touched, filled, totals)
        bias = 0.0
        variance = 0.0
        for side in range(2):
            if unseen[own[side]] == 0.0:
                continue
            for part in range(PARTS):
                row = own[side] * PARTS + part
                # The terms are whole numbers: what is taken out is put back exactly.
                for term in range(indptr[row], indptr[row + 1]):
                    sides[side, column[term]] -= mass[term]
                    totals[side] -= mass[term]
                without[part] = _divergence(sides, touched, filled, totals)
                for term in range(indptr[row], indptr[row + 1]):
                    sides[side, column[term]] += mass[term]
                    totals[side] += mass[term]
            mean = without.mean()
            bias += unseen[own[side]] * (PARTS - 1) * (mean - plain)
            spread = ((without - mean) ** 2).sum()
            variance += unseen[own[side]] * (PARTS - 1) / PARTS * spread
        value[pair] = min(1.0, max(0.0, plain - bias))
        error[pair] = np.sqrt(variance + (DOUBT * bias) ** 2)
        for i in range(filled):
            sides[0, touched[i]] = 0.0
            sides[1, touched[i]] = 0.0


@njit(cache=True, nogil=True)
def _divergence(sides: Any, touched: Any, filled: int, totals: Any) -> float:
    if totals[0] == 0.0 or totals[1] == 0.0:
        return 0.0 if totals[0] == totals[1] else 1.0
    shared = 0.0
    for i in range(filled):
        p = sides[0, touched[i]] / totals[0]
        q = sides[1, touched[i]] / totals[1]
        if p > 0.0 and q > 0.0:
            shared += (p + q) * np.log2(p + q) - p * np.log2(p) - q * np.log2(q)
    return 1.0 - 0.5 * shared
