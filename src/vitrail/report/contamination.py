"""What of the cells' counts may not be theirs: ambient transcripts, spill-over, control probes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from vitrail.io.h5ad import read_element, read_names
from vitrail.report import words
from vitrail.report.facts import Facts

# From these on a sample is named at the top of the page.
MUCH_AMBIENT = 0.2
MUCH_SPILLOVER = 0.5
# Genes and pairs in the tables: few transcripts say little of a share.
SHOWN = 10
FEW_TRANSCRIPTS = 50
FEW_EXPECTED = 5.0

Float = npt.NDArray[np.float64]


@dataclass
class Contamination:
    """One sample; what it does not know is None or empty.

    Attributes
    ----------
    name
        Of the sample.
    ground_um2, ambient
        Area of the ambient ground in square micrometres, and transcripts on it.
    expected, counted
        Expected contamination of all cells, and the transcripts of genes in them.
    genes
        By gene: expected contamination and transcripts in cells.
    observed, chance, ratio
        Cells with both genes of exclusive pairs, the number that chance gives, and their ratio.
    affected
        Share of the cells that passed with any exclusive pair.
    pairs
        By pair of genes: observed and by chance.
    probes, blanks
        Control probes and blanks a cell, on average.
    false_calls
        Calls a control over calls a gene.
    """

    name: str
    ground_um2: float | None = None
    ambient: int = 0
    expected: float = np.nan
    counted: int = 0
    genes: dict[str, tuple[float, float]] = field(default_factory=dict)
    observed: int | None = None
    chance: float = np.nan
    ratio: float = np.nan
    affected: float = np.nan
    pairs: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    probes: float = np.nan
    blanks: float = np.nan
    false_calls: float = np.nan

    @property
    def known(self) -> bool:
        """Whether anything was measured."""
        measured = (self.ground_um2, self.observed)
        return any(value is not None for value in measured) or not np.isnan(self.probes)

    @property
    def share(self) -> float:
        """Expected contamination over the transcripts in cells."""
        return self.expected / self.counted if self.counted else np.nan


def read(facts: Facts) -> Contamination:
    """What a sample's AnnData file says; other files are not needed."""
    found = Contamination(facts.name)
    with h5py.File(facts.files["anndata"]) as file:
        obs, uns = file["obs"], file["uns"]
        # Without transcripts there is no count to compare with.
        if "ambient" in uns and "total_counts" in obs:
            _read_ambient(found, file)
        if "spillover" in uns:
            _read_spillover(found, uns["spillover"])
            inside = np.asarray(read_element(obs["exclusive_pairs"]))[facts.passed]
            found.affected = float((inside > 0).mean()) if len(inside) else np.nan
        if facts.cells and "blank_counts" in obs:
            found.probes = float(np.mean(read_element(obs["control_probe_counts"])))
            found.blanks = float(np.mean(read_element(obs["blank_counts"])))
    found.false_calls = _false_calls(facts)
    return found


def _read_ambient(found: Contamination, file: h5py.File) -> None:
    record = read_element(file["uns/ambient"])
    found.ground_um2 = float(record["area_um2"])
    found.ambient = int(record["transcripts"])
    if not found.ground_um2:
        return
    obs, var = file["obs"], file["var"]
    area = float(np.nansum(read_element(obs["area_um2"])))
    total = np.asarray(read_element(obs["total_counts"]))
    found.counted = int(total.sum())
    expected = np.asarray(read_element(var["ambient_density"])) * area
    share = np.asarray(read_element(var["ambient_share"]))
    with np.errstate(divide="ignore", invalid="ignore"):
        in_cells = np.where(share > 0, expected / share, 0.0)
    found.expected = float(expected.sum())
    names = [str(name) for name in read_names(var)]
    rows = zip(names, expected, in_cells, strict=True)
    found.genes = {name: (float(e), float(n)) for name, e, n in rows}


def _read_spillover(found: Contamination, group: h5py.Group) -> None:
    record = read_element(group)
    found.observed = int(record["observed"])
    found.chance = float(record["expected"])
    found.ratio = float(record["ratio"])
    pairs = record["pairs"]
    rows = zip(pairs["gene_a"], pairs["gene_b"], pairs["observed"], pairs["expected"], strict=True)
    found.pairs = {(str(a), str(b)): (float(o), float(e)) for a, b, o, e in rows}


def _false_calls(facts: Facts) -> float:
    account = facts.account
    if not account or not account["controls"] or not facts.genes or not account["genes_in_cells"]:
        return np.nan
    a_control = account["controls_in_cells"] / len(account["controls"])
    return a_control / (account["genes_in_cells"] / len(facts.genes))


def gather(facts: Sequence[Facts]) -> dict[str, Any]:
    """Rows of the samples that measured anything, and the worst genes and pairs of the cohort."""
    rows = [row for row in map(read, facts) if row.known]
    return {
        "rows": rows,
        "without": len(facts) - len(rows),
        "without_ground": [row.name for row in rows if row.ground_um2 == 0],
        "genes": _worst((row.genes for row in rows), least=(0.0, FEW_TRANSCRIPTS)),
        "pairs": _worst((row.pairs for row in rows), least=(0.0, FEW_EXPECTED)),
    }


def _worst(parts: Iterable[dict[Any, tuple[float, float]]], least: tuple[float, float]) -> Any:
    """(key, sum of the first, sum of the second) with the largest ratio, above some size."""
    sums: dict[Any, Float] = {}
    for part in parts:
        for key, values in part.items():
            sums[key] = sums.get(key, np.zeros(2)) + values
    large = [(key, *v.tolist()) for key, v in sums.items() if v[0] > least[0] and v[1] >= least[1]]
    return sorted(large, key=lambda row: (-row[1] / row[2], row[0]))[:SHOWN]


def warnings(found: dict[str, Any]) -> list[str]:
    """Sentences on what a reader should look at before believing the rest."""
    ambient = [row.name for row in found["rows"] if row.share > MUCH_AMBIENT]
    mixed = [row.name for row in found["rows"] if row.ratio > MUCH_SPILLOVER]
    named = [
        (
            ambient,
            f"Ambient transcripts may be more than {MUCH_AMBIENT:.0%} of those in the cells of",
        ),
        (
            mixed,
            "Markers that exclude each other meet in one cell more than half as often as by "
            "chance in",
        ),
    ]
    return [f"{text} {words.some(names)}." for names, text in named if names]
