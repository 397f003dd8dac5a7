"""Divergence of network portraits."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

# Levels and counts of an entry in one number: no graph that fits in memory has more nodes.
SHIFT = np.int64(2**31)


def divergence(b1: Any, b2: Any, max_depth: int | None = None) -> float:
    """Portrait divergence of two graphs.

    Jensen-Shannon divergence, base 2, of P(k, l) = k B[l, k] / sum_c n_c^2, the probability that
    two nodes drawn from one component are at distance l and the first has k nodes at that distance
    (Bagrow & Bollt 2019, doi:10.1007/s41109-019-0156-x). It is 0 for isomorphic graphs, at most 1,
    and its square root is a metric on the distributions.

    Parameters
    ----------
    b1, b2
        Portraits (levels, counts), sparse or dense.
    max_depth
        Compare levels up to this one, with P renormalised over them; None for all.

    Returns
    -------
    float
        In [0, 1]; two empty graphs 0, an empty and a non-empty one 1.
    """
    keys1, p1 = distribution(b1, max_depth)
    keys2, p2 = distribution(b2, max_depth)
    if not keys1.size or not keys2.size:
        return float(keys1.size != keys2.size)
    keys, inverse = np.unique(np.concatenate([keys1, keys2]), return_inverse=True)
    both = np.zeros((2, keys.size))
    both[0, inverse[: keys1.size]] = p1
    both[1, inverse[keys1.size :]] = p2
    return float(jensen_shannon(both[0], both[1]))


def distribution(
    portrait: Any, max_depth: int | None = None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Keys ``level * 2^31 + count``, increasing, and P(k, l) of a portrait's entries."""
    matrix = sp.coo_matrix(portrait)
    keep = (matrix.col > 0) & (matrix.data != 0)
    if max_depth is not None:
        keep &= matrix.row <= max_depth
    levels = matrix.row[keep].astype(np.int64)
    counts = matrix.col[keep].astype(np.int64)
    weights = counts * matrix.data[keep].astype(np.float64)
    keys = levels * SHIFT + counts
    order = np.argsort(keys)
    # The weights are whole numbers: their sum is exact in any order.
    return keys[order], weights[order] / weights.sum() if weights.size else weights


def jensen_shannon(p: npt.NDArray[Any], q: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Jensen-Shannon divergence, base 2, over the last axis; rows are distributions."""
    total = entropy_terms(p + q).sum(axis=-1)
    parts = entropy_terms(p).sum(axis=-1) + entropy_terms(q).sum(axis=-1)
    return np.clip(0.5 * (parts - total) + 1.0, 0.0, 1.0)


def entropy_terms(p: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The terms p log2 p, with 0 log 0 = 0."""
    return p * np.log2(np.where(p > 0, p, 1.0))
