"""Comparison of a cohort: vitrail beside what GraphCompass does, written with networkx.

    python benchmarks/compare.py [--slides 4] [--side-um 460] [--repeats 3] [--threads 2]

The cohort is the demo's (two conditions, five cell types), without images. GraphCompass (Ali et al.
2024, doi:10.1093/bioinformatics/btae242) takes the portrait divergence (Bagrow & Bollt 2019,
doi:10.1007/s41109-019-0156-x) of all pairs of samples, for the tissue or for the subgraph of each
cell type, and makes both portraits anew for every pair; here that is written from the papers, once
as it stands and once with each portrait made a single time. vitrail takes the same divergences, and
beside them all that `vitrail.compare` adds: windows, nulls, arrangement profiles and tests over
units. Each figure is taken in a process of its own, on code compiled beforehand; the divergences of
all are checked to be equal. Prints seconds (medians), peak memory beyond the graphs', and ratios to
vitrail's time for the same divergences.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SPEC = Path(__file__).parent.parent / "config" / "demo" / "cohort.yaml"
NEIGHBOURS = 6
Tables = list[Any]
Divergences = npt.NDArray[np.float64]


def cohort(slides: int, side_um: float) -> Tables:
    """Slides of the demo's cohort, so many a condition, as tables of cells."""
    from vitrail.synthesize import cohort_tables, read_spec

    spec = read_spec(SPEC)
    side = round(side_um / spec.pixel_size)
    return list(cohort_tables(replace(spec, patients=slides, shape=(side, side))))


def graphs(tables: Tables) -> list[list[Any]]:
    """Of each slide the graph of the tissue and of each type, in the types' order."""
    from vitrail.graph import knn

    types = sorted({name for table in tables for name in table.types})
    out = []
    for table in tables:
        tissue = knn(table.xy, NEIGHBOURS)
        own = [np.flatnonzero(np.asarray(table.types) == name) for name in types]
        out.append([tissue, *(tissue[rows][:, rows] for rows in own)])
    return out


def portraits_once(given: list[list[Any]], threads: int) -> Divergences:
    """vitrail: each portrait once, then all pairs."""
    from vitrail.portrait import divergence, portrait

    made = [[portrait(graph, threads=threads) for graph in sample] for sample in given]
    return np.array(
        [
            [divergence(*pair) for pair in zip(a, b, strict=True)]
            for a, b in combinations(made, 2)
        ]
    )  # fmt: skip


def whole_comparison(tables: Tables, threads: int) -> Divergences:
    """vitrail: everything that `compare` does; gives the same divergences in the same order."""
    from vitrail.compare import compare

    found = compare(
        {table.slide: table.xy for table in tables},
        {table.slide: table.types for table in tables},
        {table.slide: table.unit for table in tables},
        {table.slide: table.condition for table in tables},
        graph={"k": NEIGHBOURS}, min_type_cells=1, threads=threads,
    ).divergence  # fmt: skip
    raw = found[found["graph"] != "types"]
    by_graph = [table["raw"].to_numpy() for _, table in raw.groupby("cell_type", observed=True)]
    return np.column_stack([raw.loc[raw["graph"] == "tissue", "raw"].to_numpy(), *by_graph])


def networkx_portrait(graph: Any) -> npt.NDArray[np.float64]:
    """B of Bagrow & Bollt 2019: nodes by level and by size of their shell there."""
    import networkx as nx

    n = graph.number_of_nodes()
    shells = np.zeros((n, n), np.int64)
    for row, node in enumerate(graph):
        for level in nx.single_source_shortest_path_length(graph, node).values():
            shells[row, level] += 1
    levels = int(shells.any(axis=0).sum())
    b = np.zeros((levels, n + 1))
    for level in range(levels):
        b[level] = np.bincount(shells[:, level], minlength=n + 1)
    return b


