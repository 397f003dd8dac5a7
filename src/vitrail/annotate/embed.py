"""Principal components and nearest neighbours in expression space."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse

from vitrail.annotate.kernels import add_applied, add_moments, add_products
from vitrail.annotate.rows import Rows

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

# Up to here the covariance of the genes is decomposed whole, above only its largest part.
DENSE_GENES = 2000
# Up to here neighbours are exact, above approximate: all pairs of 10^5 cells take minutes.
EXACT_CELLS = 20_000
PROBES = 32
BLOCK_ROWS = 512


def principal_components(
    values: Rows | sparse.csr_matrix,
    passed: npt.NDArray[np.bool_],
    n_components: int,
    *,
    scale: bool = False,
) -> npt.NDArray[np.float32]:
    """Principal components of cells.

    Fitted on the passed cells, applied to all. Signs are fixed: the largest loading of each
    component is positive. Up to `DENSE_GENES` genes the values are gone through three times and
    never held; above, those of the passed cells are held as they are.

    Parameters
    ----------
    values
        Matrix of shape (n, genes), CSR or in blocks.
    passed
        bool array of shape (n,).
    n_components
        Wanted number; at most the number of genes and of passed cells less one.
    scale
        Divide each gene by its standard deviation.

    Returns
    -------
    float32 array of shape (n, components).
    """
    rows = Rows.of(values)
    fitted = rows.where(passed)
    n, m = fitted.shape
    k = max(0, min(n_components, m, n - 1))
    mean, mean_square = _moments(fitted)
    weight = np.ones(m)
    if scale:
        spread = np.sqrt(np.maximum(mean_square - mean**2, 0.0))
        weight = np.divide(1.0, spread, out=np.zeros(m), where=spread > 1e-12)
    loadings = _loadings(fitted, mean, weight, k)
    projected = np.empty((rows.shape[0], k), dtype=np.float32)
    for here, block in rows:
        scores = block.astype(np.float64) @ (weight[:, None] * loadings)
        projected[here] = np.asarray(scores - (mean * weight) @ loadings)
    return projected


def _moments(rows: Rows) -> tuple[Float, Float]:
    """Means of each column's values and of their squares."""
    mean, square = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    for _, block in rows:
        add_moments(block.data, block.indices, 1.0 / max(rows.shape[0], 1), mean, square)
    return mean, square


def _loadings(rows: Rows, mean: Float, weight: Float, k: int) -> Float:
    """Eigenvectors (genes, k) of the covariance of weighted genes, largest first."""
    n, m = rows.shape
    if k == 0:
        return np.zeros((m, 0))
    if m <= DENSE_GENES:
        covariance = _products(rows) / n - np.outer(mean, mean)
        covariance *= np.outer(weight, weight)
        _, vectors = linalg.eigh(covariance, subset_by_index=(m - k, m - 1))
    else:
        vectors = _largest(rows, mean, weight, k)
    vectors = vectors[:, ::-1]
    largest = np.abs(vectors).argmax(axis=0)
    return vectors * np.where(vectors[largest, np.arange(k)] < 0, -1.0, 1.0)


def _products(rows: Rows) -> Float:
    """Sums of the products of each two columns."""
    upper = np.zeros((rows.shape[1],) * 2)
    for _, block in rows:
        add_products(block.data, block.indices, block.indptr, upper)
    return upper + np.triu(upper, 1).T


def _largest(rows: Rows, mean: Float, weight: Float, k: int) -> Float:
    """Eigenvectors by Lanczos iteration: the covariance is applied, never formed."""
    from scipy.sparse.linalg import LinearOperator, eigsh

    n, m = rows.shape
    # Each of some hundred iterations goes through all values.
    held = [block for _, block in rows]

    def apply(vector: Float) -> Float:
        weighted = weight * vector.ravel()
        products = np.zeros(m)
        for block in held:
            add_applied(block.data, block.indices, block.indptr, weighted, products)
        return weight * (products / n - mean * (mean @ weighted))

    operator = LinearOperator((m, m), matvec=apply, dtype=np.float64)
    _, vectors = eigsh(operator, k=k, v0=np.full(m, m**-0.5))
    return np.asarray(vectors)


def nearest_neighbours(points: npt.NDArray[Any], k: int, seed: int) -> npt.NDArray[np.int64]:
    """Nearest neighbours of each point, itself left out.

    Parameters
    ----------
    points
        Array of shape (n, d).
    k
        Number of neighbours, at most n - 1.
    seed
        For the approximate search among more than `EXACT_CELLS` points.

    Returns
    -------
    int64 array of shape (n, k), nearest first. Up to `EXACT_CELLS` points they are exact. Above,
    the points are divided among sqrt(n) of them, drawn at random, and each is compared with those
    of the nearest `PROBES` divisions (an inverted file, Jegou et al. 2011).
    """
    points = np.asarray(points, dtype=np.float64)
    n = len(points)
    found = np.empty((n, k), dtype=np.int64)
    everyone = np.arange(n)
    whole = [(everyone, everyone)]
    for rows, candidates in whole if n <= EXACT_CELLS else _divisions(points, k, seed):
        # Blocks bound the matrix of distances.
        for start in range(0, len(rows), BLOCK_ROWS):
            block = rows[start : start + BLOCK_ROWS]
            found[block] = _nearest_among(points, block, candidates, k)
    return found


def _nearest_among(points: Float, rows: Int, candidates: Int, k: int) -> Int:
    """The k nearest of the candidates to each row, itself left out; ties by position."""
    distance = _squared_distances(points[rows], points[candidates])
    distance[rows[:, None] == candidates] = np.inf
    near = np.sort(np.argpartition(distance, k - 1, axis=1)[:, :k], axis=1)
    order = np.argsort(np.take_along_axis(distance, near, axis=1), axis=1, kind="stable")
    return candidates[np.take_along_axis(near, order, axis=1)]


def _squared_distances(a: Float, b: Float) -> Float:
    distance = a @ b.T
    distance *= -2.0
    distance += (a**2).sum(axis=1)[:, None]
    distance += (b**2).sum(axis=1)
    return distance


def _divisions(points: Float, k: int, seed: int) -> Iterator[tuple[Int, Int]]:
    """Points of each division, and those of the divisions around it, more than k."""
    n = len(points)
    drawn = np.random.default_rng(seed).choice(n, int(np.sqrt(n)), replace=False)
    centres = points[np.sort(drawn)]
    division = np.empty(n, dtype=np.int64)
    for start in range(0, n, BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        division[block] = _squared_distances(points[block], centres).argmin(axis=1)
    members = np.split(
        np.argsort(division, kind="stable"),
        np.cumsum(np.bincount(division, minlength=len(centres)))[:-1],
    )
    size = np.array([len(m) for m in members])
    around = _squared_distances(centres, centres).argsort(axis=1, kind="stable")
    for d in np.flatnonzero(size):
        probes = max(PROBES, int(np.searchsorted(np.cumsum(size[around[d]]), k + 1)) + 1)
        yield members[d], np.sort(np.concatenate([members[i] for i in around[d, :probes]]))
