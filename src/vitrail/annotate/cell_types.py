"""Cell types by marker genes.

The score of a type in a cell is the sum of two parts, both means over the type's markers in the
panel: the z-score of the marker over the sample's cells (is it higher here than elsewhere?), and
its normalised value less the mean of the whole panel in the cell (is it high at all?). The first
alone fails where one type makes up nearly all cells, the second alone where markers differ much
in how well they are detected. Scores are averaged over a cell and its nearest neighbours in
expression space. A cell is of the type with the highest score, if that is high enough and far
enough above the second; else its type is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse

from vitrail.annotate.rows import Rows
from vitrail.errors import VitrailError

Float = npt.NDArray[np.float64]


def markers_in_panel(
    markers: Mapping[str, Sequence[str]], genes: Sequence[str], where: str
) -> tuple[dict[str, list[int]], list[str]]:
    """Columns of each type's markers, and the markers that the panel lacks.

    Parameters
    ----------
    markers
        Marker genes of each type.
    genes
        The panel.
    where
        Name of the marker list, for the error.

    Raises
    ------
    VitrailError
        If the panel has none of a type's markers.
    """
    column = {gene: i for i, gene in enumerate(genes)}
    known = {
        name: sorted({column[gene] for gene in wanted if gene in column})
        for name, wanted in sorted(markers.items())
    }
    for name, columns in known.items():
        if not columns:
            raise VitrailError(
                f"{where}: type {name!r} has no marker in the panel of {len(genes)} genes (found "
                f"{', '.join(markers[name])}); wanted at least one, spelt as in the transcripts."
            )
    absent = {gene for wanted in markers.values() for gene in wanted if gene not in column}
    return known, sorted(absent)


def marker_scores(
    values: Rows | sparse.csr_matrix,
    columns: Sequence[Sequence[int]],
    neighbours: npt.NDArray[np.int64] | None = None,
) -> Float:
    """Score of each type in each cell.

    Parameters
    ----------
    values
        Normalised values of shape (n, genes), CSR or in blocks.
    columns
        Columns of the markers of each of t types.
    neighbours
        int64 array of shape (n, k) to average over, or None.

    Returns
    -------
    float64 array of shape (n, t).
    """
    rows = Rows.of(values)
    n, m = rows.shape
    if n == 0:
        return np.zeros((0, len(columns)))
    level = np.empty(n)
    for here, block in rows:
        level[here] = np.asarray(block.sum(axis=1, dtype=np.float64)).ravel() / m
    scores = np.empty((n, len(columns)))
    wanted = sorted({column for marker in columns for column in marker})
    of_markers = rows.columns(wanted)
    for t, marker in enumerate(columns):
        own = of_markers[:, np.searchsorted(wanted, marker)].toarray().astype(np.float64)
        spread = own.std(axis=0)
        z = (own - own.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        scores[:, t] = z.mean(axis=1) + own.mean(axis=1) - level
    if neighbours is None:
        return scores
    total = scores.copy()
    for j in range(neighbours.shape[1]):
        total += scores[neighbours[:, j]]
    return total / (neighbours.shape[1] + 1)


def call_types(scores: Float, min_score: float, margin: float) -> npt.NDArray[np.int32]:
    """Type of each cell, -1 where unknown.

    Parameters
    ----------
    scores
        float64 array of shape (n, t).
    min_score
        What the highest score must reach.
    margin
        By how much it must exceed the second.
    """
    if not scores.size:
        return np.full(len(scores), -1, dtype=np.int32)
    best = scores.argmax(axis=1).astype(np.int32)
    ordered = np.sort(scores, axis=1)
    clear = ordered[:, -1] >= min_score
    if scores.shape[1] > 1:
        clear &= ordered[:, -1] - ordered[:, -2] >= margin
    return np.where(clear, best, -1).astype(np.int32)
