"""Co-occurrence: pairs of cells by their types and the distance between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from numba import njit

from vitrail.enrichment.moments import Shape, pair_moments
from vitrail.enrichment.permutation import permuted_counts
from vitrail.enrichment.tables import checked_types, pair_table
from vitrail.errors import VitrailError
from vitrail.graph.kdtree import box_gap, grow, leaves
from vitrail.graph.positions import positions
from vitrail.parallel import spans, threaded

PIECES = 32


def co_occurrence(
    xy: Any,
    types: npt.ArrayLike,
    names: Sequence[str] | None = None,
    distances: Sequence[float] = (10, 20, 30, 40, 50, 60, 70, 80, 90, 100),
    permutations: int = 0,
    seed: int = 0,
    focal: npt.ArrayLike | None = None,
    threads: int | None = None,
) -> pd.DataFrame:
    """Pairs of cells in rings of distance against their number when types are permuted.

    Parameters
    ----------
    xy
        Positions (n, 2) or (n, 3), or an AnnData with ``obsm["spatial"]``.
    types, names, seed, focal, threads
        As in `neighbourhood_enrichment`.
    distances
        Outer radii of the rings, increasing, in the unit of `xy`: the first ring holds the pairs
        at a distance of at most the first, each further one those beyond the ring before it.
    permutations
        Permutations of the types; the default of 0 leaves the p to the exact moments, since each
        permutation looks at all pairs again.

    Returns
    -------
    pandas.DataFrame
        One row a ring and ordered pair of types: ``distance_low``, ``distance_high`` and the
        columns of `neighbourhood_enrichment`.

    Notes
    -----
    `squidpy.gr.co_occurrence` counts the pairs within each distance, not in rings, and divides the
    share of b among the neighbours of a by the share of b among all pairs, in which types in dense
    places weigh more; here the reference is what permuting the types gives. Adding up the rings'
    counts gives squidpy's.
    """
    edges = np.asarray(distances, dtype=np.float64)
    if edges.ndim != 1 or not len(edges) or not (np.diff(np.append(0.0, edges)) > 0).all():
        raise VitrailError(
            f"co_occurrence, distances: found {list(distances)}, wanted increasing numbers above 0."
        )
    points = positions(xy)
    codes, names = checked_types(types, names, len(points))
    begins = np.ones(len(points), bool) if focal is None else np.asarray(focal, dtype=bool)
    cells = np.bincount(codes[codes >= 0], minlength=len(names)).astype(np.int64)
    typed = np.flatnonzero(codes >= 0)
    if len(typed) == 0:
        return _table(edges, names, cells, np.zeros((len(edges), len(names), len(names))), [], None)
    counter = _Rings(points[typed], begins[typed], edges, len(names), threads)
    counts, shapes = counter.count_and_shapes(codes[typed])
    moments = [pair_moments(shape, cells) for shape in shapes]
    mean = np.stack([m for m, _ in moments])
    # Each count is threaded by itself.
    permuted = permuted_counts(counter.count, codes[typed], counts, mean, permutations, seed, 1)
    return _table(edges, names, cells, counts, moments, permuted)


class _Rings:
    """Counts pairs of fixed cells by their types and the ring of their distance."""

    def __init__(
        self,
        points: npt.NDArray[np.float64],
        focal: npt.NDArray[np.bool_],
        edges: npt.NDArray[np.float64],
        n_types: int,
        threads: int | None,
    ) -> None:
        self.tree = grow(points, threads)
        self.focal = focal[self.tree.row]
        self.squares = edges**2
        self.n_types = n_types
        self.threads = threads

    def count(self, codes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Pairs (rings, types, types)."""
        return self.count_and_shapes(codes)[0]

    def count_and_shapes(
        self, codes: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], list[Shape]]:
        """Pairs (rings, types, types), and what the moments need of each ring's pairs."""
        kinds = codes[self.tree.row].astype(np.int32)
        first, last = leaves(self.tree)
        pieces = [(first + a, first + b) for a, b in spans(last - first, PIECES)]
        parts = threaded(
            lambda s: _rings(*self.tree, self.squares, self.focal, kinds, self.n_types, *s),
            pieces,
            self.threads,
        )
        counts, sums = (np.sum([part[i] for part in parts], axis=0) for i in range(2))
        return counts, [Shape(*(int(value) for value in row)) for row in sums]


@njit(cache=True, nogil=True)
def _rings(
    points: Any, row: Any, start: Any, end: Any, low: Any, high: Any, lowest: Any,
    squares: Any, focal: Any, types: Any, n_types: int, first: int, last: int,
) -> Any:  # fmt: skip
    """Pairs that begin in some leaves, by ring and types, and the numbers of `Shape`."""
    d = points.shape[0]
    nodes, rings = start.size, squares.size
    reach = squares[rings - 1]
    counts = np.zeros((rings, n_types, n_types), np.int64)
    sums = np.zeros((rings, 5), np.int64)
    stack = np.empty(64, np.int64)
    near = np.empty(nodes - nodes // 2, np.int64)
    out, into = np.empty(rings, np.int64), np.empty(rings, np.int64)
    for leaf in range(first, last):
        stack[0] = 0
        height, found = 1, 0
        while height:
            height -= 1
            node = stack[height]
            if start[node] == end[node]:
                continue
            if box_gap(low, high, node, low[leaf], high[leaf]) > reach:
                continue
            child = 2 * node + 1
            if child < nodes:
                stack[height], stack[height + 1] = child, child + 1
                height += 2
            else:
                near[found] = node
                found += 1
        for i in range(start[leaf], end[leaf]):
            out[:], into[:] = 0, 0
            for at in range(found):
                for other in range(start[near[at]], end[near[at]]):
                    square = 0.0
                    for j in range(d):
                        step = points[j, other] - points[j, i]
                        square += step * step
                    if square > reach or other == i:
                        continue
                    ring = 0
                    while square > squares[ring]:
                        ring += 1
                    out[ring] += 1
                    into[ring] += focal[other]
                    if focal[i]:
                        counts[ring, types[i], types[other]] += 1
            for ring in range(rings):
                own = out[ring] if focal[i] else 0
                sums[ring, 0] += own
                sums[ring, 1] += into[ring] if focal[i] else 0
                sums[ring, 2] += own * own
                sums[ring, 3] += into[ring] * into[ring]
                sums[ring, 4] += own * into[ring]
    return counts, sums


def _table(
    edges: npt.NDArray[np.float64],
    names: Sequence[str],
    cells: npt.NDArray[np.int64],
    counts: npt.NDArray[Any],
    moments: Sequence[tuple[Any, Any]],
    permuted: Any,
) -> pd.DataFrame:
    parts = []
    for ring, high in enumerate(edges):
        shape = (len(names), len(names))
        mean, variance = moments[ring] if moments else (np.zeros(shape), np.zeros(shape))
        drawn = tuple(part[ring] for part in permuted) if permuted else None
        part = pair_table(names, cells, counts[ring], mean, variance, drawn)
        part.insert(0, "distance_low", edges[ring - 1] if ring else 0.0)
        part.insert(1, "distance_high", high)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)
