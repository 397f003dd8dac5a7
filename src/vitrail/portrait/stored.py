"""Portraits of a sample as its files keep them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp

from vitrail.errors import VitrailError
from vitrail.portrait.entries import Entries

PARTS = ("group", "key", "number")


def stored(arrays: Mapping[str, Any], cell_type: str | None = None) -> sp.csr_matrix:
    """Portrait of a sample's tissue, or of the subgraph of one of its types.

    Parameters
    ----------
    arrays
        ``adata.uns["portraits"]`` of a sample's AnnData, or ``np.load("portraits.npz")``.
    cell_type
        Name of a type; None for the tissue.

    Returns
    -------
    scipy.sparse.csr_matrix
        As `vitrail.portrait.portrait` gives it; with the estimator "depth" up to its last level.
    """
    meta = json.loads(str(np.asarray(arrays["meta"]).item()))
    if meta["estimator"] == "sampled":
        raise VitrailError(
            "portraits: found sampled ones, wanted portraits from all cells (portrait.estimator "
            "exact or depth)."
        )
    types = list(meta["types"])
    if cell_type is not None and cell_type not in types:
        raise VitrailError(
            f"portraits: found no type {cell_type!r}, wanted one of {', '.join(types) or 'none'}."
        )
    whole = Entries(*(np.asarray(arrays[f"whole_{part}"]) for part in PARTS))
    return whole.portrait(0 if cell_type is None else 1 + types.index(cell_type))
