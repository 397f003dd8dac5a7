"""Smooth cell outlines: ellipses with a wobble, and how deep a point lies in one."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Float = npt.NDArray[np.float64]

SHARED = 0.35


class Outlines(NamedTuple):
    """Outlines of n cells: an ellipse whose radius is modulated by a third harmonic.

    Attributes
    ----------
    x, y
        (n,) centres, micrometres.
    a, b
        (n,) half axes, micrometres.
    cos, sin
        (n,) direction of the long axis.
    w_cos, w_sin
        (n,) relative amplitude of the third harmonic.
    reach
        (n,) radius that the outline stays within.
    """

    x: Float
    y: Float
    a: Float
    b: Float
    cos: Float
    sin: Float
    w_cos: Float
    w_sin: Float
    reach: Float

    @classmethod
    def of(
        cls, x: Float, y: Float, radius: Float, aspect: Float, angle: Float, wobble: Float
    ) -> Outlines:
        """Outlines of the area of circles of `radius`, `aspect` times longer than wide."""
        a, b = radius * np.sqrt(aspect), radius / np.sqrt(aspect)
        reach = a * (1 + np.hypot(wobble[0], wobble[1]))
        return cls(x, y, a, b, np.cos(angle), np.sin(angle), wobble[0], wobble[1], reach)


@njit(cache=True, nogil=True)
def depth(outlines, i, x, y):  # type: ignore[no-untyped-def]
    """Way from a point out of outline `i`, straight from its centre; negative outside (um)."""
    dx, dy = x - outlines.x[i], y - outlines.y[i]
    u = dx * outlines.cos[i] + dy * outlines.sin[i]
    v = dy * outlines.cos[i] - dx * outlines.sin[i]
    distance = math.sqrt(u * u + v * v)
    if distance < 1e-6:
        return outlines.b[i]
    c, s = u / distance, v / distance
    third = outlines.w_cos[i] * c * (4 * c * c - 3) + outlines.w_sin[i] * s * (3 - 4 * s * s)
    p, q = c / outlines.a[i], s / outlines.b[i]
    return (1 + third) / math.sqrt(p * p + q * q) - distance


def neighbours(outlines: Outlines) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Cells whose outlines can meet, as the rows of a sparse matrix (indptr, indices)."""
    size = 2 * float(outlines.reach.max()) if outlines.x.size else 1.0
    column = (outlines.x // size).astype(np.int64)
    row = (outlines.y // size).astype(np.int64)
    column -= column.min(initial=0) - 1
    row -= row.min(initial=0) - 1
    shape = (int(row.max(initial=0)) + 2, int(column.max(initial=0)) + 2)
    key = row * shape[1] + column
    order = np.argsort(key, kind="stable")
    start = np.searchsorted(key[order], np.arange(shape[0] * shape[1] + 1))
    indptr = np.zeros(outlines.x.size + 1, dtype=np.int64)
    where = (order, start, row, column, shape[1])
    _meet(outlines, *where, indptr, np.empty(0, dtype=np.int32))
    np.cumsum(indptr, out=indptr)
    indices = np.empty(int(indptr[-1]), dtype=np.int32)
    _meet(outlines, *where, indptr, indices)
    return indptr, indices


def shrinkage(outlines: Outlines) -> Float:
    """Factor by which each outline is to shrink so that it leaves its neighbours their middle.

    No outline may hold a neighbour's centre deeper than `SHARED` times that neighbour's width.
    """
    return np.asarray(_shrinkage(outlines, *neighbours(outlines)))


@njit(cache=True, nogil=True)
def _shrinkage(outlines, indptr, indices):  # type: ignore[no-untyped-def]
    factor = np.ones(outlines.x.size)
    for i in range(outlines.x.size):
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            x, y = outlines.x[j], outlines.y[j]
            distance = math.hypot(x - outlines.x[i], y - outlines.y[i])
            allowed = distance + SHARED * outlines.b[j]
            factor[i] = min(factor[i], allowed / (distance + depth(outlines, i, x, y)))
    return factor


@njit(cache=True, nogil=True)
def _meet(outlines, order, start, row, column, width, indptr, indices):  # type: ignore[no-untyped-def]
    """Count each cell's neighbours into indptr[1:], or list them where `indices` has room."""
    for i in range(outlines.x.size):
        found = 0
        for r in range(row[i] - 1, row[i] + 2):
            first, last = start[r * width + column[i] - 1], start[r * width + column[i] + 2]
            for k in range(first, last):
                j = order[k]
                dx, dy = outlines.x[i] - outlines.x[j], outlines.y[i] - outlines.y[j]
                far = outlines.reach[i] + outlines.reach[j]
                if j != i and dx * dx + dy * dy < far * far:
                    if indices.size:
                        indices[indptr[i] + found] = j
                    found += 1
        if not indices.size:
            indptr[i + 1] = found
