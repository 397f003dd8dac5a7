"""Time netrd's network portrait of a graph, in an environment of its own.

    python peer_netrd.py GRAPH.npz PORTRAIT.npz [REPEATS]

netrd 0.3 requires an older Jinja2 than vitrail, so both cannot share an environment;
`benchmarks/portraits.py --netrd PYTHON` calls this file with the interpreter that has netrd. Reads
the adjacency and writes the portrait (scipy.sparse .npz); prints seconds of wall time and CPU time
(medians of the repeats) and peak memory beyond the graph's in MB.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

import networkx as nx
import numpy as np
import scipy.sparse as sp
from netrd.distance.portrait_divergence import portrait


def resident_mb(line: str) -> float:
    """Memory of this process now (VmRSS) or at its peak (VmHWM), as Linux counts it."""
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(row.split()[1]) for row in status if row.startswith(line)) / 1024


def main(graph_path: str, portrait_path: str, repeats: str = "3") -> None:
    """Take the portrait so many times."""
    graph = nx.from_scipy_sparse_array(sp.load_npz(graph_path))
    portrait(nx.path_graph(5))
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = resident_mb("VmRSS")
    walls, cpus = [], []
    for _ in range(int(repeats)):
        wall, cpu = time.perf_counter(), time.process_time()
        b = portrait(graph)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    memory = resident_mb("VmHWM") - before
    # netrd pads the matrix with zeros, and counts no nodes that do not reach a level.
    b = np.asarray(b, dtype=np.int64)
    used = b[:, 1:].nonzero()
    b = b[: used[0].max() + 1, : used[1].max() + 2].copy()
    b[:, 0] = graph.number_of_nodes() - b[:, 1:].sum(axis=1)
    sp.save_npz(portrait_path, sp.csr_matrix(b))
    print(statistics.median(walls), statistics.median(cpus), memory)


if __name__ == "__main__":
    main(*sys.argv[1:])
