"""Spill-over: how often one cell holds markers that exclude each other.

Two genes exclude each other if no cell makes both, such as markers of two unrelated types. A cell
that has both took in its neighbour's transcripts, or is two cells. If n_a and n_b of n cells have
the genes, n_a n_b / n cells have both where cells hold transcripts at random: a ratio of observed
to expected of 1 says that the outlines tell nothing, one near 0 that they are clean.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from vitrail.annotate.rows import Rows

LOG = logging.getLogger("vitrail.annotate")
Pair = tuple[str, str]


@dataclass(frozen=True)
class Spillover:
    """Pairs of exclusive genes in n cells.

    Attributes
    ----------
    pairs
        Names of the genes.
    cells_a, cells_b, observed
        int64 arrays, one value a pair: cells that have the one, the other, both.
    expected, z
        float64 arrays: expected number of cells with both, and how many standard deviations the
        observed one lies above it (hypergeometric, given how many cells have either gene).
    in_cell
        int32 array of shape (all cells,): pairs of which the cell has both genes.
    """

    pairs: list[Pair]
    cells_a: npt.NDArray[np.int64]
    cells_b: npt.NDArray[np.int64]
    observed: npt.NDArray[np.int64]
    expected: npt.NDArray[np.float64]
    z: npt.NDArray[np.float64]
    in_cell: npt.NDArray[np.int32]

    @property
    def ratio(self) -> float:
        """Observed over expected, all pairs together; not a number where nothing is expected."""
        expected = float(self.expected.sum())
        return float(self.observed.sum()) / expected if expected else float("nan")


def exclusive_pairs(
    wanted: Sequence[Sequence[str]],
    markers: Mapping[str, Sequence[str]] | None,
    panel: Sequence[str],
) -> list[Pair]:
    """Pairs of genes that exclude each other, each in alphabetical order, sorted.

    Parameters
    ----------
    wanted
        Pairs that the config names.
    markers
        Marker genes of each type: where no pairs are named, each two genes exclude each other
        that mark some type, but none in common.
    panel
        Genes that were measured; pairs with others are left out, with a warning if they were
        named.
    """
    measured = set(panel)
    if wanted:
        absent = sorted({gene for pair in wanted for gene in pair} - measured)
        if absent:
            LOG.warning("genes of exclusive pairs that the panel lacks: %s", ", ".join(absent))
        return sorted({(min(p), max(p)) for p in wanted if measured.issuperset(p)})
    types: dict[str, set[str]] = {}
    for name, genes in (markers or {}).items():
        for gene in measured.intersection(genes):
            types.setdefault(gene, set()).add(name)
    return [(a, b) for a, b in combinations(sorted(types), 2) if types[a].isdisjoint(types[b])]


def spillover(
    X: Rows | sparse.csr_matrix,
    passed: npt.NDArray[np.bool_],
    panel: Sequence[str],
    pairs: Sequence[Pair],
    min_counts: int = 2,
) -> Spillover:
    """Count cells with both genes of each pair.

    Parameters
    ----------
    X
        Counts of shape (n, genes), CSR or in blocks.
    passed
        bool array of shape (n,): cells that are counted.
    panel
        Names of the genes.
    pairs
        Names of genes in the panel.
    min_counts
        Transcripts from which on a cell has a gene.
    """
    column = {gene: i for i, gene in enumerate(panel)}
    genes = sorted({gene for pair in pairs for gene in pair})
    place = {gene: i for i, gene in enumerate(genes)}
    a, b = (np.array([place[pair[k]] for pair in pairs], dtype=np.int64) for k in (0, 1))
    chosen = [column[gene] for gene in genes]
    exclude = sparse.coo_matrix((np.ones(len(a), np.int64), (a, b)), (len(genes),) * 2).tocsr()
    together = np.zeros((len(genes),) * 2, dtype=np.int64)
    in_cell = np.zeros(len(passed), dtype=np.int32)
    for here, block in Rows.of(X):
        has = sparse.csr_matrix(block[:, chosen] >= min_counts).astype(np.int64)
        counted = has[passed[here]]
        together += (counted.T @ counted).toarray()
        in_cell[here] = np.asarray((has @ exclude).multiply(has).sum(axis=1)).ravel()
    cells = np.diag(together)
    n = int(passed.sum())
    expected = cells[a] * cells[b] / max(n, 1)
    return Spillover(
        pairs=list(pairs),
        cells_a=cells[a],
        cells_b=cells[b],
        observed=together[a, b],
        expected=expected,
        z=_score(together[a, b], expected, cells[a], cells[b], n),
        in_cell=in_cell,
    )


def _score(observed: Any, expected: Any, one: Any, other: Any, n: int) -> npt.NDArray[np.float64]:
    """Standard deviations of the hypergeometric distribution; not a number where it has none."""
    if n < 2:
        return np.full(len(observed), np.nan)
    variance = expected * (n - one) * (n - other) / (n * (n - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        score = (observed - expected) / np.sqrt(variance)
    return np.where(variance > 0, score, np.nan)


def as_dict(found: Spillover) -> dict[str, Any]:
    """Spill-over as ``uns["spillover"]`` holds it."""
    return {
        "observed": int(found.observed.sum()),
        "expected": float(found.expected.sum()),
        "ratio": found.ratio,
        "pairs": {
            "gene_a": np.array([a for a, _ in found.pairs], dtype=object),
            "gene_b": np.array([b for _, b in found.pairs], dtype=object),
            "cells_a": found.cells_a,
            "cells_b": found.cells_b,
            "observed": found.observed,
            "expected": found.expected,
            "z": found.z,
        },
    }
