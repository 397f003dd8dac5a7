"""What these statistics take: values, names of genes, and the side that a test speaks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from scipy.special import ndtr

from vitrail.errors import VitrailError

Floats = npt.NDArray[np.float64]
ALTERNATIVES = ("two-sided", "greater", "less")


def value_matrix(counts: Any, genes: Sequence[str] | None) -> tuple[sp.csr_matrix, list[str]]:
    """Values as canonical CSR without stored zeros, and the genes' names."""
    names = genes
    if isinstance(counts, pd.DataFrame):
        names, counts = list(counts.columns) if names is None else names, counts.to_numpy()
    elif hasattr(counts, "var_names"):
        names, counts = list(counts.var_names) if names is None else names, counts.X
    matrix = sp.csr_matrix(counts)
    if not np.isfinite(matrix.data).all():
        gene = int(matrix.indices[~np.isfinite(matrix.data)].min())
        label = gene if names is None else names[gene]
        raise VitrailError(f"autocorrelation, gene {label}: found NaN or inf, wanted numbers.")
    if not matrix.has_canonical_format or (matrix.data == 0).any():
        matrix = matrix.copy()
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
    labels = [str(i) for i in range(matrix.shape[1])] if names is None else [str(g) for g in names]
    if len(labels) != matrix.shape[1]:
        raise VitrailError(
            f"autocorrelation: found {len(labels)} names, wanted {matrix.shape[1]}, one a gene."
        )
    return matrix, labels


def find_genes(wanted: Sequence[str], names: Sequence[str]) -> npt.NDArray[np.int64]:
    """Columns of genes, by name."""
    column = {name: i for i, name in enumerate(names)}
    unknown = [name for name in wanted if str(name) not in column]
    if unknown:
        raise VitrailError(
            f"autocorrelation: found no gene {unknown[0]!r} among the {len(names)} genes."
        )
    return np.array([column[str(name)] for name in wanted], dtype=np.int64)


def check_alternative(alternative: str) -> None:
    """Refuse an alternative that is not one of ALTERNATIVES."""
    if alternative not in ALTERNATIVES:
        raise VitrailError(
            f"autocorrelation: found alternative {alternative!r}, wanted one of "
            f"{', '.join(ALTERNATIVES)}."
        )


def normal_p(z: Floats, alternative: str) -> Floats:
    """Tail of the normal distribution beyond `z`."""
    if alternative == "two-sided":
        return 2.0 * ndtr(-np.abs(z))
    return ndtr(-z) if alternative == "greater" else ndtr(z)
