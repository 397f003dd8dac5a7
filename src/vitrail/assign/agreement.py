"""How well the cells that transcripts were given agree with the vendor's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

# Pairs that are held before equal ones are added up.
COMPACT_FROM = 1 << 22

Int = npt.NDArray[np.int64]


class Tally(NamedTuple):
    """Transcripts of a batch by pair of cells.

    Attributes
    ----------
    names
        The vendor's cells that occur.
    cell, vendor
        int64 arrays: assigned cell, and place of the vendor's in `names` from 1; 0 = none.
    counts
        int64 array: transcripts of each pair.
    """

    names: list[str]
    cell: Int
    vendor: Int
    counts: Int


def tally(cell: npt.NDArray[np.int32], source_cell: pa.Array) -> Tally:
    """Count a batch: assigned cells (0 = none) and the vendor's names (null = none)."""
    encoded = source_cell
    if not pa.types.is_dictionary(encoded.type):
        encoded = pc.dictionary_encode(encoded)
    names = encoded.dictionary.to_pylist()
    vendor = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    keys, counts = np.unique((cell.astype(np.int64) << 32) | (vendor + 1), return_counts=True)
    return Tally(names, keys >> 32, keys & 0xFFFFFFFF, counts.astype(np.int64))


class Agreement:
    """Transcripts by (assigned cell, vendor's cell), added up batch by batch.

    Transcripts that were looked up count (status cell, control or background), the others do not.
    """

    def __init__(self) -> None:
        self._code: dict[str, int] = {}
        self._keys: list[Int] = []
        self._counts: list[Int] = []
        self._held = 0

    def merge(self, part: Tally) -> None:
        """Add what `tally` counted in a batch; batches come in the order of the transcripts."""
        codes = [self._code.setdefault(name, len(self._code) + 1) for name in part.names]
        vendor = np.array([0, *codes], np.int64)[part.vendor]
        self._keys.append((part.cell << 32) | vendor)
        self._counts.append(part.counts)
        self._held += len(part.counts)
        if self._held > COMPACT_FROM:
            self._compact()

    def _compact(self) -> None:
        keys = np.concatenate([*self._keys, np.empty(0, np.int64)])
        counts = np.concatenate([*self._counts, np.empty(0, np.int64)])
        order = np.argsort(keys, kind="stable")
        keys, counts = keys[order], counts[order]
        first = np.flatnonzero(np.diff(keys, prepend=-1))
        sums = np.add.reduceat(counts, first) if len(first) else counts
        self._keys, self._counts, self._held = [keys[first]], [sums], 0

    def as_dict(self, sources: Sequence[str | None] | None = None) -> dict[str, Any]:
        """Share of transcripts whose cell is the vendor's cell.

        Parameters
        ----------
        sources
            The given cell's own id of each cell 1..n, None where it has none. Where they name
            the vendor's cells, a cell is compared with the vendor's cell of that name. Elsewhere
            with the vendor's cell that shares most transcripts with it, if it also shares most
            with that one (so that a split cell does not count twice).

        Returns
        -------
        `compared` transcripts; `agree`, of these in the same cell or in none on both sides;
        `share` = agree / compared; `in_vendor_cells` and `agree_in_vendor_cells`, the same for
        transcripts with a vendor's cell; `mapping` (``source`` or ``overlap``).
        """
        self._compact()
        keys, counts = self._keys[0], self._counts[0]
        cell, vendor = keys >> 32, keys & 0xFFFFFFFF
        mapping = "source"
        partner = self._by_source(sources or [])
        if not partner.any():
            mapping = "overlap"
            partner = _mutual_best(cell, vendor, counts)
        partner = np.pad(partner, (0, max(0, int(cell.max(initial=0)) + 1 - len(partner))))
        same = np.where(cell > 0, (partner[cell] == vendor) & (vendor > 0), vendor == 0)
        compared, agree = int(counts.sum()), int(counts[same].sum())
        return {
            "mapping": mapping,
            "compared": compared,
            "agree": agree,
            "share": agree / compared if compared else None,
            "in_vendor_cells": int(counts[vendor > 0].sum()),
            "agree_in_vendor_cells": int(counts[same & (vendor > 0)].sum()),
        }

    def _by_source(self, sources: Sequence[str | None]) -> Int:
        """Vendor's code of each cell (index 0 is background), 0 where its name is unknown."""
        codes = [0 if name is None else self._code.get(name, 0) for name in sources]
        return np.array([0, *codes], dtype=np.int64)


def _mutual_best(cell: Int, vendor: Int, counts: Int) -> Int:
    """Code of the vendor's cell that is each cell's best partner and has it as its best."""
    both = (cell > 0) & (vendor > 0)
    cell, vendor, counts = cell[both], vendor[both], counts[both]
    best_vendor = _best(cell, vendor, counts)
    best_cell = _best(vendor, cell, counts)
    partner = np.zeros_like(best_vendor)
    matched = np.flatnonzero(best_vendor)
    mutual = matched[best_cell[best_vendor[matched]] == matched]
    partner[mutual] = best_vendor[mutual]
    return partner


def _best(of: Int, candidate: Int, counts: Int) -> Int:
    """Candidate with the largest count for each `of`, the smaller one of equals; 0 = none."""
    best = np.zeros(int(of.max(initial=0)) + 1, dtype=np.int64)
    order = np.lexsort((-candidate, counts))
    best[of[order]] = candidate[order]
    return best
