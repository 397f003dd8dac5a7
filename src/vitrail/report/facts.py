"""What the report needs to know of each sample, read from its files without loading matrices."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from vitrail.io.h5ad import Categorical, read_element, read_names

MEASURES = {
    "total_counts": "transcripts a cell",
    "genes_detected": "genes a cell",
    "area_um2": "cell area (µm²)",
}
WITHOUT_CONDITION = "no condition"
FILES = {
    "account": "the account of its transcripts",
    "seams": "the quality of its seams",
    "slide": "its image",
    "labels": "its label images",
}


@dataclass
class Facts:
    """One sample.

    Attributes
    ----------
    name, condition, unit
        From its row of the sheet; `unit` is the sample's own name where the sheet names none.
    xy
        float32 (n, 2), micrometres.
    types
        Names of the cell types, or of clusters where `typed` is false.
    codes
        Index into `types` of each cell, -1 where unknown.
    typed
        Whether `types` are cell types, which compare between samples.
    passed
        Whether each cell passed quality control.
    reasons
        Cells that did not, by reason.
    measures
        Values a cell, for the keys of `MEASURES` that the sample has.
    genes
        Number of genes.
    ranking
        Genes by Moran's I, largest first: ``gene``, ``I``, ``C``, ``p``, ``fdr``.
    info, account, seams
        Contents of the JSON files, None where there is none.
    provenance
        Record of the stages that the AnnData file carries.
    graph
        Kind, parameters and edges of the spatial graph; empty without one.
    border
        Cells that an edge of the tissue cuts off from neighbours, None where they are not flagged.
    portraits
        How the portraits were made; empty without them.
    files
        Paths by name, None where there is none.
    """

    name: str
    condition: str
    unit: str
    xy: npt.NDArray[np.float32]
    types: list[str]
    codes: npt.NDArray[np.integer[Any]]
    typed: bool
    passed: npt.NDArray[np.bool_]
    reasons: dict[str, int]
    measures: dict[str, npt.NDArray[np.float32]]
    genes: list[str]
    ranking: list[dict[str, Any]]
    info: dict[str, Any] | None
    account: dict[str, Any] | None
    seams: dict[str, Any] | None
    provenance: dict[str, Any]
    files: Mapping[str, Any]
    cell: npt.NDArray[np.integer[Any]] = field(repr=False)
    graph: dict[str, Any] = field(default_factory=dict)
    border: int | None = None
    portraits: dict[str, Any] = field(default_factory=dict)

    @property
    def cells(self) -> int:
        """All cells, flagged ones included."""
        return len(self.passed)

    @property
    def kept(self) -> int:
        """Cells that passed quality control."""
        return int(self.passed.sum())

    def type_counts(self) -> dict[str, int]:
        """Cells that passed, by type."""
        codes = self.codes[self.passed]
        count = np.bincount(codes[codes >= 0], minlength=len(self.types))
        return {name: int(n) for name, n in zip(self.types, count, strict=True) if n}

    def untyped(self) -> int:
        """Cells that passed and have no type."""
        return int((self.codes[self.passed] < 0).sum())

    def missing(self) -> list[str]:
        """What the sample does not have, in words."""
        gaps = [words for name, words in FILES.items() if not self.files.get(name)]
        if not self.typed:
            gaps.append("cell types")
        if not self.ranking:
            gaps.append("spatial statistics of genes")
        return gaps


def read_facts(files: Mapping[str, Any]) -> Facts:
    """Read one sample.

    Parameters
    ----------
    files
        ``row`` (the sample's row of the sheet: ``sample``, ``condition``, ``unit``), ``anndata``
        (path of its AnnData file), and where it has them the paths ``info``, ``account``,
        ``seams``, ``slide`` and ``labels``; None stands for a file that it does not have.
    """
    files = {**dict.fromkeys(("info", *FILES)), **files}
    row = files["row"]
    with h5py.File(files["anndata"]) as file:
        obs = file["obs"]
        n = len(read_names(obs))
        passed = read_element(obs["qc_pass"]).astype(bool) if "qc_pass" in obs else np.ones(n, bool)
        types, codes, typed = _types(obs, n)
        return Facts(
            name=str(row["sample"]),
            condition=str(row.get("condition") or WITHOUT_CONDITION),
            unit=str(row.get("unit") or row["sample"]),
            xy=file["obsm/spatial"][:, :2].astype(np.float32),
            types=types,
            codes=codes,
            typed=typed,
            passed=passed,
            reasons=_reasons(obs, passed),
            measures={
                name: np.asarray(read_element(obs[name]), dtype=np.float32)
                for name in MEASURES
                if name in obs
            },
            genes=[str(name) for name in read_names(file["var"])],
            ranking=_ranking(file["uns"]),
            info=_json(files.get("info")),
            account=_json(files.get("account")),
            seams=_json(files.get("seams")),
            provenance=json.loads(str(read_element(file["uns/vitrail"])))
            if "uns/vitrail" in file
            else {},
            files=files,
            cell=read_element(obs["cell"]) if "cell" in obs else np.arange(1, n + 1),
            graph=_graph(file["uns"]),
            border=int(np.asarray(read_element(obs["border"])).sum()) if "border" in obs else None,
            portraits=json.loads(str(read_element(file["uns/portraits/meta"])))
            if "uns/portraits/meta" in file
            else {},
        )


def _types(obs: h5py.Group, n: int) -> tuple[list[str], npt.NDArray[np.integer[Any]], bool]:
    for name in ("cell_type", "cluster"):
        if name not in obs:
            continue
        column = read_element(obs[name])
        if not isinstance(column, Categorical):
            column = Categorical.of([None if v is None else str(v) for v in column])
        codes = np.asarray(column.codes)
        if (codes >= 0).any():
            return list(column.categories), codes, name == "cell_type"
    return [], np.full(n, -1, dtype=np.int8), False


def _reasons(obs: h5py.Group, passed: npt.NDArray[np.bool_]) -> dict[str, int]:
    if "qc_reason" not in obs:
        return {"reason not recorded": int((~passed).sum())} if not passed.all() else {}
    column = read_element(obs["qc_reason"])
    if not isinstance(column, Categorical):
        column = Categorical.of([None if v is None else str(v) for v in column])
    codes = np.asarray(column.codes)[~passed]
    count = np.bincount(codes[codes >= 0], minlength=len(column.categories))
    return {name: int(n) for name, n in zip(column.categories, count, strict=True) if n}


def _ranking(uns: h5py.Group) -> list[dict[str, Any]]:
    if "moranI" not in uns:
        return []
    moran = read_element(uns["moranI"])
    geary = read_element(uns["gearyC"]) if "gearyC" in uns else {"_index": [], "C": []}
    contiguity = dict(zip(geary["_index"], geary["C"], strict=True))
    p = np.where(np.isfinite(moran["pval_sim"]), moran["pval_sim"], moran["pval_rand"])
    return [
        {
            "gene": str(gene),
            "I": float(moran["I"][i]),
            "C": float(contiguity.get(gene, np.nan)),
            "p": float(p[i]),
            "fdr": float(moran["fdr"][i]),
        }
        for i, gene in enumerate(moran["_index"])
        if np.isfinite(moran["I"][i])
    ]


def _graph(uns: h5py.Group) -> dict[str, Any]:
    if "spatial_neighbors/params" not in uns:
        return {}
    found = read_element(uns["spatial_neighbors/params"])
    return {key: value for key, value in found.items() if key not in ("coord_type", "provenance")}


def _json(path: str | Path | None) -> dict[str, Any] | None:
    return json.loads(Path(path).read_text(encoding="utf-8")) if path else None


def gene_values(
    path: str | Path, genes: Sequence[str], layer: str = "lognorm"
) -> dict[str, npt.NDArray[np.float32]]:
    """Values of some genes over all cells of an AnnData file, read by blocks of rows.

    Genes that the file does not have, and files without the layer, give no entry.
    """
    from vitrail.io.h5_rows import csr_blocks

    with h5py.File(path) as file:
        names = {str(name): i for i, name in enumerate(read_names(file["var"]))}
        found = [gene for gene in genes if gene in names]
        if not found or f"layers/{layer}" not in file:
            return {}
        columns = [names[gene] for gene in found]
        parts = [block[:, columns].toarray() for block in csr_blocks(file[f"layers/{layer}"])]
    values = np.concatenate(parts).astype(np.float32)
    return {gene: values[:, i] for i, gene in enumerate(found)}
