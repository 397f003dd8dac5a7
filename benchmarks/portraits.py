"""Network portraits: vitrail beside the code that people use, on Delaunay graphs of random points.

    python benchmarks/portraits.py [--sizes 2000 10000] [--repeats 3] [--threads 2]
                                   [--netrd PYTHON] [--large] [--million]

Prints a table: seconds (median of repeats, more of them where they are short) and peak memory
beyond the graph's of one portrait by vitrail on all threads and on one, by Bagrow & Bollt's
algorithm written with networkx from the paper (as GraphCompass uses it), and by netrd, with the
ratios to vitrail's wall time and CPU time.
A peer is left out at sizes at which it would take longer than some minutes. Each figure is taken in
a process of its own, on code compiled beforehand; all portraits are checked to be equal.

netrd cannot share vitrail's environment (it requires an older Jinja2): make one for it
(`python -m venv .venv-netrd; .venv-netrd/bin/pip install netrd`) and give its interpreter as
`--netrd` or in VITRAIL_NETRD_PYTHON.

`--large` adds vitrail alone on a million nodes: limited to 10 levels, and sampled from 4,096
sources, with the divergence of two such and its standard error. `--million` takes the exact
portrait of a million nodes, once, and says how far it is.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

SIZES = (1_000, 2_000, 10_000, 30_000, 100_000)
MILLION = 1_000_000
SOURCES = 4_096
# What took so many seconds is not repeated; what takes less in all its repeats is repeated on.
ONCE = 60.0
BRIEF = 1.0
MOST = 25


class Taken(NamedTuple):
    """Median seconds, their number, peak memory (MB) and the portrait."""

    wall: float
    cpu: float
    repeats: int
    memory: float
    portrait: Any


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


def as_networkx(graph: sp.csr_matrix) -> Any:
    """The graph as networkx holds it."""
    import networkx as nx

    return nx.from_scipy_sparse_array(graph)


def resident_mb(line: str) -> float:
    """Memory of this process now (VmRSS) or at its peak (VmHWM), as Linux counts it."""
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(row.split()[1]) for row in status if row.startswith(line)) / 1024


def forget_peak() -> float:
    """Begin a new peak at what is resident now, and return that."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return resident_mb("VmRSS")


def measured(
    function: Callable[[Any, int], Any], form: Callable[[Any], Any], n: int, threads: int,
    repeats: int, results: Any,
) -> None:  # fmt: skip
    """In a process of its own: the portrait of n nodes, in the form that the function wants."""
    function(form(spatial_graph(1200)), threads)
    graph: Any = form(spatial_graph(n))
    before = forget_peak()
    walls, cpus = [], []
    b = None
    while max(walls, default=0.0) < ONCE and (
        len(walls) < repeats or (sum(walls) < BRIEF and len(walls) < MOST)
    ):
        wall, cpu = time.perf_counter(), time.process_time()
        b = function(graph, threads)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    memory = resident_mb("VmHWM") - before
    results.put(Taken(statistics.median(walls), statistics.median(cpus), len(walls), memory, b))


def unchanged(graph: Any) -> Any:
    """The graph as it is."""
    return graph


