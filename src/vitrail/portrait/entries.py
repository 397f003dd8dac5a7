"""Several portraits in one list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from vitrail.portrait.divergence import SHIFT

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Entries:
    """Several portraits in one list of entries, without their B[l, 0].

    Attributes
    ----------
    group, key, number
        int64, sorted by group and key: in portrait `group`, `number` nodes have
        ``key % 2^31`` nodes at distance ``key // 2^31``.
    """

    group: Integers
    key: Integers
    number: Integers

    def portrait(self, group: int) -> sp.csr_matrix:
        """Portrait matrix of one group."""
        own = self.group == group
        levels, counts, numbers = self.key[own] // SHIFT, self.key[own] % SHIFT, self.number[own]
        return from_entries(levels, counts, numbers, int(numbers[levels == 0].sum()))


def joined(group: Integers, key: Integers, number: Integers) -> Entries:
    """Entries from a list in any order, in which entries may repeat."""
    order = np.lexsort((key, group))
    group, key = group[order], key[order]
    new = np.ones(group.size, bool)
    new[1:] = (group[1:] != group[:-1]) | (key[1:] != key[:-1])
    first = np.flatnonzero(new)
    total = np.add.reduceat(number[order], first) if first.size else number
    return Entries(group[first], key[first], total)


def merged(lists: Sequence[Entries]) -> Entries:
    """Entries of several lists in one."""
    columns = ((entries.group, entries.key, entries.number) for entries in lists)
    return joined(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def from_entries(
    levels: npt.NDArray[Any], counts: npt.NDArray[Any], numbers: npt.NDArray[Any], n: int
) -> sp.csr_matrix:
    """Portrait of n nodes from its entries with counts above 0; entries may repeat."""
    if not levels.size:
        return sp.csr_matrix((0, 1), dtype=np.int64)
    depth = int(levels.max()) + 1
    reached = np.bincount(levels, weights=numbers, minlength=depth).astype(np.int64)
    short = np.flatnonzero(reached < n)
    matrix = sp.csr_matrix(
        (
            np.concatenate([numbers, n - reached[short]]).astype(np.int64),
            (
                np.concatenate([levels, short]),
                np.concatenate([counts, np.zeros(short.size, np.int64)]),
            ),
        ),
        shape=(depth, int(counts.max()) + 1),
    )
    matrix.sum_duplicates()
    return matrix
