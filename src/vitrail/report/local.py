"""Pairs of genes and local patterns of single genes, where the config asked for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from vitrail.io.h5ad import read_element
from vitrail.report.facts import Facts

Integers = npt.NDArray[np.int64]

# Code of local_moran_quadrant, in words, with its colour on maps (ColorBrewer's RdBu).
QUADRANTS = {
    1: ("high among high", "#b2182b"),
    4: ("high among low", "#f4a582"),
    2: ("low among high", "#92c5de"),
    3: ("low among low", "#2166ac"),
}
PLAIN = "#e4e6ea"
PAIR_COLUMNS = ("x", "y", "I", "fdr")


def gene_pairs(
    facts: Sequence[Facts], conditions: Sequence[str], alpha: float
) -> list[dict[str, Any]]:
    """Bivariate Moran's I of each pair of genes in the samples.

    Returns
    -------
    One row a pair: ``x``, ``y``, ``mean`` over units, ``by_condition`` (means over units), ``low``
    and ``high`` (of any sample), ``samples`` with a value and ``found`` of them, at a false
    discovery rate of at most `alpha`.
    """
    found: dict[tuple[str, str], dict[str, tuple[float, float]]] = {}
    for sample in facts:
        table = _pair_table(sample)
        for x, y, i, fdr in zip(*(table[key] for key in PAIR_COLUMNS), strict=True):
            found.setdefault((str(x), str(y)), {})[sample.name] = (float(i), float(fdr))
    rows = []
    for (x, y), by_sample in found.items():
        values = {name: i for name, (i, _) in by_sample.items() if np.isfinite(i)}
        rows.append(
            {
                "x": x,
                "y": y,
                "mean": _over_units(values, facts),
                "by_condition": {
                    name: _over_units(values, [s for s in facts if s.condition == name])
                    for name in conditions
                },
                "low": min(values.values(), default=np.nan),
                "high": max(values.values(), default=np.nan),
                "samples": len(values),
                "found": sum(by_sample[name][1] <= alpha for name in values),
            }
        )
    return rows


def local_genes(sample: Facts, alpha: float) -> dict[str, Integers]:
    """Of each gene with local statistics, the quadrant of each cell; 0 where not significant."""
    with h5py.File(sample.files["anndata"]) as file:
        if "uns/local_moran" not in file:
            return {}
        genes = [str(gene) for gene in read_element(file["uns/local_moran"])["genes"]]
        quadrant = file["obsm/local_moran_quadrant"][:].astype(np.int64)
        fdr = file["obsm/local_moran_fdr"][:]
    # NaN, of cells that were not tested, is not at most alpha.
    return {gene: np.where(fdr[:, i] <= alpha, quadrant[:, i], 0) for i, gene in enumerate(genes)}


def local_shares(
    facts: Sequence[Facts], found: Mapping[str, Mapping[str, Integers]], conditions: Sequence[str]
) -> list[dict[str, Any]]:
    """Share of the kept cells in each quadrant, as means over units.

    Parameters
    ----------
    facts, conditions
        The samples and their conditions.
    found
        Of each sample's name its `local_genes`.

    Returns
    -------
    One row a gene and condition: ``gene``, ``condition``, ``samples`` and the shares by the words
    of `QUADRANTS`.
    """
    rows = []
    for gene in dict.fromkeys(gene for genes in found.values() for gene in genes):
        for condition in conditions or dict.fromkeys(sample.condition for sample in facts):
            own = [s for s in facts if s.condition == condition and gene in found.get(s.name, {})]
            row: dict[str, Any] = {"gene": gene, "condition": condition, "samples": len(own)}
            for code, (words, _) in QUADRANTS.items():
                shares = {
                    s.name: float((found[s.name][gene] == code).sum()) / max(s.kept, 1) for s in own
                }
                row[words] = _over_units(shares, own)
            rows.append(row)
    return rows


def _over_units(values: Mapping[str, float], facts: Sequence[Facts]) -> float:
    """Mean over units of the means of their samples; NaN without values."""
    units: dict[str, list[float]] = {}
    for sample in facts:
        if sample.name in values:
            units.setdefault(sample.unit, []).append(values[sample.name])
    return float(np.mean([np.mean(own) for own in units.values()])) if units else np.nan


def _pair_table(sample: Facts) -> dict[str, Any]:
    with h5py.File(sample.files["anndata"]) as file:
        if "uns/bivariate_moran" not in file:
            return {key: [] for key in PAIR_COLUMNS}
        return dict(read_element(file["uns/bivariate_moran"]))
