"""Network portraits: vitrail beside the code that people use, on Delaunay graphs of random points.

    python benchmarks/portraits.py [--sizes 1000 10000] [--repeats 3] [--threads 2] [--large]

Prints a table: seconds (median of repeats) and peak memory beyond the graph's of one portrait by
vitrail on all threads and on one, by Bagrow & Bollt's algorithm written with networkx from the
paper (as GraphCompass uses it), and by netrd where it is installed (`pip install netrd`), with the
ratio to vitrail's time. A peer is left out at sizes at which it would take longer than some
minutes. Each figure is taken in a process of its own, on code compiled beforehand; all results are
checked to be equal.

`--large` adds vitrail alone on a million nodes: limited to 10 levels, sampled from 4,096 sources
with the divergence's standard error, and, with `--exact-million`, the exact portrait.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

SIZES = (1_000, 2_000, 10_000, 30_000, 100_000)
MILLION = 1_000_000


def spatial_graph(n: int, seed: int = 0) -> sp.csr_matrix:
    """Delaunay graph of n uniform points."""
    from vitrail.graph import delaunay

    return delaunay(np.random.default_rng(seed).random((n, 2)))


def by_vitrail(graph: Any, threads: int) -> Any:
    """The exact portrait."""
    from vitrail.portrait import portrait

    return portrait(graph, threads=threads)


def by_networkx(graph: Any, _threads: int) -> Any:
    """Bagrow & Bollt 2019, their definition of B: shells of each node by breadth-first search."""
    import networkx as nx

    n = graph.number_of_nodes()
    shells: dict[tuple[int, int], int] = {}
    for node in graph:
        sizes: dict[int, int] = {}
        for level in nx.single_source_shortest_path_length(graph, node).values():
            sizes[level] = sizes.get(level, 0) + 1
        for entry in sizes.items():
            shells[entry] = shells.get(entry, 0) + 1
    b = np.zeros((max(level for level, _ in shells) + 1, max(k for _, k in shells) + 1), np.int64)
    for (level, k), number in shells.items():
        b[level, k] = number
    b[:, 0] = n - b[:, 1:].sum(axis=1)
    return sp.csr_matrix(b)


def by_netrd(graph: Any, _threads: int) -> Any:
    """Portrait by netrd, cut to the part that is not empty."""
    from netrd.distance.portrait_divergence import portrait

    b = np.asarray(portrait(graph), dtype=np.int64)
    used = b[:, 1:].nonzero()
    b = b[: used[0].max() + 1, : used[1].max() + 2].copy()
    b[:, 0] = graph.number_of_nodes() - b[:, 1:].sum(axis=1)
    return sp.csr_matrix(b)


def as_networkx(graph: sp.csr_matrix) -> Any:
    """The graph as networkx holds it."""
    import networkx as nx

    return nx.from_scipy_sparse_array(graph)


# Name, function, whether it needs networkx's form, largest size.
Peer = tuple[str, Callable[[Any, int], Any], bool, int]
PEERS: tuple[Peer, ...] = (
    ("vitrail", by_vitrail, False, 10**9),
    ("vitrail, 1 thread", by_vitrail, False, 10**9),
    ("networkx", by_networkx, True, 10_000),
    ("netrd", by_netrd, True, 2_000),
)


def resident_mb(line: str) -> float:
    """Memory of this process now (VmRSS) or at its peak (VmHWM), as Linux counts it."""
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(row.split()[1]) for row in status if row.startswith(line)) / 1024


def forget_peak() -> float:
    """Begin a new peak at what is resident now, and return that."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return resident_mb("VmRSS")


def measured(peer: Peer, n: int, threads: int, repeats: int, results: Any) -> None:
    """In a process of its own: seconds of each repeat, memory, and the portrait."""
    _, function, needs_networkx, _ = peer
    small = spatial_graph(1200)
    try:
        function(as_networkx(small) if needs_networkx else small, threads)
    except ImportError as error:
        results.put(str(error))
        return
    graph: Any = spatial_graph(n)
    graph = as_networkx(graph) if needs_networkx else graph
    before = forget_peak()
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        b = function(graph, threads)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
        if walls[-1] > 60:
            break
    results.put(
        (statistics.median(walls), statistics.median(cpus), resident_mb("VmHWM") - before, b)
    )


def apart(function: Callable[..., None], *arguments: Any) -> Any:
    """What `function` puts into the queue that it gets last, run in a fresh process."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=function, args=(*arguments, results))
    process.start()
    found = results.get()
    process.join()
    return found


def peers_table(sizes: list[int], repeats: int, threads: int) -> None:
    """Print one row a size and peer."""
    print(
        f"{'nodes':>9} {'':18} {'wall s':>9} {'CPU s':>9} {'MB':>7} {'wall ratio':>11} "
        f"{'CPU ratio':>10}"
    )
    for n in sizes:
        first: Any = None
        for peer in PEERS:
            name = peer[0]
            if n > peer[3]:
                continue
            own = 1 if name.endswith("1 thread") else threads
            found = apart(measured, peer, n, own, repeats)
            if isinstance(found, str):
                print(f"{n:9,d} {name:18} {found}")
                continue
            wall, cpu, memory, b = found
            first = found if first is None else first
            if b.shape != first[3].shape or (b != first[3]).nnz:
                raise SystemExit(f"{name}: another portrait than vitrail's at {n} nodes")
            ratio = wall / first[0]
            print(
                f"{n:9,d} {name:18} {wall:9.3f} {cpu:9.3f} {memory:7.0f} {ratio:11.1f}", flush=True
            )


def large(threads: int, exact: bool, results: Any) -> None:
    """Print vitrail's times on a million nodes."""
    from vitrail.portrait import portrait, sampled_divergence, sampled_portrait

    graph = spatial_graph(MILLION)
    small = spatial_graph(2000)
    sampled_divergence(*(sampled_portrait(small, 1024, seed) for seed in (0, 1)))

    def timed(name: str, function: Callable[[], Any]) -> Any:
        before, wall, cpu = forget_peak(), time.perf_counter(), time.process_time()
        found = function()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        memory = resident_mb("VmHWM") - before
        print(f"{name:44} {wall:8.1f} s {cpu:8.1f} s CPU, {memory:+.0f} MB", flush=True)
        return found

    print(f"\n{MILLION:,d} nodes")
    timed("10 levels, exact", lambda: portrait(graph, max_depth=10, threads=threads))
    first = timed("4,096 sources", lambda: sampled_portrait(graph, 4096, 0, threads))
    other = sampled_portrait(spatial_graph(MILLION, 1), 4096, 1, threads)
    estimate = timed("divergence of two such", lambda: sampled_divergence(first, other))
    print(f"estimate {estimate.value:.5f}, standard error {estimate.error:.5f}")
    if exact:
        timed("exact", lambda: portrait(graph, threads=threads))
    results.put(None)


def main() -> None:
    """Read the options and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--exact-million", action="store_true")
    options = parser.parse_args()
    peers_table(options.sizes, options.repeats, options.threads)
    if options.large or options.exact_million:
        apart(large, options.threads, options.exact_million)


if __name__ == "__main__":
    main()
