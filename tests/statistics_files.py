"""Annotated cells written by hand, and a way to run the statistics' scripts on them."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import scipy.sparse as sp

from vitrail.io.h5ad import Categorical, write_h5ad

SCRIPTS = Path(__file__).parent.parent / "scripts"

GRAPH = {
    "kind": "knn", "k": 6, "symmetric": True, "radius_um": 30, "max_edge_um": None, "edge_um": 50,
}  # fmt: skip
AUTOCORRELATION = {
    "layer": "lognorm", "permutations": 19, "row_standardised": False, "seed": 1,
    "leave_out_border": False, "pairs": [], "local_genes": [],
}  # fmt: skip
ENRICHMENT = {"permutations": 19, "distances_um": [5, 10], "leave_out_border": False, "seed": 1}
PORTRAIT = {
    "windows": 4, "window_cells": 40, "shuffles": 3, "depth": 2, "max_depth": None, "seed": 1,
    "leave_out_border": False,
}  # fmt: skip
COMPARE = {
    "min_type_cells": 10, "prior": 10, "permutations": 99, "exact_limit": 100, "bootstraps": 20,
    "seed": 1,
}  # fmt: skip


class Named(dict):
    """Items as Snakemake gives them: as attributes and by name."""

    __getattr__ = dict.__getitem__


def run_stage(stage, inputs, outputs, settings, threads=1, **params):
    """Run a stage's script in this process; an input may be a list of files."""
    snakemake = SimpleNamespace(
        rule=stage,
        input=Named(inputs),
        output=Named({name: str(path) for name, path in outputs.items()}),
        params=Named(settings=settings, **params),
        wildcards=Named(sample="S"),
        threads=threads,
        log=[],
    )
    runpy.run_path(str(SCRIPTS / f"{stage}.py"), init_globals={"snakemake": snakemake})


def write_annotated(path, xy, types=None, values=None, qc_pass=None, sample="S"):
    """Write annotated.h5ad; `types` are strings or None, `values` the layer lognorm."""
    n = len(xy)
    values = np.zeros((n, 0)) if values is None else values
    obs = {
        "cell": np.arange(1, n + 1, dtype=np.int32),
        "sample": Categorical.constant(sample, n),
        "qc_pass": np.ones(n, bool) if qc_pass is None else qc_pass,
    }
    if types is not None:
        obs["cell_type"] = Categorical.of(list(types))
    layer = sp.csr_matrix(values.astype(np.float32))
    write_h5ad(
        path,
        layer,
        obs,
        [f"{sample}_{i + 1}" for i in range(n)],
        [f"g{i}" for i in range(values.shape[1])],
        obsm={"spatial": np.asarray(xy, dtype=np.float64)},
        layers={"lognorm": layer},
    )
