"""Moran's I of sparse genes, beside squidpy and esda: wall time, CPU time and peak memory.

    python benchmarks/moran.py [--quick] [--repeats N] [CASE ...]

Cases: `permutations-wide` (200,000 cells x 300 genes), `permutations-many` (50,000 x 5,000),
`plain` (200,000 x 5,000, no permutations), `sample` (3,000 x 100). Counts are Poisson with a
gamma-distributed mean for each gene, log1p, float32, CSR; the graph is the union of the 6 nearest
neighbours of uniform points, row-standardised. Peers take turns, each time in a process of its own
that compiles on a small case before the clock starts and is measured first without permutations,
then with them; medians are shown.

A permutation's time is the difference between a run with permutations and one without, divided by
their number: squidpy and esda run few (stated), since each of theirs costs the same. squidpy and
vitrail use 2 threads. esda does one gene at a time and is measured once, on a few genes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

THREADS = 2
# Case: cells, genes, mean of a gene's mean, permutations of vitrail, of squidpy, of esda.
CASES = {
    "permutations-wide": (200_000, 300, 0.15, 99, 3, 9),
    "permutations-many": (50_000, 5_000, 0.1, 49, 2, 9),
    "plain": (200_000, 5_000, 0.05, 0, 0, 0),
    "sample": (3_000, 100, 0.15, 999, 99, 99),
}
QUICK = {"sample": CASES["sample"], "permutations-wide": (20_000, 100, 0.15, 99, 9, 9)}
ESDA_GENES = 5


def field(cells: int, genes: int, mean: float, seed: int = 0) -> tuple[Any, Any]:
    """Values (CSR float32) and graph."""
    from vitrail.graph import knn

    random = np.random.default_rng(seed)
    rates = random.gamma(0.5, 2 * mean, genes)
    # Independent Poisson counts are a Poisson total whose events fall on the cells at random.
    totals = random.poisson(rates * cells)
    gene = np.repeat(np.arange(genes, dtype=np.int32), totals)
    cell = random.integers(0, cells, gene.size, dtype=np.int32)
    values = sp.coo_matrix((np.ones(gene.size, np.float32), (cell, gene)), (cells, genes)).tocsr()
    np.log1p(values.data, out=values.data)
    xy = random.random((cells, 2))
    # In stripes, as cells of a slide are numbered.
    xy = xy[np.lexsort([xy[:, 1], np.floor(xy[:, 0] * cells**0.5 / 2)])]
    return values, knn(xy, 6)


def own_graph(peer: str, graph: Any) -> Any:
    """The graph as the peer takes it; esda's conversion is not timed."""
    if peer != "esda":
        return graph
    import libpysal

    return libpysal.weights.WSP(graph).to_W(silence_warnings=True)


def save(shape: tuple[int, int, float], folder: Path) -> None:
    """Write a case for the processes that measure it."""
    for name, matrix in zip(("values", "graph"), field(*shape), strict=True):
        sp.save_npz(folder / f"{name}.npz", matrix, compressed=False)


def vitrail(values: Any, graph: Any, permutations: int) -> None:
    from vitrail.autocorrelation import moran

    moran(values, graph, permutations, row_standardised=True, threads=THREADS)


def squidpy(values: Any, graph: Any, permutations: int) -> None:
    import anndata
    import squidpy as sq

    data = anndata.AnnData(values, obsp={"spatial_connectivities": graph})
    sq.gr.spatial_autocorr(
        data, mode="moran", n_perms=permutations or None, seed=0, n_jobs=THREADS,
        show_progress_bar=False,
    )  # fmt: skip


def esda(values: Any, graph: Any, permutations: int) -> None:
    from esda import Moran

    for gene in values[:, :ESDA_GENES].toarray().T.astype(np.float64):
        Moran(gene, graph, transformation="R", permutations=permutations)


PEERS = {"vitrail": vitrail, "squidpy": squidpy, "esda": esda}


def usage() -> tuple[float, float, float]:
    """Wall time, CPU time with the workers' (squidpy's live on), and peak memory in MB."""
    import psutil

    own = psutil.Process()
    times = [process.cpu_times() for process in (own, *own.children(recursive=True))]
    # Workers that have ended count among the children's times of their parent.
    cpu = sum(t.user + t.system + t.children_user + t.children_system for t in times)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return time.perf_counter(), cpu, peak


