"""Weisfeiler-Lehman patterns: cells by the types around them.

In round 0 a cell's pattern is its type; in each further round it is its own pattern together with
those of its neighbours, in any order (Shervashidze et al. 2011, JMLR 12, 2539-2561). Patterns are
numbered by a hash of 64 bits that depends on the names of the types alone, so that samples can be
compared without a common dictionary. Two of m patterns share a number with probability m^2 / 2^65.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from vitrail.portrait.entries import Entries, joined

Words = npt.NDArray[np.uint64]
UNKNOWN = ""


def count_patterns(
    graph: sp.csr_matrix, types: npt.NDArray[np.int64], names: Sequence[str], rounds: int
) -> Entries:
    """Number of cells with each pattern, in rounds 0, 1, ... `rounds`.

    Parameters
    ----------
    graph
        Symmetric CSR adjacency (n, n).
    types, names
        Type of each cell, -1 for unknown (a type of its own here), and the types' names.
    rounds
        Rounds after the first; each sees one step further in the graph.

    Returns
    -------
    Entries
        group = round, key = pattern, number = cells. Empty where no cell has a type.
    """
    if not len(names):
        nothing = np.zeros(0, np.int64)
        return Entries(nothing, nothing, nothing)
    codes = np.array([_word(name) for name in [*names, UNKNOWN]], np.uint64)
    words = codes[types]
    adjacency = sp.csr_matrix(
        (np.ones(graph.nnz, np.uint64), graph.indices, graph.indptr), shape=graph.shape
    )
    found = [words]
    for _ in range(rounds):
        # A sum of mixed words, modulo 2^64, does not depend on the neighbours' order.
        around = adjacency @ _mixed(words)
        words = _mixed(_mixed(words + np.uint64(1)) ^ around)
        found.append(words)
    keys = np.concatenate(found).view(np.int64)
    rounds_of = np.repeat(np.arange(len(found)), len(types))
    return joined(rounds_of, keys, np.ones(keys.size, np.int64))


def _word(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")


def _mixed(words: Words) -> Words:
    """Finaliser of SplitMix64 (Steele, Lea & Flood 2014, doi:10.1145/2660193.2660195)."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
