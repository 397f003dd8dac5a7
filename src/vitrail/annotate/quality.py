"""Quality flags: which cells the statistics use, and why not the others. No cell is dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail.assign.controls import control_names
from vitrail.io.h5ad import Categorical

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Thresholds:
    """What a cell must have; None asks for nothing.

    Attributes
    ----------
    min_counts, max_counts
        Transcripts of genes in the cell.
    min_genes
        Genes detected.
    max_control_share
        Controls over all transcripts in the cell.
    min_area_um2, max_area_um2
        Area in square micrometres.
    """

    min_counts: float | None = None
    max_counts: float | None = None
    min_genes: float | None = None
    max_control_share: float | None = None
    min_area_um2: float | None = None
    max_area_um2: float | None = None


@dataclass(frozen=True)
class Quality:
    """Verdict on n cells.

    Attributes
    ----------
    passed
        bool array of shape (n,).
    reason
        First reason that holds for each cell, missing where it passed.
    counts
        Number of cells by reason; with the passed they add up to all.
    """

    passed: Bools
    reason: Categorical
    counts: dict[str, int]


def count_metrics(X: Any, controls: Any | None) -> dict[str, Any]:
    """Columns of `obs` that sum up counts.

    Parameters
    ----------
    X
        CSR counts of shape (n, genes).
    controls
        CSR counts of controls of shape (n, controls), or None where they are not known.

    Returns
    -------
    `total_counts`, `genes_detected` int64 and `control_share` float64 (0 for a cell without
    transcripts, not a number where controls are not known), each of shape (n,).
    """
    total = np.asarray(X.sum(axis=1, dtype=np.int64)).ravel()
    share = np.full(X.shape[0], np.nan)
    if controls is not None:
        control = np.asarray(controls.sum(axis=1, dtype=np.int64)).ravel()
        share = control / np.maximum(total + control, 1)
    return {
        "total_counts": total,
        "genes_detected": np.diff(X.indptr).astype(np.int64),
        "control_share": share,
    }


def control_counts(
    controls: Any | None, names: Sequence[str], blanks: Sequence[str]
) -> dict[str, Any]:
    """Columns of `obs` that count controls; none where they are not known.

    Parameters
    ----------
    controls
        CSR counts of shape (n, controls), or None.
    names
        Names of its columns.
    blanks
        Regular expressions; a control whose whole name matches one is a blank: a code that no
        probe carries, so that only misread ones count for it. The others are probes that nothing
        in the tissue binds.

    Returns
    -------
    `control_probe_counts` and `blank_counts`, int64 arrays of shape (n,).

    Raises
    ------
    VitrailError
        If a pattern is not a regular expression.
    """
    if controls is None or len(names) != controls.shape[1]:
        return {}
    from scipy import sparse

    is_blank = np.isin(names, control_names(names, blanks, "annotate: blanks"))
    counts = sparse.csc_matrix(controls)
    return {
        key: np.asarray(counts[:, columns].sum(axis=1, dtype=np.int64)).ravel()
        for key, columns in (("control_probe_counts", ~is_blank), ("blank_counts", is_blank))
    }


def judge(obs: Mapping[str, Any], n: int, thresholds: Thresholds) -> Quality:
    """Flag cells; a threshold asks nothing of cells where its column is absent or unknown.

    Parameters
    ----------
    obs
        Columns, of which `total_counts`, `genes_detected`, `control_share` and `area_um2` are
        used where they are there.
    n
        Number of cells.
    thresholds
        The stage's section of the config.
    """
    t = thresholds
    above_zero = None if "area_um2" not in obs else np.nextafter(0.0, 1.0)
    failing = {
        "no pixels": _below(obs.get("area_um2"), above_zero, n),
        "few counts": _below(obs.get("total_counts"), t.min_counts, n),
        "many counts": _above(obs.get("total_counts"), t.max_counts, n),
        "few genes": _below(obs.get("genes_detected"), t.min_genes, n),
        "control probes": _above(obs.get("control_share"), t.max_control_share, n),
        "small area": _below(obs.get("area_um2"), t.min_area_um2, n),
        "large area": _above(obs.get("area_um2"), t.max_area_um2, n),
    }
    codes = np.full(n, -1, dtype=np.int8)
    for code, fails in reversed(list(enumerate(failing.values()))):
        codes[fails] = code
    tally = np.bincount(codes[codes >= 0], minlength=len(failing))
    counts = {name: int(k) for name, k in zip(failing, tally, strict=True) if k}
    return Quality(codes < 0, _used(codes, list(failing)), counts)


def _below(values: Any | None, limit: float | None, n: int) -> Bools:
    # Comparisons with "not a number" are false: what is not known does not fail.
    known = values is not None and limit is not None
    return np.asarray(values) < limit if known else np.zeros(n, dtype=bool)


def _above(values: Any | None, limit: float | None, n: int) -> Bools:
    known = values is not None and limit is not None
    return np.asarray(values) > limit if known else np.zeros(n, dtype=bool)


def _used(codes: npt.NDArray[np.int8], names: list[str]) -> Categorical:
    """Categories that occur, and the codes that go with them."""
    used = np.unique(codes[codes >= 0])
    new = np.full(len(names) + 1, -1, dtype=np.int8)
    new[used] = np.arange(len(used))
    return Categorical(new[codes], [names[i] for i in used])
