"""Values that are comparable between cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse


def lognorm(
    X: sparse.csr_matrix, passed: npt.NDArray[np.bool_], target: str | float = "median"
) -> sparse.csr_matrix:
    """Library-size normalised counts, ln(1 + x).

    Parameters
    ----------
    X
        Raw counts, CSR of shape (n, genes).
    passed
        bool array of shape (n,): cells that set the target.
    target
        Counts that each cell is scaled to; ``"median"``: the median over the passed cells.

    Returns
    -------
    CSR float32 of the same shape and the same stored places. Cells without counts stay empty.
    """
    total = np.asarray(X.sum(axis=1, dtype=np.int64)).ravel().astype(np.float64)
    if target == "median":
        setting = total[passed & (total > 0)]
        target = float(np.median(setting)) if len(setting) else 1.0
    factor = np.divide(float(target), total, out=np.zeros_like(total), where=total > 0)
    scaled = X.data * np.repeat(factor, np.diff(X.indptr))
    data = np.log1p(scaled).astype(np.float32)
    return sparse.csr_matrix((data, X.indices, X.indptr), shape=X.shape)


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
