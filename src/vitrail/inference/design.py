"""Which units stand in which condition, and all the ways in which they might have stood.

A row of a design is one unit in one condition. Units that occur in one condition only are
exchangeable with each other; a unit that occurs in several is a block of its own, within which its
conditions are exchanged (paired design).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Design:
    """Rows (unit, condition) of a comparison.

    Attributes
    ----------
    units, conditions
        Names of all units and conditions, in the order of their first appearance.
    unit, condition
        Codes of each row (rows,).
    block
        Block of each row: conditions are exchangeable within it (rows,).
    members
        Row of each sample (samples,).
    """

    units: tuple[str, ...]
    conditions: tuple[str, ...]
    unit: Integers
    condition: Integers
    block: Integers
    members: Integers

    @property
    def paired(self) -> bool:
        """Whether any unit occurs in several conditions."""
        return len(set(self.unit.tolist())) < len(self.unit)

    @property
    def testable(self) -> bool:
        """At least two conditions of at least two units each, and labels that can change."""
        rows = np.bincount(self.condition, minlength=len(self.conditions))
        return len(self.conditions) > 1 and bool((rows >= 2).all()) and self.labelings() > 1

    def labelings(self) -> int:
        """Number of distinct ways to deal the conditions to the rows within their blocks."""
        total = 1
        for block in np.unique(self.block):
            counts = np.bincount(self.condition[self.block == block])
            total *= math.factorial(int(counts.sum())) // math.prod(
                math.factorial(int(count)) for count in counts
            )
        return total

    def without_blocks(self, columns: Floats) -> Floats:
        """Columns (rows, any) less the mean of each block."""
        out = np.array(columns, dtype=np.float64)
        for block in np.unique(self.block):
            out[self.block == block] -= out[self.block == block].mean(axis=0)
        return out

    def inverse(self) -> tuple[Floats, int]:
        """Pseudo-inverse and rank of the conditions' cross-products without block means.

        It is the same for all labelings: each block keeps its numbers of rows in each condition.
        """
        onehot = self.without_blocks(np.eye(len(self.conditions))[self.condition])
        cross = onehot.T @ onehot
        inverse = np.asarray(np.linalg.pinv(cross, hermitian=True), dtype=np.float64)
        return inverse, int(np.linalg.matrix_rank(cross, hermitian=True))

    def draw(
        self, permutations: int, exact_limit: int, seed: int
    ) -> tuple[npt.NDArray[np.int8], bool]:
        """Labelings (labelings, rows), and whether they are all there are.

        All of them, the observed one among them, where they are at most `exact_limit`; else
        `permutations` random ones.
        """
        rows = [np.flatnonzero(self.block == block) for block in np.unique(self.block)]
        if self.labelings() <= exact_limit:
            choices = [list(_arrangements(self.condition[own].tolist())) for own in rows]
            drawn = np.empty((self.labelings(), len(self.condition)), np.int8)
            for number, chosen in enumerate(itertools.product(*choices)):
                for own, labels in zip(rows, chosen, strict=True):
                    drawn[number, own] = labels
            return drawn, True
        random = np.random.default_rng(seed)
        drawn = np.tile(self.condition.astype(np.int8), (permutations, 1))
        for own in rows:
            drawn[:, own] = random.permuted(drawn[:, own], axis=1)
        return drawn, False


def _arrangements(labels: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Distinct orders of a list with repeated labels."""
    if not labels:
        yield ()
        return
    label = min(labels)
    rest = [other for other in labels if other != label]
    for places in itertools.combinations(range(len(labels)), len(labels) - len(rest)):
        for order in _arrangements(rest):
            others = iter(order)
            yield tuple(label if i in places else next(others) for i in range(len(labels)))


def make_design(units: Sequence[str], conditions: Sequence[str]) -> Design:
    """Design of samples with the given units and conditions.

    Parameters
    ----------
    units, conditions
        One of each a sample. Samples of one unit in one condition share a row.
    """
    unit_names = tuple(dict.fromkeys(units))
    condition_names = tuple(dict.fromkeys(conditions))
    pairs = list(zip(units, conditions, strict=True))
    rows = {pair: row for row, pair in enumerate(dict.fromkeys(pairs))}
    unit = np.array([unit_names.index(u) for u, _ in rows], np.int64)
    condition = np.array([condition_names.index(c) for _, c in rows], np.int64)
    repeated = np.bincount(unit, minlength=len(unit_names))[unit] > 1 if unit.size else unit > 0
    return Design(
        unit_names,
        condition_names,
        unit,
        condition,
        np.where(repeated, unit, -1),
        np.array([rows[pair] for pair in pairs], np.int64),
    )
