"""Values that are comparable between cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse


def size_factors(
    total: npt.NDArray[np.int64], passed: npt.NDArray[np.bool_], target: str | float = "median"
) -> npt.NDArray[np.float64]:
    """What the counts of each cell are multiplied by, so that each cell has as many.

    Parameters
    ----------
    total
        Counts of each cell, of shape (n,).
    passed
        bool array of shape (n,): cells that set the target.
    target
        Counts that each cell is scaled to; ``"median"``: the median over the passed cells.

    Returns
    -------
    float64 array of shape (n,); 0 for cells without counts.
    """
    counts = total.astype(np.float64)
    if target == "median":
        setting = counts[passed & (counts > 0)]
        target = float(np.median(setting)) if len(setting) else 1.0
    return np.divide(float(target), counts, out=np.zeros_like(counts), where=counts > 0)


def log_scaled(X: sparse.csr_matrix, factor: npt.NDArray[np.float64]) -> sparse.csr_matrix:
    """ln(1 + x) of the counts of each row times its factor: CSR float32 at the same places."""
    scaled = X.data * np.repeat(factor, np.diff(X.indptr))
    data = np.log1p(scaled).astype(np.float32)
    return sparse.csr_matrix((data, X.indices, X.indptr), shape=X.shape)


def lognorm(
    X: sparse.csr_matrix, passed: npt.NDArray[np.bool_], target: str | float = "median"
) -> sparse.csr_matrix:
    """Library-size normalised counts, ln(1 + x).

    Parameters
    ----------
    X
        Raw counts, CSR of shape (n, genes).
    passed, target
        As of `size_factors`.

    Returns
    -------
    CSR float32 of the same shape and the same stored places. Cells without counts stay empty.
    """
    total = np.asarray(X.sum(axis=1, dtype=np.int64)).ravel()
    return log_scaled(X, size_factors(total, passed, target))


def arcsinh(X: npt.NDArray[np.floating[Any]], passed: npt.NDArray[np.bool_]) -> sparse.csr_matrix:
    """Intensities on a scale that is linear near zero and logarithmic above.

    Each channel is divided by its median over the passed cells, so that channels are on one
    scale whatever the microscope's, then x -> arcsinh(x).

    Parameters
    ----------
    X
        Mean intensities, array of shape (n, channels). Cells that were not measured (not a
        number) become 0.
    passed
        bool array of shape (n,): cells that set the medians.

    Returns
    -------
    CSR float32 of the same shape.
    """
    values = np.nan_to_num(np.asarray(X, dtype=np.float64))
    measured = values[passed] if passed.any() else np.ones((1, values.shape[1]))
    median = np.median(measured, axis=0)
    # A channel that is dark in half of the cells is scaled by its mean instead.
    scale = np.where(median > 0, median, measured.mean(axis=0))
    scale[scale <= 0] = 1.0
    return sparse.csr_matrix(np.arcsinh(values / scale), dtype=np.float32)
