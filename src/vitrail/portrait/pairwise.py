"""Divergences of many pairs of portraits at once, without recomputing any portrait."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from vitrail.parallel import spans, threaded
from vitrail.portrait.divergence import SHIFT, entropy_terms
from vitrail.portrait.entries import Entries

Integers = npt.NDArray[np.int64]
PIECE = 4096


@dataclass(frozen=True)
class Masses:
    """The terms k B[l, k] of many portraits, sparse.

    Attributes
    ----------
    indptr
        Offsets of the portraits (portraits + 1,).
    column
        Number of each term's (level, count), increasing within a portrait.
    mass
        float64 k B[l, k], whole numbers.
    columns
        Number of distinct (level, count) in all portraits.
    """

    indptr: Integers
    column: npt.NDArray[np.int32]
    mass: npt.NDArray[np.float64]
    columns: int


def stack(
    entries: Sequence[Entries],
    rows: Sequence[npt.ArrayLike],
    total: int,
    binned: Callable[[Integers], Integers] | None = None,
) -> Masses:
    """Put portraits of several samples under each other.

    Parameters
    ----------
    entries
        Portraits of each sample.
    rows
        For each sample the row that each of its groups gets; -1 leaves a group out, groups that
        share a row are added.
    total
        Number of rows.
    binned
        Gives the key under which a key's terms are added; None keeps all keys apart.
    """
    row = np.concatenate(
        [np.asarray(r, np.int64)[e.group] for e, r in zip(entries, rows, strict=True)]
        or [np.zeros(0, np.int64)]
    )
    key = np.concatenate([e.key for e in entries] or [np.zeros(0, np.int64)])
    number = np.concatenate([e.number for e in entries] or [np.zeros(0, np.int64)])
    keep = row >= 0
    row, key, number = row[keep], key[keep], number[keep]
    known, column = np.unique(binned(key) if binned else key, return_inverse=True)
    order = np.lexsort((column, row))
    row, column = row[order], column[order]
    mass = ((key % SHIFT).astype(np.float64) * number)[order]
    # Groups that share a row are one portrait: their equal terms are added (whole numbers, exact).
    first = np.flatnonzero(np.diff(row, prepend=-1) | np.diff(column, prepend=-1))
    mass = np.add.reduceat(mass, first) if first.size else mass
    indptr = np.zeros(total + 1, np.int64)
    np.cumsum(np.bincount(row[first], minlength=total), out=indptr[1:])
    return Masses(indptr, column[first].astype(np.int32), mass, len(known))


def pair_divergences(
    masses: Masses, a: npt.ArrayLike, b: npt.ArrayLike, threads: int | None = None
) -> npt.NDArray[np.float64]:
    """Portrait divergence of rows ``a[i]`` and ``b[i]``; empty rows are empty graphs."""
    first, second = np.asarray(a, np.int64).ravel(), np.asarray(b, np.int64).ravel()
    sizes = np.diff(masses.indptr)
    totals = np.bincount(
        np.repeat(np.arange(len(sizes)), sizes), weights=masses.mass, minlength=len(sizes)
    )
    p = masses.mass / np.repeat(totals, sizes)
    terms = entropy_terms(p)
    out = np.empty(first.size)

    def work(span: tuple[int, int]) -> None:
        _pairs(masses.indptr, masses.column, p, terms, first, second, *span, out)

    threaded(work, spans(first.size, -(-first.size // PIECE)), threads)
    return out


@njit(cache=True, nogil=True)
def _pairs(
    indptr: Any, column: Any, p: Any, terms: Any, a: Any, b: Any, first: int, last: int, out: Any
) -> None:
    """Only terms that both have need a logarithm: 1 - 1/2 sum of h(p + q) - h(p) - h(q)."""
    for pair in range(first, last):
        i, end_i = indptr[a[pair]], indptr[a[pair] + 1]
        j, end_j = indptr[b[pair]], indptr[b[pair] + 1]
        if i == end_i or j == end_j:
            out[pair] = 0.0 if i == end_i and j == end_j else 1.0
            continue
        shared = 0.0
        while i < end_i and j < end_j:
            if column[i] == column[j]:
                both = p[i] + p[j]
                shared += both * np.log2(both) - terms[i] - terms[j]
                i += 1
                j += 1
            elif column[i] < column[j]:
                i += 1
            else:
                j += 1
        out[pair] = min(1.0, max(0.0, 1.0 - 0.5 * shared))


def split_divergences(
    masses: Masses,
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    windows: int,
    splits: npt.NDArray[np.bool_],
    threads: int | None = None,
) -> npt.NDArray[np.float64]:
    """Divergences of two samples when their windows are dealt at random between them.

    Parameters
    ----------
    masses
        Portraits of all windows; those of sample s are rows ``s * windows`` and following.
    a, b
        Samples of each pair.
    windows
        Windows of a sample.
    splits
        Boolean (splits, 2 windows): which windows make up the first side.

    Returns
    -------
    float64 (pairs, splits).
    """
    first, second = np.asarray(a, np.int64).ravel(), np.asarray(b, np.int64).ravel()
    out = np.empty((first.size, len(splits)))

    def work(span: tuple[int, int]) -> None:
        _splits(
            masses.indptr, masses.column, masses.mass, masses.columns,
            first, second, windows, splits, *span, out,
        )  # fmt: skip

    threaded(work, spans(first.size, -(-first.size // 256)), threads)
    return out


@njit(cache=True, nogil=True)
def _splits(
    indptr: Any, column: Any, mass: Any, columns: int, a: Any, b: Any, windows: int, splits: Any,
    first: int, last: int, out: Any,
) -> None:  # fmt: skip
    sides = np.zeros((2, columns))
    touched = np.empty(columns, np.int64)
    for pair in range(first, last):
        for split in range(len(splits)):
            filled = 0
            totals = np.zeros(2)
            for window in range(2 * windows):
                sample = a[pair] if window < windows else b[pair]
                row = sample * windows + window % windows
                side = 0 if splits[split, window] else 1
                for term in range(indptr[row], indptr[row + 1]):
                    place = column[term]
                    if sides[0, place] == 0.0 and sides[1, place] == 0.0:
                        touched[filled] = place
                        filled += 1
                    sides[side, place] += mass[term]
                    totals[side] += mass[term]
            shared = 0.0
            for i in range(filled):
                p = sides[0, touched[i]] / totals[0]
                q = sides[1, touched[i]] / totals[1]
                if p > 0.0 and q > 0.0:
                    shared += (p + q) * np.log2(p + q) - p * np.log2(p) - q * np.log2(q)
                sides[0, touched[i]] = 0.0
                sides[1, touched[i]] = 0.0
            out[pair, split] = min(1.0, max(0.0, 1.0 - 0.5 * shared))
