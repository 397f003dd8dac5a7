"""Compiled sums over packed rows, at a cost in proportion to the stored values.

A gene's x'Wx is the sum over cells of x_i times the sum of x over the neighbours of i. Row by row,
the neighbours' sums of all genes are one short vector that stays in the nearest cache. A
permutation deals the rows to the nodes of the graph anew; rows are dealt to stretches of
consecutive nodes, so that they lie near each other where their nodes are neighbours.

Loop variables are unsigned where they index: numba then leaves out its test for negative ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

# Nodes of a stretch, as a power of two: some hundred kilobytes of rows.
STRETCH = 11
# Permutations whose linear sums are taken at once: as many as fit a vector register or two.
LANES = 8


@njit(cache=True, nogil=True)
def deal(place: Any, start: Any, tails: Any, source: Any, at: Any, lengths: Any, out: Any) -> None:
    """Copy row i of `source` to node ``place[i]``: `at` and `lengths` say where and how long."""
    n = place.size
    cursor = np.zeros((n >> STRETCH) + 1, np.int64)
    for cell in range(n):
        cursor[place[cell] >> STRETCH] += start[cell + 1] - start[cell]
    total = 0
    for stretch in range(cursor.size):
        words = cursor[stretch]
        cursor[stretch] = total
        total += words
    for cell in range(n):
        node = place[cell]
        write = np.uint64(cursor[node >> STRETCH])
        at[node] = write
        lengths[node] = tails[cell]
        for word in range(np.uint64(start[cell]), np.uint64(start[cell + 1]), np.uint64(4)):
            for step in range(np.uint64(4)):
                out[write + step] = source[word + step]
            write += np.uint64(4)
        cursor[node >> STRETCH] = write


@njit(cache=True, nogil=True)
def products(
    indptr: Any, indices: Any, weights: Any, at: Any, lengths: Any, genes: Any, values: Any,
    shift: Any, first: int, last: int, total: Any,
) -> None:  # fmt: skip
    """Add v'Wv of the nodes first to last to `total` (head and tail genes,), weights of pairs."""
    one, three = np.uint64(1), np.uint64(3)
    head = np.uint64(shift.size)
    per_word = np.uint64(8 // values.itemsize)
    head_words = (head + per_word - one) // per_word
    near = np.zeros(total.size)
    near_head, near_tail = near[: shift.size], near[shift.size :]
    total_head, total_tail = total[: shift.size], total[shift.size :]
    weight = 1.0
    for node in range(np.uint64(first), np.uint64(last)):
        if indptr[node] == indptr[node + one]:
            continue
        for edge in range(np.uint64(indptr[node]), np.uint64(indptr[node + one])):
            other = np.uint64(indices[edge])
            if weights.size:
                weight = weights[edge]
            row, many = np.uint64(at[other]), np.uint64(lengths[other])
            begin = row * per_word
            for gene in range(head):
                near_head[gene] += weight * (values[begin + gene] - shift[gene])
            gene_at = (row + head_words) * np.uint64(4)
            begin = (row + head_words + (many + three) // np.uint64(4)) * per_word
            for item in range(many):
                near_tail[genes[gene_at + item]] += weight * values[begin + item]
        row, many = np.uint64(at[node]), np.uint64(lengths[node])
        begin = row * per_word
        for gene in range(head):
            total_head[gene] += (values[begin + gene] - shift[gene]) * near_head[gene]
        gene_at = (row + head_words) * np.uint64(4)
        begin = (row + head_words + (many + three) // np.uint64(4)) * per_word
        for item in range(many):
            slot = np.uint64(genes[gene_at + item])
            total_tail[slot] += values[begin + item] * near_tail[slot]
        near[:] = 0.0


@njit(cache=True, nogil=True)
def linear(
    start: Any, tails: Any, genes: Any, values: Any, shift: Any, sums: Any,
    first: int, last: int, out: Any,
) -> None:  # fmt: skip
    """Add r'v and r'v^2 of the cells first to last to `out` (head and tail genes, 2, lanes).

    `sums` (n, lanes): r under each of the permutations.
    """
    one, three = np.uint64(1), np.uint64(3)
    head = np.uint64(shift.size)
    per_word = np.uint64(8 // values.itemsize)
    head_words = (head + per_word - one) // per_word
    lanes = np.uint64(LANES)
    for cell in range(np.uint64(first), np.uint64(last)):
        row, many = np.uint64(start[cell]), np.uint64(tails[cell])
        begin = row * per_word
        for gene in range(head):
            value = values[begin + gene] - shift[gene]
            for lane in range(lanes):
                term = value * sums[cell, lane]
                out[gene, 0, lane] += term
                out[gene, 1, lane] += value * term
        gene_at = (row + head_words) * np.uint64(4)
        begin = (row + head_words + (many + three) // np.uint64(4)) * per_word
        for item in range(many):
            slot = head + np.uint64(genes[gene_at + item])
            value = np.float64(values[begin + item])
            for lane in range(lanes):
                term = value * sums[cell, lane]
                out[slot, 0, lane] += term
                out[slot, 1, lane] += value * term


@njit(cache=True, nogil=True)
def power_sums(indptr: Any, indices: Any, data: Any, mean: Any, first: int, last: int,
               out: Any) -> None:  # fmt: skip
    """Add sums of d, d^2, d^4 (d: value minus mean) and value^2 of stored values to `out`."""
    for stored in range(np.uint64(indptr[first]), np.uint64(indptr[last])):
        gene = np.uint64(indices[stored])
        value = np.float64(data[stored])
        deviation = value - mean[gene]
        square = deviation * deviation
        out[gene, 0] += deviation
        out[gene, 1] += square
        out[gene, 2] += square * square
        out[gene, 3] += value * value