def measure(peer: str, folder: str, permutations: list[int]) -> list[dict[str, float]]:
    """Time of one peer on one case with each number of permutations, in this process."""
    warnings.simplefilter("ignore")
    small, graph = field(500, 20, 0.3)
    PEERS[peer](small, own_graph(peer, graph), min(permutations[-1], 10))
    values, graph = (sp.load_npz(Path(folder, f"{name}.npz")) for name in ("values", "graph"))
    graph = own_graph(peer, graph)
    _, _, before = usage()
    runs = []
    for used in permutations:
        wall, cpu, _ = usage()
        PEERS[peer](values, graph, used)
        end, cpu_end, peak = usage()
        run = {"wall": end - wall, "cpu": cpu_end - cpu, "before_mb": before, "peak_mb": peak}
        runs.append(run | {"stored": values.nnz})
    return runs


def in_process(*arguments: Any) -> list[dict[str, float]]:
    """`measure` in a process of its own."""
    command = [sys.executable, __file__, "--one", json.dumps(arguments)]
    environment = os.environ | {"NUMBA_NUM_THREADS": str(THREADS)}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if run.returncode:
        sys.exit(f"{arguments}: {run.stderr[-2000:]}")
    return json.loads(run.stdout.splitlines()[-1])


def case(name: str, setting: tuple[int, int, float, int, int, int], repeats: int) -> None:
    """Print the table of one case."""
    shape, (ours, squidpys, esdas) = setting[:3], setting[3:]
    many = {"vitrail": ours, "squidpy": squidpys, "esda": esdas}
    runs: dict[tuple[str, int], list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        save(shape, Path(folder))
        for repeat in range(repeats):
            for peer, permutations in many.items():
                if peer == "esda" and repeat:
                    continue
                used = sorted({0, permutations})
                for number, run in zip(used, in_process(peer, folder, used), strict=True):
                    runs.setdefault((peer, number), []).append(run)

    def median(peer: str, used: int, what: str) -> float:
        return float(np.median([run[what] for run in runs[peer, used]]))

    stored = runs["vitrail", 0][0]["stored"] / 1e6
    print(f"\n{name}: {shape[0]:,} cells x {shape[1]:,} genes, {stored:.1f} M stored values, "
          f"medians of {repeats} runs (esda: 1)")  # fmt: skip
    head = "| | permutations | wall s | CPU s | peak MB (before) | times vitrail's wall |"
    print(f"{head} wall s a permutation | times vitrail's |\n|---|---|---|---|---|---|---|---|")
    for (peer, used), own in runs.items():
        # One gene at a time: scaled to all genes.
        scale = shape[1] / ESDA_GENES if peer == "esda" else 1.0
        wall = median(peer, used, "wall") * scale
        ratio = wall / median("vitrail", 0, "wall") if used == 0 else np.nan
        per, per_ratio = np.nan, np.nan
        if used:
            per = (wall - median(peer, 0, "wall") * scale) / used
            best = (median("vitrail", ours, "wall") - median("vitrail", 0, "wall")) / ours
            per_ratio = per / best
        label = peer + (f" ({ESDA_GENES} genes, scaled)" if peer == "esda" else "")
        cells = [wall, median(peer, used, "cpu") * scale]
        memory = f"{own[0]['peak_mb']:.0f} ({own[0]['before_mb']:.0f})"
        print(f"| {label} | {used} | {cells[0]:.3g} | {cells[1]:.3g} | {memory} | {ratio:.3g} "
              f"| {per:.4g} | {per_ratio:.3g} |".replace("nan", ""), flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}")
    parser.add_argument("--quick", action="store_true", help="small cases only")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(*json.loads(arguments.one))))
        return
    cases = QUICK if arguments.quick else CASES
    unknown = set(arguments.cases) - set(cases)
    if unknown:
        parser.error(f"found {', '.join(sorted(unknown))}, wanted some of {', '.join(cases)}")
    for name in arguments.cases or cases:
        case(name, cases[name], arguments.repeats)


if __name__ == "__main__":
    main()
