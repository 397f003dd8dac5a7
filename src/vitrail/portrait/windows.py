"""Windows: a fixed number of sets of a fixed number of neighbouring cells.

The divergence of two graphs depends on their size, and an estimate from windows on their number.
With as many windows of as many cells in each sample, samples of any size are compared alike.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from vitrail.graph.neighbours import nearest_to
from vitrail.portrait.order import hilbert_order


def draw_windows(
    xy: npt.NDArray[np.float64], windows: int, cells: int, seed: int
) -> npt.NDArray[np.int64]:
    """Draw windows that are spread over the cells.

    The centres are equally spaced along a Hilbert curve through the cells, from a start drawn by
    the seed: dense and sparse regions are met in proportion to their cells. A window is its
    centre and the cells nearest to it; windows of a small sample overlap.

    Parameters
    ----------
    xy
        Positions (n, 2).
    windows, cells
        Number of windows, and of cells in each.
    seed
        Seed of the draw.

    Returns
    -------
    int64 (windows, cells), rows of `xy`; shape (0, cells) where there are fewer cells than a
    window needs.
    """
    n = len(xy)
    if n < cells or n == 0:
        return np.zeros((0, cells), np.int64)
    start = np.random.default_rng(seed).random()
    steps = ((np.arange(windows) + start) * n / windows).astype(np.int64)
    centres = hilbert_order(xy)[steps]
    return np.column_stack([centres, nearest_to(xy, centres, cells - 1)])


def window_graph(
    graph: sp.csr_matrix, windows: npt.NDArray[np.int64]
) -> tuple[sp.csr_matrix, npt.NDArray[np.int64]]:
    """All windows side by side in one graph, a cell once for each window that it is in.

    Returns
    -------
    graph
        Symmetric CSR over ``windows.size`` nodes without edges between windows.
    window
        Window of each node.
    """
    parts = [graph[window][:, window] for window in windows]
    joined = sp.block_diag(parts, format="csr") if parts else sp.csr_matrix((0, 0))
    return joined, np.repeat(np.arange(len(windows)), windows.shape[1])
