"""Cell types as they are given, and the table of their pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import erfc

from vitrail.errors import VitrailError
from vitrail.inference.fdr import benjamini_hochberg


def checked_types(
    types: npt.ArrayLike, names: Sequence[str] | None, n: int
) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """Codes (n,), -1 for unknown, and the names they point to.

    Without `names` the types are names themselves (None or NaN for unknown), which are sorted.
    """
    if names is None:
        found = pd.Categorical(pd.Series(types, dtype="object"))
        codes, known = found.codes.astype(np.int64), tuple(str(c) for c in found.categories)
    else:
        codes, known = np.asarray(types).astype(np.int64), tuple(names)
    if codes.shape != (n,):
        raise VitrailError(
            f"types: found an array of shape {codes.shape}, wanted one type for each of {n} cells."
        )
    wrong = np.flatnonzero((codes < -1) | (codes >= len(known)))
    if wrong.size:
        raise VitrailError(
            f"types, row {wrong[0]}: found code {codes[wrong[0]]}, wanted -1 to {len(known) - 1}."
        )
    return codes, known


def pair_table(
    names: Sequence[str],
    cells: npt.NDArray[np.int64],
    counts: npt.NDArray[Any],
    mean: npt.NDArray[np.float64],
    variance: npt.NDArray[np.float64],
    permuted: tuple[Any, Any, Any] | None,
) -> pd.DataFrame:
    """One row an ordered pair of types; arrays are (types, types)."""
    k = len(names)
    sd = np.sqrt(variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(sd > 0, (counts - mean) / sd, np.nan)
        ratio = np.where(mean > 0, counts / mean, np.nan)
    p = erfc(np.abs(z) / np.sqrt(2.0))
    nothing = np.full((k, k), np.nan)
    drawn_mean, drawn_sd, drawn_p = permuted or (nothing, nothing, nothing)
    # Types whose count no permutation changes are not tested.
    drawn_p = np.where(np.isnan(z), np.nan, drawn_p)
    a, b = np.divmod(np.arange(k * k), max(k, 1))
    label = np.array(names, dtype=object)
    return pd.DataFrame(
        {
            "type_a": pd.Series(label[a], dtype="object"),
            "type_b": pd.Series(label[b], dtype="object"),
            "cells_a": cells[a],
            "cells_b": cells[b],
            "count": np.asarray(counts, dtype=np.int64).ravel(),
            "expected": mean.ravel(),
            "sd": sd.ravel(),
            "ratio": ratio.ravel(),
            "z": z.ravel(),
            "p": p.ravel(),
            "permuted_mean": drawn_mean.ravel(),
            "permuted_sd": drawn_sd.ravel(),
            "p_permutation": drawn_p.ravel(),
            "fdr": _fdr(counts, drawn_p if np.isfinite(drawn_p).any() else p).ravel(),
        }
    )


def _fdr(counts: npt.NDArray[Any], p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """False discovery rate over the pairs; of undirected pairs each is one test."""
    if not np.array_equal(counts, counts.T):
        return benjamini_hochberg(p.ravel()).reshape(p.shape)
    upper = np.triu_indices(len(p))
    rate = np.full(p.shape, np.nan)
    rate[upper] = benjamini_hochberg(p[upper])
    rate.T[upper] = rate[upper]
    return rate