def apart(function: Callable[..., None], *arguments: Any) -> Any:
    """What `function` puts into the queue that it gets last, run in a fresh process."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=function, args=(*arguments, results))
    process.start()
    found = results.get()
    process.join()
    return found


def by_netrd(python: str, n: int, repeats: int) -> Taken:
    """Portrait by netrd, in the environment of the interpreter `python`."""
    with tempfile.TemporaryDirectory() as folder:
        graph, b = Path(folder, "graph.npz"), Path(folder, "portrait.npz")
        sp.save_npz(graph, spatial_graph(n))
        script = Path(__file__).with_name("peer_netrd.py")
        # The peer must not find the packages of this environment.
        own = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        command = [python, str(script), str(graph), str(b), str(repeats)]
        printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=own)
        wall, cpu, memory = map(float, printed.stdout.split())
        return Taken(wall, cpu, repeats, memory, sp.load_npz(b))


def peers_table(sizes: list[int], repeats: int, threads: int, netrd: str | None) -> None:
    """Print one row a size and peer."""
    # Name, largest size, how it is taken.
    peers: list[tuple[str, int, Callable[[int], Taken]]] = [
        (
            f"vitrail, {threads} threads", 10**9,
            lambda n: apart(measured, by_vitrail, unchanged, n, threads, repeats),
        ),
        (
            "vitrail, 1 thread", 10**9,
            lambda n: apart(measured, by_vitrail, unchanged, n, 1, repeats),
        ),
        (
            "networkx", 10_000,
            lambda n: apart(measured, by_networkx, as_networkx, n, 1, repeats),
        ),
    ]  # fmt: skip
    if netrd:
        peers.append(("netrd", 2_000, lambda n: by_netrd(netrd, n, repeats)))
    print(
        f"{'nodes':>9} {'':18} {'runs':>4} {'wall s':>9} {'CPU s':>9} {'MB':>7} "
        f"{'wall ratio':>11} {'CPU ratio':>10}"
    )
    for n in sizes:
        first: Taken | None = None
        for name, largest, take in peers:
            if n > largest:
                continue
            found = take(n)
            first = first or found
            if found.portrait.shape != first.portrait.shape or (
                (found.portrait != first.portrait).nnz
            ):
                raise SystemExit(f"{name}: another portrait than vitrail's at {n} nodes")
            print(
                f"{n:9,d} {name:18} {found.repeats:4d} {found.wall:9.3f} {found.cpu:9.3f} "
                f"{found.memory:7.0f} {found.wall / first.wall:11.1f} "
                f"{found.cpu / first.cpu:10.1f}",
                flush=True,
            )


def timed(name: str, function: Callable[[], Any]) -> Any:
    """Result of `function`, its time and memory printed."""
    before, wall, cpu = forget_peak(), time.perf_counter(), time.process_time()
    found = function()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    memory = resident_mb("VmHWM") - before
    print(f"{name:44} {wall:8.1f} s {cpu:8.1f} s CPU, {memory:+.0f} MB", flush=True)
    return found


def large(threads: int, results: Any) -> None:
    """Print vitrail's times on a million nodes."""
    from vitrail.portrait import portrait, sampled_divergence, sampled_portrait

    def sampled(graph: Any, sources: int, seed: int) -> Any:
        return sampled_portrait(graph, sources, seed, threads)

    graph = spatial_graph(MILLION)
    small = spatial_graph(2000)
    sampled_divergence(sampled(small, 1024, 0), sampled(small, 128, 1))
    print(f"\n{MILLION:,d} nodes, {threads} threads")
    timed("10 levels, exact", lambda: portrait(graph, max_depth=10, threads=threads))
    first = timed(f"{SOURCES:,d} sources", lambda: sampled(graph, SOURCES, 0))
    other = sampled(spatial_graph(MILLION, 1), SOURCES, 1)
    estimate = timed("divergence of two such", lambda: sampled_divergence(first, other))
    print(f"estimate {estimate.value:.5f}, standard error {estimate.error:.5f}")
    results.put(None)


def million(threads: int, results: Any) -> None:
    """Print the time of the exact portrait of a million nodes."""
    from vitrail.portrait import portrait

    portrait(spatial_graph(2000), threads=threads)
    graph = spatial_graph(MILLION)
    begin = time.perf_counter()

    def tell(done: int, total: int) -> None:
        seconds = time.perf_counter() - begin
        print(f"  {done:9,d} of {total:,d} nodes after {seconds:7.0f} s", flush=True)

    print(f"\n{MILLION:,d} nodes, {threads} threads")
    b = timed("exact", lambda: portrait(graph, threads=threads, progress=tell))
    if (b.sum(axis=1) != MILLION).any():
        raise SystemExit("the rows of the portrait do not sum to the number of nodes")
    print(f"{b.shape[0]} levels, shells of up to {b.shape[1] - 1} nodes, {b.nnz:,d} entries")
    results.put(None)


def main() -> None:
    """Read the options and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--netrd", default=os.environ.get("VITRAIL_NETRD_PYTHON"))
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--million", action="store_true")
    options = parser.parse_args()
    if options.sizes:
        peers_table(options.sizes, options.repeats, options.threads, options.netrd)
    if options.large:
        apart(large, options.threads)
    if options.million:
        apart(million, options.threads)


if __name__ == "__main__":
    main()
