"""Pixels of planted cells, by the pixel-centre rule.

A pixel belongs to the cell in whose outline its centre lies deepest, and to its nucleus where it
lies in the nucleus' outline too. Of either only the 4-connected piece around the deepest pixel
counts. A cell's pixels follow from the cell and its neighbours alone, never from the window
through which it is looked at.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from vitrail.synthesize.outlines import Outlines, depth, neighbours

NONE, CYTOPLASM, NUCLEUS = 0, 1, 2
# A cell body is dimmer than its level within this distance of its edge, micrometres.
SOFT_EDGE = 1.2
EDGE_LEVEL = 0.45


class Plan(NamedTuple):
    """All that a pixel of a slide depends on.

    Attributes
    ----------
    outline, nucleus
        Outlines of cells and nuclei.
    indptr, indices
        Cells that can meet (see `neighbours`).
    pixel_size
        Micrometres.
    height, width
        Slide in pixels.
    """

    outline: Outlines
    nucleus: Outlines
    indptr: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int32]
    pixel_size: float
    height: int
    width: int


def plan(outline: Outlines, nucleus: Outlines, pixel_size: float, shape: tuple[int, int]) -> Plan:
    """Collect what the pixels of a slide depend on."""
    return Plan(outline, nucleus, *neighbours(outline), pixel_size, *shape)


@njit(cache=True, nogil=True)
def scratch_edge(plan):  # type: ignore[no-untyped-def]
    """Edge in pixels of a square that holds any cell."""
    return int(2 * plan.outline.reach.max() / plan.pixel_size) + 4


@njit(cache=True, nogil=True)
def cell_mask(plan, i, mask, deep, edge, stack):  # type: ignore[no-untyped-def]
    """Pixels of cell `i`, cut at the slide's border.

    Parameters
    ----------
    plan
        The slide.
    i
        The cell, from 0.
    mask
        (e, e) uint8, filled with NONE, CYTOPLASM or NUCLEUS in its upper left part.
    deep, edge
        (e, e) float64 scratch; `edge` then holds the way to the cell's edge, about, in um, up to
        `SOFT_EDGE`.
    stack
        (e * e,) int64 scratch.

    Returns
    -------
    y0, x0, height, width of the part of `mask` that was filled.
    """
    s, outline, nucleus = plan.pixel_size, plan.outline, plan.nucleus
    reach = outline.reach[i]
    y0 = max(int(np.floor((outline.y[i] - reach) / s)), 0)
    x0 = max(int(np.floor((outline.x[i] - reach) / s)), 0)
    h = min(int(np.floor((outline.y[i] + reach) / s)) + 1, plan.height) - y0
    w = min(int(np.floor((outline.x[i] + reach) / s)) + 1, plan.width) - x0
    for r in range(h):
        y = (y0 + r + 0.5) * s
        for c in range(w):
            mask[r, c] = NONE
            x = (x0 + c + 0.5) * s
            own = depth(outline, i, x, y)
            if own <= 0.0:
                continue
            rival = _deepest_rival(plan, i, x, y, own)
            if rival < own:
                mask[r, c] = CYTOPLASM
                deep[r, c] = own
                edge[r, c] = min(own, 0.5 * (own - rival))
    _keep_connected(mask, deep, h, w, CYTOPLASM, NONE, stack)
    for r in range(h):
        for c in range(w):
            if mask[r, c] == CYTOPLASM:
                inner = depth(nucleus, i, (x0 + c + 0.5) * s, (y0 + r + 0.5) * s)
                if inner > 0.0:
                    mask[r, c] = NUCLEUS
                    deep[r, c] = inner
    _keep_connected(mask, deep, h, w, NUCLEUS, CYTOPLASM, stack)
    return y0, x0, h, w


@njit(cache=True, nogil=True)
def _deepest_rival(plan, i, x, y, own):  # type: ignore[no-untyped-def]
    """How deep the point lies in the neighbour that holds it best; ties go to the lower label.

    Neighbours that come too little near to soften the cell's edge there go unseen.
    """
    rival, outline = max(-own, own - 2 * SOFT_EDGE), plan.outline
    for k in range(plan.indptr[i], plan.indptr[i + 1]):
        j = plan.indices[k]
        dx, dy = x - outline.x[j], y - outline.y[j]
        near = outline.reach[j] - rival
        if near > 0.0 and dx * dx + dy * dy < near * near:
            other = depth(outline, j, x, y)
            if other > rival and (other != own or j < i):
                rival = other
    return rival


@njit(cache=True, nogil=True)
def _keep_connected(mask, deep, h, w, kind, otherwise, stack):  # type: ignore[no-untyped-def]
    """Keep the 4-connected piece of `kind` around its deepest pixel; the rest is `otherwise`."""
    best, start = -1.0, -1
    for r in range(h):
        for c in range(w):
            if mask[r, c] == kind and deep[r, c] > best:
                best, start = deep[r, c], r * w + c
    if start < 0:
        return
    marked = kind + 8
    stack[0], size = start, 1
    mask[start // w, start % w] = marked
    while size:
        size -= 1
        r, c = stack[size] // w, stack[size] % w
        for step in range(4):
            y, x = r + (step == 0) - (step == 1), c + (step == 2) - (step == 3)
            if 0 <= y < h and 0 <= x < w and mask[y, x] == kind:
                mask[y, x] = marked
                stack[size] = y * w + x
                size += 1
    for r in range(h):
        for c in range(w):
            if mask[r, c] == kind:
                mask[r, c] = otherwise
            elif mask[r, c] == marked:
                mask[r, c] = kind


@njit(cache=True, nogil=True)
def measure(plan):  # type: ignore[no-untyped-def]
    """Pixels of each cell and nucleus, and the sums of the cell's pixel indices.

    Returns
    -------
    (n, 4) int64: pixels of the cell, of its nucleus, sum of rows, sum of columns.
    """
    n = plan.outline.x.size
    out = np.zeros((n, 4), dtype=np.int64)
    if n == 0:
        return out
    e = scratch_edge(plan)
    mask, deep, edge = np.empty((e, e), np.uint8), np.empty((e, e)), np.empty((e, e))
    stack = np.empty(e * e, np.int64)
    for i in range(n):
        y0, x0, h, w = cell_mask(plan, i, mask, deep, edge, stack)
        for r in range(h):
            for c in range(w):
                if mask[r, c] != NONE:
                    out[i, 0] += 1
                    out[i, 1] += mask[r, c] == NUCLEUS
                    out[i, 2] += y0 + r
                    out[i, 3] += x0 + c
    return out


@njit(cache=True, nogil=True)
def rasterise(plan, cells, box, dapi, body, labels, nuclei, nuclear_light, body_light):  # type: ignore[no-untyped-def]
    """Draw cells into a window of the slide.

    Parameters
    ----------
    plan
        The slide.
    cells
        Positions of all cells that may touch the window.
    box
        (y0, x0, y1, x1) of the window in pixels.
    dapi, body
        (n,) grey values of nuclei and bodies.
    labels, nuclei
        (h, w) int32, zero before: label of cell and nucleus of each pixel.
    nuclear_light, body_light
        (h, w) float32, zero before: light of nuclei and cell bodies before the blur. Bodies are
        dimmer at their edge.
    """
    if cells.size == 0:
        return
    e = scratch_edge(plan)
    mask, deep, edge = np.empty((e, e), np.uint8), np.empty((e, e)), np.empty((e, e))
    stack = np.empty(e * e, np.int64)
    top, left, bottom, right = box
    for i in cells:
        y0, x0, h, w = cell_mask(plan, i, mask, deep, edge, stack)
        for r in range(max(top - y0, 0), min(bottom - y0, h)):
            for c in range(max(left - x0, 0), min(right - x0, w)):
                if mask[r, c] == NONE:
                    continue
                y, x = y0 + r - top, x0 + c - left
                labels[y, x] = i + 1
                rise = min(edge[r, c] / SOFT_EDGE, 1.0)
                body_light[y, x] = body[i] * (EDGE_LEVEL + (1.0 - EDGE_LEVEL) * rise)
                if mask[r, c] == NUCLEUS:
                    nuclei[y, x] = i + 1
                    nuclear_light[y, x] = dapi[i]


class BlockIndex:
    """Finds the cells near a window, without looking at all cells of the slide."""

    def __init__(self, outline: Outlines, edge: float) -> None:
        self._outline, self._edge = outline, edge
        self._reach = float(outline.reach.max(initial=0.0))
        row = (outline.y // edge).astype(np.int64)
        column = (outline.x // edge).astype(np.int64)
        self._columns = int(column.max(initial=0)) + 1
        self._rows = int(row.max(initial=0)) + 1
        key = row * self._columns + column
        self._order = np.argsort(key, kind="stable")
        self._start = np.searchsorted(key[self._order], np.arange(self._rows * self._columns + 1))

    def near(self, x0: float, y0: float, x1: float, y1: float) -> npt.NDArray[np.int64]:
        """Positions of all cells whose outlines may touch a rectangle (um), in label order."""
        first = max(int((x0 - self._reach) // self._edge), 0)
        last = min(int((x1 + self._reach) // self._edge), self._columns - 1)
        top = max(int((y0 - self._reach) // self._edge), 0)
        bottom = min(int((y1 + self._reach) // self._edge), self._rows - 1)
        pieces = [np.empty(0, dtype=np.int64)]
        for start in np.arange(top, bottom + 1) * self._columns if first <= last else ():
            pieces.append(self._order[self._start[start + first] : self._start[start + last + 1]])
        found = np.sort(np.concatenate(pieces))
        x, y, reach = (getattr(self._outline, name)[found] for name in ("x", "y", "reach"))
        touch = (x + reach > x0) & (x - reach < x1) & (y + reach > y0) & (y - reach < y1)
        return found[touch]
