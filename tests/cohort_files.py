"""A small cohort in the files that the report reads, written by hand."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sample_files import TYPES, write_sample

from vitrail.assemble import write_anndata

PROVENANCE = {"vitrail": "0.1", "stage": "assemble", "settings": {}}


def write_cohort(
    folder: Path,
    *,
    n: int = 4,
    conditions: tuple[str, str] = ("infiltrated", "excluded"),
    types: tuple[str, ...] = TYPES,
    genes: tuple[str, ...] = ("GeneA", "GeneB", "GeneC"),
    names: list[str] | None = None,
    with_slide: bool = True,
    size: int = 200,
) -> dict:
    """Write n samples, each its own unit, in two conditions, and give the report's arguments."""
    names = names or [f"S{i + 1}" for i in range(n)]
    rows = [
        {"sample": name, "condition": conditions[i * 2 // n], "unit": f"patient {i + 1}"}
        for i, name in enumerate(names)
    ]
    files = []
    for i, row in enumerate(rows):
        where = folder / f"sample{i}"
        sample = write_sample(
            where,
            row["sample"],
            seed=i,
            size=size,
            types=types,
            genes=genes,
            clustered=row["condition"] == conditions[1],
            with_slide=with_slide,
        )
        path = where / "sample.h5ad"
        parts = {key: sample.files[key] for key in ("graph", "autocorrelation")}
        write_anndata(path, sample.files["cells"], **parts, provenance=PROVENANCE)
        known = ("info", "account", "seams", "slide", "labels")
        files.append({"row": row, "anndata": path, **{k: sample.files.get(k) for k in known}})
    paths = {
        name: folder / f"{name}.parquet" for name in ("divergence", "comparison", "autocorrelation")
    }
    _write_divergence(paths["divergence"], rows, types)
    _write_comparison(paths["comparison"], rows, types)
    if with_slide:
        _write_genes(paths["autocorrelation"], rows, genes)
    else:
        paths["autocorrelation"] = None
    return {"files": files, **paths}


def _graphs(types):
    return [("types", None), ("tissue", None), *(("type", name) for name in types)]


def _write_divergence(path, rows, types):
    rng = np.random.default_rng(0)
    table = []
    for graph, cell_type in _graphs(types):
        for a, b in combinations(rows, 2):
            apart = 0.02 + 0.05 * (a["condition"] != b["condition"]) + rng.uniform(0, 0.02)
            few = cell_type == types[-1] and b is rows[-1]
            table.append(
                {
                    **{f"{k}_a": a[k] for k in a},
                    **{f"{k}_b": b[k] for k in b},
                    "graph": graph,
                    "cell_type": cell_type,
                    "cells_a": 60,
                    "cells_b": 60,
                    "distance": float("nan") if few else apart,
                    "note": "fewer than 50 cells of the type" if few else None,
                }
            )
    pq.write_table(pa.Table.from_pylist(table), path)


def _write_comparison(path, rows, types):
    conditions = list(dict.fromkeys(row["condition"] for row in rows))
    table = []
    for i, (graph, cell_type) in enumerate(_graphs(types)):
        tested = cell_type != types[-1]
        p = 0.029 if i == 0 else 0.4 if graph == "tissue" else 0.03 * i
        table.append(
            {
                "graph": graph,
                "cell_type": cell_type,
                "primary": i == 0,
                "statistic": "portrait divergence in windows"
                if graph == "tissue"
                else "arrangement profile",
                "conditions": "|".join(conditions),
                "paired": False,
                "pseudo_f": 3.2 if tested else None,
                "r2": 0.35 if tested else None,
                "p": p if tested else None,
                "fdr": min(1.0, 1.5 * p) if tested else None,
                "permutations": 35,
                "exact": True,
                "within_mean": 0.03 if tested else None,
                "between_mean": 0.08 if tested else None,
                "effect": 0.05 - 0.02 * i if tested else None,
                "effect_low": 0.03 - 0.02 * i if tested else None,
                "effect_high": 0.07 - 0.02 * i if tested else None,
                "dispersion_f": 0.4,
                "dispersion_p": 0.6 if tested else None,
                "units": len(rows),
                "samples": len(rows),
                "cells": 60 * len(rows),
                **{
                    f"{part}_{name}": value
                    for name in conditions
                    for part, value in (
                        ("dispersion", 0.02),
                        ("units", len(rows) // 2),
                        ("samples", len(rows) // 2),
                        ("cells", 30 * len(rows)),
                    )
                },
                "note": None if tested else "too few cells of the type in most samples",
            }
        )
    pq.write_table(pa.Table.from_pylist(table), path)


def _write_genes(path, rows, genes):
    conditions = list(dict.fromkeys(row["condition"] for row in rows))
    table = [
        {
            "gene": gene,
            "samples": len(rows),
            "units": len(rows),
            "I_mean": 0.5 - 0.1 * i,
            **{f"I_mean_{name}": 0.5 - 0.1 * i for name in conditions},
            "F": 2.0,
            "p": 0.02 + 0.1 * i,
            "fdr": 0.04 + 0.1 * i,
            "note": None,
            **{f"I_{row['sample']}": 0.5 - 0.1 * i for row in rows},
        }
        for i, gene in enumerate(genes)
    ]
    pq.write_table(pa.Table.from_pylist(table), path)
