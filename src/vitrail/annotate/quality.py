"""Quality flags: which cells the statistics use, and why not the others. No cell is dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail.annotate.rows import Rows
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


def count_metrics(X: Rows | Any, controls: Rows | Any | None) -> dict[str, Any]:
    """Columns of `obs` that sum up counts.

    Parameters
    ----------
    X
        Counts of shape (n, genes), CSR or in blocks.
    controls
        The same of controls, of shape (n, controls), or None where they are not known.

    Returns
    -------
    `total_counts`, `genes_detected` int64 and `control_share` float64 (0 for a cell without
    transcripts, not a number where controls are not known), each of shape (n,).
    """
    rows = Rows.of(X)
    total, detected = np.zeros((2, rows.shape[0]), dtype=np.int64)
    for here, block in rows:
        total[here] = _sums(block)
        detected[here] = np.diff(block.indptr)
    share = np.full(len(total), np.nan)
    if controls is not None:
        for here, block in Rows.of(controls):
            control = _sums(block)
            share[here] = control / np.maximum(total[here] + control, 1)
    return {"total_counts": total, "genes_detected": detected, "control_share": share}


def control_counts(
    controls: Rows | Any | None, names: Sequence[str], blanks: Sequence[str]
) -> dict[str, Any]:
    """Columns of `obs` that count controls; none where they are not known.

    Parameters
    ----------
    controls
        Counts of shape (n, controls), CSR or in blocks, or None.
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
    if controls is None:
        return {}
    rows = Rows.of(controls)
    if len(names) != rows.shape[1]:
        return {}
    is_blank = np.isin(names, control_names(names, blanks, "annotate: blanks"))
    found = {}
    for key, columns in (("control_probe_counts", ~is_blank), ("blank_counts", is_blank)):
        found[key] = np.zeros(rows.shape[0], dtype=np.int64)
        for here, block in rows:
            found[key][here] = _sums(block[:, np.flatnonzero(columns)])
    return found


def _sums(block: Any) -> npt.NDArray[np.int64]:
    return np.asarray(block.sum(axis=1, dtype=np.int64)).ravel()


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
