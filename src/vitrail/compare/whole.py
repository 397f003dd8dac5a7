"""Divergences of whole graphs between all pairs of samples, by the cohort's one estimator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vitrail.portrait.pairwise import Masses, pair_divergences, stack
from vitrail.portrait.sample import SamplePortraits
from vitrail.portrait.sampled import PARTS, binned_masses, pair_estimates

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class WholePortraits:
    """Whole portraits of all samples.

    Attributes
    ----------
    masses
        Their terms; with sampled portraits, those of each part.
    unseen
        Share of each portrait's nodes that were not searched from; None for portraits of all.
    """

    masses: Masses
    unseen: Floats | None

    def divergences(self, a: Integers, b: Integers, threads: int | None) -> tuple[Floats, Floats]:
        """Divergence of each pair of rows and its standard error, NaN where there is none."""
        if self.unseen is None:
            return pair_divergences(self.masses, a, b, threads), np.full(a.size, np.nan)
        return pair_estimates(self.masses, a, b, self.unseen, threads)


def whole_portraits(
    portraits: Sequence[SamplePortraits], rows: Sequence[Integers], nodes: Integers
) -> WholePortraits:
    """Stack the whole portraits of samples.

    Parameters
    ----------
    portraits
        Of all samples, made with the same settings.
    rows
        For each sample the row that its tissue and each of its types get; -1 leaves one out.
    nodes
        Nodes of the graph of each row.
    """
    entries = [portrait.whole for portrait in portraits]
    if not portraits or portraits[0].meta["estimator"] != "sampled":
        return WholePortraits(stack(entries, rows, nodes.size), None)
    parts = [
        np.where(row[:, None] < 0, -1, row[:, None] * PARTS + np.arange(PARTS)).ravel()
        for row in rows
    ]
    sources = np.minimum(nodes, portraits[0].meta["sources"])
    unseen = 1.0 - sources / np.maximum(nodes, sources).clip(1)
    return WholePortraits(binned_masses(entries, parts, nodes.size * PARTS), unseen)
