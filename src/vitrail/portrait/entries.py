"""Several portraits in one list."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from vitrail.portrait.divergence import SHIFT
from vitrail.portrait.portraits import from_entries

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
