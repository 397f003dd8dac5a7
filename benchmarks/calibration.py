"""Whether the statistics mean what they say, on cohorts whose truth is planted.

    python benchmarks/calibration.py [autocorrelation | comparison] [--quick]

autocorrelation: over 20 seeds, ranks the genes of a synthetic slide by Moran's I at a false
discovery rate of 5 % on log-normalised counts, and prints the share of null genes among the genes
found, and of planted genes (spatial and marker) that were found. Confounded genes count as neither.

comparison: over 50 cohorts without an effect and 20 with, four patients in each of two conditions,
prints how often `vitrail.compare` rejects at 5 %: its primary test, and each cell type's.

Without a name both are run; `--quick` takes a fifth of the seeds.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from vitrail.synthesize import Spec, cohort_tables, expression_table, read_spec, slides

SPEC = Path(__file__).parents[1] / "config" / "demo" / "cohort.yaml"
LEVEL = 0.05
SEEDS, COHORTS, EFFECT_COHORTS = 20, 50, 20
PERMUTATIONS = 999
PLANTED = ("spatial", "marker")


def ranked(spec: Spec) -> pd.DataFrame:
    """Kind and decision of each gene of the cohort's first slide."""
    from vitrail.annotate.normalize import lognorm
    from vitrail.autocorrelation import moran
    from vitrail.graph import build

    table = expression_table(spec, slides(spec)[0])
    values = lognorm(table.counts, np.ones(len(table.xy), dtype=bool))
    graph = build(table.xy)
    genes = table.panel.genes
    found = moran(values, graph, permutations=PERMUTATIONS, seed=spec.seed, genes=genes)
    return pd.DataFrame({"kind": table.panel.kind, "found": found["fdr"].to_numpy() <= LEVEL})


def autocorrelation(spec: Spec, share: float) -> None:
    """Print the false-discovery proportion and power of the Moran ranking, seed by seed."""
    rows = []
    for seed in range(max(round(SEEDS * share), 1)):
        genes = ranked(replace(spec, seed=seed, shape=(1000, 1000)))
        by_kind = genes.groupby("kind")["found"].agg(["sum", "mean"])
        false = by_kind.loc["null", "sum"]
        true = sum(by_kind.loc[kind, "sum"] for kind in PLANTED)
        row = {"seed": seed, "false_discovery_proportion": false / max(false + true, 1)}
        rows.append(row | by_kind["mean"].to_dict())
    table = pd.DataFrame(rows).set_index("seed")
    print(f"Moran's I at FDR {LEVEL:.0%}, {len(table)} seeds; by kind: share of genes found")
    print(table.round(3).to_string())
    print("mean\n" + table.mean().round(4).to_string() + "\n")


def compared(spec: Spec, seed: int) -> pd.Series:
    """Each test's p in one cohort; the primary one under its own name."""
    from vitrail.compare import compare

    tables = cohort_tables(replace(spec, seed=seed))
    result = compare(
        {t.slide: t.xy for t in tables},
        {t.slide: t.types for t in tables},
        {t.slide: t.unit for t in tables},
        {t.slide: t.condition for t in tables},
        seed=seed,
        bootstraps=0,
    ).comparison
    names = result["cell_type"].where(result["graph"] == "type", result["graph"]).astype(str)
    p = pd.Series(result["p"].to_numpy(), index=names)
    p["primary"] = result.loc[result["primary"], "p"].iloc[0]
    smallest = result.loc[result["graph"] == "type", "fdr"].min()
    p["any cell type (fdr)"] = smallest
    return p


def comparison(spec: Spec, share: float) -> None:
    """Print how often the condition tests reject, without and with the planted effect."""
    columns = {}
    for name, effect, cohorts in (("no effect", 0.0, COHORTS), ("effect", 1.0, EFFECT_COHORTS)):
        many = max(round(cohorts * share), 1)
        # Seeds that the two parts do not share.
        seeds = 1000 * (1 + int(effect > 0)) + np.arange(many)
        p = pd.DataFrame([compared(replace(spec, effect=effect), int(seed)) for seed in seeds])
        columns[f"{name} ({many} cohorts)"] = (p <= LEVEL).mean()
    print(f"vitrail.compare: share of cohorts with p <= {LEVEL:g}")
    print(pd.DataFrame(columns).round(3).to_string())


def main(arguments: list[str]) -> None:
    parts = {"autocorrelation": autocorrelation, "comparison": comparison}
    names = [a for a in arguments if a != "--quick"]
    if any(name not in parts for name in names):
        sys.exit(__doc__)
    share = 0.2 if "--quick" in arguments else 1.0
    spec = read_spec(SPEC)
    for name in names or parts:
        parts[name](spec, share)


if __name__ == "__main__":
    main(sys.argv[1:])
