"""Whether p-values of Moran's I are uniform on random fields: vitrail, squidpy and esda.

    python benchmarks/calibration_moran.py [--fields N] [--picture FILE.svg]

Each field has 1,000 cells at uniform positions, joined to their 6 nearest neighbours (union), and
50 genes without any arrangement in space: Poisson counts with gamma-distributed means, log1p. All
peers get the same fields, row-standardised weights and 199 permutations. Printed for each kind of
p-value: the share of genes with p <= 0.05, with its standard error over fields, and the
Kolmogorov-Smirnov distance of the p-values from uniform ones. Genes in fewer than 50 cells are
left out of these and shown apart, since their statistics take few values and are skewed: there the
normal approximation gives too many small p, which the share with p <= 0.005 shows.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy import stats

CELLS, GENES, PERMUTATIONS, LEVEL, RARE = 1000, 50, 199, 0.05, 50
# The least that so many permutations can tell.
SMALL = 1 / (PERMUTATIONS + 1)


def random_field(seed: int) -> tuple[Any, Any]:
    """Values (CSR) and graph of one field."""
    from vitrail.graph import knn

    random = np.random.default_rng([seed, 1])
    counts = random.poisson(random.gamma(0.5, 1.5, GENES), (CELLS, GENES))
    return sp.csr_matrix(np.log1p(counts)), knn(random.random((CELLS, 2)), 6)


def vitrail(values: Any, graph: Any, seed: int) -> dict[str, Any]:
    from vitrail.autocorrelation import geary, moran

    table = moran(values, graph, PERMUTATIONS, seed, row_standardised=True)
    sided = moran(values, graph, PERMUTATIONS, seed, row_standardised=True, alternative="greater")
    other = geary(values, graph, PERMUTATIONS, seed, row_standardised=True)
    return {
        "vitrail, permutations": table["p_permutation"],
        "vitrail, permutations, one-sided": sided["p_permutation"],
        "vitrail, randomisation": table["p"],
        "vitrail, Geary, permutations": other["p_permutation"],
        "vitrail, Geary, randomisation": other["p"],
    }


def squidpy(values: Any, graph: Any, seed: int) -> dict[str, Any]:
    import anndata
    import squidpy as sq

    data = anndata.AnnData(values, obsp={"spatial_connectivities": graph})
    table = sq.gr.spatial_autocorr(
        data, mode="moran", n_perms=PERMUTATIONS, seed=seed, two_tailed=True, n_jobs=1,
        copy=True, show_progress_bar=False,
    ).loc[data.var_names]  # fmt: skip
    # squidpy's permutation p is the smaller tail's, whatever `two_tailed` says.
    return {
        "squidpy, permutations (as given)": table["pval_sim"],
        "squidpy, permutations (smaller tail, doubled)": np.minimum(2 * table["pval_sim"], 1),
        "squidpy, normality": table["pval_norm"],
    }


def esda(values: Any, graph: Any, seed: int) -> dict[str, Any]:
    import libpysal
    from esda import Moran

    np.random.seed(seed)  # noqa: NPY002 (esda draws from the global state)
    weights = libpysal.weights.WSP(graph).to_W(silence_warnings=True)
    found = [
        Moran(x, weights, transformation="R", permutations=PERMUTATIONS) for x in values.toarray().T
    ]
    # esda's permutation p is the smaller tail's too.
    return {
        "esda, permutations (as given)": [m.p_sim for m in found],
        "esda, permutations (smaller tail, doubled)": [min(2 * m.p_sim, 1) for m in found],
        "esda, randomisation": [m.p_rand for m in found],
    }


def gather(fields: int) -> pd.DataFrame:
    """p-values of all peers (genes of all fields), with the cells that express each gene."""
    tables = []
    for seed in range(fields):
        values, graph = random_field(seed)
        columns = {"field": seed, "cells": np.diff(values.tocsc().indptr)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for peer in (vitrail, squidpy, esda):
                found = peer(values, graph, seed)
                columns |= {name: np.asarray(p, float) for name, p in found.items()}
        tables.append(pd.DataFrame(columns))
    table = pd.concat(tables, ignore_index=True)
    return table[table["cells"] > 0]


def report(table: pd.DataFrame) -> None:
    """Print the shares and distances."""
    common = table[table["cells"] >= RARE]
    rare = table[table["cells"] < RARE]
    print(f"{len(common)} genes in at least {RARE} of {CELLS} cells, {len(rare)} in fewer; "
          f"{PERMUTATIONS} permutations\n")  # fmt: skip
    print(f"| p-value | p <= {LEVEL} | Kolmogorov-Smirnov | p <= {LEVEL}, rare genes "
          f"| p <= {SMALL}, rare genes |")  # fmt: skip
    print("|---|---|---|---|---|")
    for name in table.columns.drop(["field", "cells"]):
        by_field = (common[name] <= LEVEL).groupby(common["field"]).mean()
        distance = stats.kstest(common[name].dropna(), "uniform").statistic
        print(f"| {name} | {(common[name] <= LEVEL).mean():.2%} ± {by_field.sem():.2%} "
              f"| {distance:.3f} | {(rare[name] <= LEVEL).mean():.2%} "
              f"| {(rare[name] <= SMALL).mean():.2%} |")  # fmt: skip


def picture(table: pd.DataFrame, path: Path) -> None:
    """Draw the distribution of each peer's permutation p-values."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "vitrail"
    from matplotlib import pyplot as plt

    common = table[table["cells"] >= RARE]
    shown = {
        "vitrail, permutations": "#0072b2",
        "squidpy, permutations (smaller tail, doubled)": "#d55e00",
        "esda, permutations (smaller tail, doubled)": "#009e73",
    }
    figure, axes = plt.subplots(figsize=(5, 4.2), layout="constrained")
    for name, colour in shown.items():
        p = np.sort(common[name].dropna())
        axes.step(p, np.arange(1, p.size + 1) / p.size, color=colour, label=name, where="post")
    axes.plot([0, 1], [0, 1], color="0.6", lw=0.8, label="uniform")
    axes.set(xlabel="p", ylabel="share of null genes with at most this p", xlim=(0, 1), ylim=(0, 1))
    axes.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fields", type=int, default=60)
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    table = gather(arguments.fields)
    report(table)
    if arguments.picture:
        picture(table, arguments.picture)


if __name__ == "__main__":
    main()