def portrait_divergence(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    """Jensen-Shannon divergence, base 2, of k B[l, k] of two portraits, padded to one shape."""
    shape = tuple(max(sizes) for sizes in zip(a.shape, b.shape, strict=True))
    weights = []
    for portrait in (a, b):
        padded = np.zeros(shape)
        padded[: portrait.shape[0], : portrait.shape[1]] = portrait
        padded *= np.arange(shape[1])
        weights.append(padded / padded.sum())
    middle = (weights[0] + weights[1]) / 2
    total = 0.0
    for weight in weights:
        used = weight > 0
        total += 0.5 * float((weight[used] * np.log2(weight[used] / middle[used])).sum())
    return total


def anew_for_each_pair(given: list[list[Any]], _threads: int) -> Divergences:
    """As GraphCompass: both portraits anew for every pair of samples and every graph."""
    return np.array(
        [
            [portrait_divergence(networkx_portrait(g), networkx_portrait(h))
             for g, h in zip(a, b, strict=True)]
            for a, b in combinations(given, 2)
        ]
    )  # fmt: skip


def once_with_networkx(given: list[list[Any]], _threads: int) -> Divergences:
    """The same with each portrait made a single time."""
    made = [[networkx_portrait(graph) for graph in sample] for sample in given]
    return np.array(
        [
            [portrait_divergence(*pair) for pair in zip(a, b, strict=True)]
            for a, b in combinations(made, 2)
        ]
    )  # fmt: skip


def as_networkx(given: list[list[Any]]) -> list[list[Any]]:
    """The graphs as networkx holds them."""
    import networkx as nx

    return [[nx.from_scipy_sparse_array(graph) for graph in sample] for sample in given]


# Name, function, what it takes of the tables.
Way = tuple[str, Callable[[Any, int], Divergences], Callable[[Tables], Any]]
WAYS: tuple[Way, ...] = (
    ("vitrail, the divergences", portraits_once, graphs),
    ("vitrail.compare, with nulls and tests", whole_comparison, lambda tables: tables),
    ("networkx, each portrait once", once_with_networkx, lambda t: as_networkx(graphs(t))),
    ("networkx, as GraphCompass", anew_for_each_pair, lambda t: as_networkx(graphs(t))),
)  # fmt: skip


def resident_mb(line: str) -> float:
    """Memory of this process now (VmRSS) or at its peak (VmHWM), as Linux counts it."""
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(row.split()[1]) for row in status if row.startswith(line)) / 1024


def measured(number: int, options: argparse.Namespace) -> tuple[float, float, float, Divergences]:
    """In a process of its own: medians of wall and CPU seconds, memory, and the divergences."""
    _, function, prepare = WAYS[number]
    function(prepare(cohort(2, 300)), options.threads)
    given = prepare(cohort(options.slides, options.side_um))
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before, walls, cpus = resident_mb("VmRSS"), [], []
    for _ in range(options.repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        found = function(given, options.threads)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    memory = resident_mb("VmHWM") - before
    return statistics.median(walls), statistics.median(cpus), memory, found


def main() -> None:
    """Read the options and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--slides", type=int, default=4, help="slides a condition")
    parser.add_argument("--side-um", type=float, default=460.0, help="edge of a slide")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    tables = cohort(options.slides, options.side_um)
    cells = [len(table.xy) for table in tables]
    kinds = len({name for table in tables for name in table.types})
    print(
        f"{len(tables)} slides of {min(cells):,} to {max(cells):,} cells, tissue and {kinds} "
        f"types, {len(tables) * (len(tables) - 1) // 2} pairs"
    )
    print(f"{'':38} {'wall s':>9} {'CPU s':>9} {'MB':>7} {'wall ratio':>11}")
    context = multiprocessing.get_context("spawn")
    first: Any = None
    for number, (name, _, _) in enumerate(WAYS):
        with ProcessPoolExecutor(1, mp_context=context) as alone:
            found = alone.submit(measured, number, options).result()
        first = found if first is None else first
        if not np.allclose(found[3], first[3], atol=1e-9):
            raise SystemExit(f"{name}: other divergences than vitrail's")
        wall, cpu, memory, _ = found
        print(f"{name:38} {wall:9.3f} {cpu:9.3f} {memory:7.0f} {wall / first[0]:11.1f}", flush=True)


if __name__ == "__main__":
    main()
