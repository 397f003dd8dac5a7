"""Sums over the cells of CSR blocks, in the cells' order: the same bits for any size of blocks.

Values are float32 or float64; sums are float64.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def add_moments(data, indices, share, mean, square):  # type: ignore[no-untyped-def]
    """Add `share` of each value, and of its square, to its column."""
    for k in range(data.size):
        value = np.float64(data[k])
        mean[indices[k]] += value * share
        square[indices[k]] += value * value * share


@numba.njit(cache=True, nogil=True)
def add_products(data, indices, indptr, upper):  # type: ignore[no-untyped-def]
    """Add the products of each two values of a row; columns ascend, so above the diagonal."""
    for i in range(indptr.size - 1):
        for a in range(indptr[i], indptr[i + 1]):
            value, sums = np.float64(data[a]), upper[indices[a]]
            for b in range(a, indptr[i + 1]):
                sums[indices[b]] += value * np.float64(data[b])


@numba.njit(cache=True, nogil=True)
def add_applied(data, indices, indptr, vector, out):  # type: ignore[no-untyped-def]
    """Add to `out` the product of the rows' transpose with their product with a vector."""
    for i in range(indptr.size - 1):
        product = 0.0
        for k in range(indptr[i], indptr[i + 1]):
            product += np.float64(data[k]) * vector[indices[k]]
        for k in range(indptr[i], indptr[i + 1]):
            out[indices[k]] += np.float64(data[k]) * product
