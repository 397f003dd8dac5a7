"""Compiled sums over packed rows.

A gene's x'Wx is the sum over pairs of neighbours of w_ij x_i x_j. Pair by pair, the genes of the
head take a few vector instructions, and of the tail only those genes are visited that both cells
have. A permutation puts the rows at other nodes of the graph: none is moved, but each is asked for
some time before it is first read, as the next one lies anywhere in memory.

Loop variables are unsigned where they index: numba then leaves out its test for negative ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from vitrail.instructions import lowest, ones, prefetch

# Permutations whose linear sums are taken at once: as many as fit a vector register or two.
LANES = 8
# Rows are asked for when a node so many numbers before is first read, and not farther ahead of
# the node in turn than this: nodes are numbered so that neighbours have near numbers.
LEAD = 16
FARTHEST = 1 << 13
# Words of a cache line.
LINE = 8


@njit(cache=True, nogil=True)
def products(
    indptr: Any, indices: Any, weights: Any, at: Any, words: int, bits: Any, values: Any,
    shift: Any, first: int, last: int, total: Any,
) -> None:  # fmt: skip
    """Add v'Wv of the nodes first to last to `total` (slots,), weights of pairs.

    The row of a node begins at word ``at[node]`` of a buffer, seen as `bits` and as `values`.
    """
    if at.size == 0:
        return
    zero, one = np.uint64(0), np.uint64(1)
    head, nodes, width = np.uint64(shift.size), np.uint64(at.size), np.uint64(words)
    per_word = np.uint64(8 // values.itemsize)
    head_words = (head + per_word - one) // per_word
    lines = np.uint64(bits.size // at.size // LINE + 1)
    near = np.zeros(shift.size)
    begins = np.empty(words, np.uint64)
    asked = np.uint64(first)
    weight = 1.0
    for node in range(np.uint64(first), np.uint64(last)):
        begin, end = np.uint64(indptr[node]), np.uint64(indptr[node + one])
        if begin == end:
            continue
        farthest = np.uint64(min(indices[end - one], node + np.uint64(FARTHEST)))
        farthest = min(farthest + np.uint64(LEAD), nodes)
        while asked < farthest:
            for line in range(lines):
                prefetch(bits, np.uint64(at[asked]) + line * np.uint64(LINE))
            asked += one
        own = np.uint64(at[node])
        own_bits = own + head_words
        place = (own_bits + width) * per_word
        for word in range(width):
            begins[word] = place
            place += ones(bits[own_bits + word])
        near[:] = 0.0
        for edge in range(begin, end):
            if weights.size:
                weight = weights[edge]
            row = np.uint64(at[np.uint64(indices[edge])])
            for gene in range(head):
                near[gene] += weight * (values[row * per_word + gene] - shift[gene])
            row += head_words
            place = (row + width) * per_word
            for word in range(width):
                mine, theirs = bits[own_bits + word], bits[row + word]
                shared = mine & theirs
                slot = head + np.uint64(64) * word
                while shared != zero:
                    rest = shared & (shared - one)
                    below = (shared ^ rest) - one
                    x = values[begins[word] + ones(mine & below)]
                    y = np.float64(values[place + ones(theirs & below)])
                    total[slot + lowest(shared)] += weight * (x * y)
                    shared = rest
                place += ones(theirs)
        for gene in range(head):
            total[gene] += (values[own * per_word + gene] - shift[gene]) * near[gene]


@njit(cache=True, nogil=True)
def linear(
    start: Any, words: int, bits: Any, values: Any, shift: Any, squared: bool, sums: Any,
    first: int, last: int, out: Any,
) -> None:  # fmt: skip
    """Add r'v, or r'v^2 if `squared`, of the cells first to last to `out` (slots, lanes).

    `sums` (n, lanes): r under each of the permutations.
    """
    zero, one = np.uint64(0), np.uint64(1)
    head, width, lanes = np.uint64(shift.size), np.uint64(words), np.uint64(LANES)
    per_word = np.uint64(8 // values.itemsize)
    head_words = (head + per_word - one) // per_word
    for cell in range(np.uint64(first), np.uint64(last)):
        row = np.uint64(start[cell])
        for gene in range(head):
            value = values[row * per_word + gene] - shift[gene]
            if squared:
                value *= value
            for lane in range(lanes):
                out[gene, lane] += value * sums[cell, lane]
        row += head_words
        place = (row + width) * per_word
        for word in range(width):
            left = bits[row + word]
            slot = head + np.uint64(64) * word
            while left != zero:
                gene = slot + lowest(left)
                value = np.float64(values[place])
                if squared:
                    value *= value
                for lane in range(lanes):
                    out[gene, lane] += value * sums[cell, lane]
                place += one
                left &= left - one


@njit(cache=True, nogil=True)
def totals(indptr: Any, indices: Any, data: Any, mean: Any, first: int, last: int,
           out: Any) -> None:  # fmt: skip
    """Add number, sum and sum of squares of the stored values to `out` (genes, 3)."""
    for stored in range(np.uint64(indptr[first]), np.uint64(indptr[last])):
        gene = np.uint64(indices[stored])
        value = np.float64(data[stored])
        out[gene, 0] += 1.0
        out[gene, 1] += value
        out[gene, 2] += value * value


@njit(cache=True, nogil=True)
def deviations(indptr: Any, indices: Any, data: Any, mean: Any, first: int, last: int,
               out: Any) -> None:  # fmt: skip
    """Add sums of d^2 and d^4 (d: stored value minus mean) to `out` (genes, 2)."""
    for stored in range(np.uint64(indptr[first]), np.uint64(indptr[last])):
        gene = np.uint64(indices[stored])
        deviation = np.float64(data[stored]) - mean[gene]
        square = deviation * deviation
        out[gene, 0] += square
        out[gene, 1] += square * square
