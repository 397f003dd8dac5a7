"""Local Moran: where in the tissue a gene's values are like, or unlike, their neighbours'."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from numba import njit

from vitrail.autocorrelation.pairs import weight_matrix
from vitrail.autocorrelation.permutation import TOLERANCE
from vitrail.autocorrelation.values import check_alternative, find_genes, normal_p, value_matrix
from vitrail.inference.fdr import benjamini_hochberg
from vitrail.parallel import available_threads, spans, threaded

Floats = npt.NDArray[np.float64]
ALTERNATIVE_CODE = {"two-sided": 0, "greater": 1, "less": -1}


def local(
    counts: Any,
    graph: Any,
    local_genes: Sequence[str],
    permutations: int = 0,
    seed: int = 0,
    row_standardised: bool = False,
    genes: Sequence[str] | None = None,
    threads: int | None = None,
    alternative: str = "two-sided",
) -> dict[str, pd.DataFrame]:
    """Local Moran's I of each cell, for chosen genes (Anselin 1995).

    I_i = (n - 1) / sum z^2 * z_i * sum_j w_ij z_j, as in esda and GeoDa. The null is conditional:
    cell i keeps its value and its neighbours' values are drawn from the other cells, without
    replacement. Expectation and variance are those of Sokal, Oden & Thomson 1998
    (doi:10.1111/j.1538-4632.1998.tb00406.x, equations A7 and A8) times (n - 1) / n and its
    square, which belong to the factor n - 1 above.

    Parameters
    ----------
    counts, graph, permutations, seed, row_standardised, genes, threads, alternative
        As in `vitrail.autocorrelation.moran`. Draw b of the neighbours depends on the seed and b
        alone and is shared by all cells and genes.
    local_genes
        Names of the genes; each is made dense, 8 bytes a cell, in its turn.

    Returns
    -------
    dict of pandas.DataFrame
        For each gene, one row a cell: ``I``, ``expected``, ``variance``, ``z``, ``p`` (normal
        approximation), ``p_permutation`` ((b + 1) / (m + 1); NaN without permutations), ``fdr``
        (over the cells) and ``quadrant``: 1 high among high, 2 low among high, 3 low among low,
        4 high among low, 0 without neighbours. Cells without neighbours, and all cells of a
        constant gene, have NaN and 0.
    """
    check_alternative(alternative)
    matrix, names = value_matrix(counts, genes)
    columns = find_genes(list(local_genes), names)
    weights = weight_matrix(graph, matrix.shape[0], row_standardised)
    draws = _draws(matrix.shape[0], weights, permutations, seed)
    chosen = sp.csc_matrix(matrix[:, columns])
    return {
        name: _table(chosen[:, [i]].toarray().ravel(), weights, draws, alternative, threads)
        for i, name in enumerate(local_genes)
    }


def _draws(n: int, weights: sp.csr_matrix, permutations: int, seed: int) -> npt.NDArray[np.int32]:
    """Neighbours' places of each draw (permutations, most neighbours), numbers below n - 1."""
    most = int(np.diff(weights.indptr).max(initial=0))
    out = np.empty((permutations, most), np.int32)
    for number in range(permutations):
        random = np.random.default_rng([seed, number])
        out[number] = random.choice(max(n - 1, 1), most, replace=False) if most else 0
    return out


def _table(
    x: npt.NDArray[Any], weights: sp.csr_matrix, draws: npt.NDArray[np.int32],
    alternative: str, threads: int | None,
) -> pd.DataFrame:  # fmt: skip
    n, n_1 = x.size, np.float64(x.size - 1)
    z = x.astype(np.float64) - (x.mean(dtype=np.float64) if n else 0.0)
    squares = np.float64(z @ z)
    total = np.asarray(weights.sum(axis=1)).ravel()
    near = weights @ z
    missing = (np.diff(weights.indptr) == 0) | (squares <= 1e-24 * n * float(x @ x)) | (n < 4)
    with np.errstate(divide="ignore", invalid="ignore"):
        m2 = squares / np.float64(n)
        value = n_1 / squares * z * near
        expected = -(z**2) * total / n_1 / m2
        share = np.asarray(weights.multiply(weights).sum(axis=1)).ravel() - total**2 / n_1
        variance = (z / m2) ** 2 * n / np.float64(n - 2) * share * (m2 - z**2 / n_1)
        factor = n_1 / np.float64(n)
        table = pd.DataFrame({"I": value, "expected": expected * factor})
        table["variance"] = variance * factor**2
        table["z"] = (value - table["expected"]) / np.sqrt(table["variance"])
    table["p"] = normal_p(table["z"].to_numpy(), alternative)
    table["p_permutation"] = np.nan
    if len(draws) and n >= 4:
        found = _exceedances(z, near, total, weights, draws, alternative, threads)
        table["p_permutation"] = (found + 1) / (len(draws) + 1)
    table.loc[missing, :] = np.nan
    table["fdr"] = benjamini_hochberg(table["p_permutation" if len(draws) else "p"])
    quadrant = np.where(z > 0, np.where(near > 0, 1, 4), np.where(near > 0, 2, 3))
    table["quadrant"] = np.where(missing, 0, quadrant).astype(np.int8)
    return table


def _exceedances(
    z: Floats, near: Floats, total: Floats, weights: sp.csr_matrix, draws: Any,
    alternative: str, threads: int | None,
) -> npt.NDArray[np.int64]:  # fmt: skip
    found = np.zeros(z.size, np.int64)
    tolerance = TOLERANCE * float(np.abs(z).max(initial=0.0))
    code = ALTERNATIVE_CODE[alternative]

    def count(span: tuple[int, int]) -> None:
        _count(z, near, total, weights.indptr, weights.indices, weights.data, draws, code,
               tolerance, *span, found)  # fmt: skip

    threaded(count, spans(z.size, 4 * available_threads()), threads)
    return found


@njit(cache=True, nogil=True)
def _count(
    z: Any, near: Any, total: Any, indptr: Any, indices: Any, weights: Any, draws: Any,
    code: int, tolerance: float, first: int, last: int, found: Any,
) -> None:  # fmt: skip
    n = z.size
    for cell in range(first, last):
        begin = indptr[cell]
        many = indptr[cell + 1] - begin
        # The neighbours' sum expected when they are drawn from the others, whose sum is -z_i.
        centre = -z[cell] * total[cell] / (n - 1)
        sign = 1.0 if z[cell] >= 0.0 else -1.0
        observed = (near[cell] - centre) * (sign * code if code else 1.0)
        if code == 0:
            observed = abs(observed)
        for number in range(draws.shape[0]):
            drawn = 0.0
            for place in range(many):
                other = draws[number, place]
                if other >= cell:
                    other += 1
                drawn += weights[begin + place] * z[other]
            away = (drawn - centre) * (sign * code if code else 1.0)
            if code == 0:
                away = abs(away)
            if away >= observed - tolerance:
                found[cell] += 1
