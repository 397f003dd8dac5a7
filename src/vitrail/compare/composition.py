"""How much of a difference is composition alone: distances of types, and of types around cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from vitrail.portrait.divergence import jensen_shannon
from vitrail.portrait.entries import Entries
from vitrail.portrait.sample import SamplePortraits

Floats = npt.NDArray[np.float64]


def composition_distances(portraits: Sequence[SamplePortraits]) -> Floats:
    """Jensen-Shannon divergence, base 2, of the shares of the cell types (samples, samples).

    NaN for samples without typed cells.
    """
    names = sorted({name for p in portraits for name in p.types})
    place = {name: code for code, name in enumerate(names)}
    shares = np.zeros((len(portraits), len(names)))
    for row, p in zip(shares, portraits, strict=True):
        row[[place[name] for name in p.types]] = p.cells
    total = shares.sum(axis=1, keepdims=True)
    shares = np.divide(shares, total, out=np.full_like(shares, np.nan), where=total > 0)
    known = np.isfinite(shares).all(axis=1) & (total[:, 0] > 0)
    out = np.full((len(portraits), len(portraits)), np.nan)
    for sample in np.flatnonzero(known):
        out[sample, known] = jensen_shannon(shares[known], shares[sample])
        out[sample, sample] = 0.0
    return out


def pattern_distances(patterns: Sequence[Entries]) -> Floats:
    """Weisfeiler-Lehman kernel distance of all pairs of samples (samples, samples).

    The kernel K(G, H) is the sum, over rounds and patterns, of the product of the numbers of cells
    with the pattern (Shervashidze et al. 2011); the distance is
    ``sqrt(1 - K(G, H) / sqrt(K(G, G) K(H, H)))``, 0 for samples whose patterns are in the same
    proportions and 1 for samples that share none. NaN for samples without typed cells.
    """
    n = len(patterns)
    sample = np.repeat(np.arange(n), [p.key.size for p in patterns])
    if not sample.size:
        return np.full((n, n), np.nan)
    feature = np.rec.fromarrays(
        [np.concatenate([p.group for p in patterns]), np.concatenate([p.key for p in patterns])]
    )
    known, column = np.unique(feature, return_inverse=True)
    number = np.concatenate([p.number for p in patterns]).astype(np.float64)
    counts = sp.csr_matrix((number, (sample, column.ravel())), shape=(n, known.size))
    # Sums of whole numbers below 2^53: exact in any order.
    kernel = (counts @ counts.T).toarray()
    own = np.sqrt(np.diag(kernel))
    own[own == 0] = np.nan
    distance = np.sqrt(np.clip(1.0 - kernel / np.outer(own, own), 0.0, 1.0))
    distance[np.isfinite(own), np.isfinite(own)] = 0.0
    return distance
