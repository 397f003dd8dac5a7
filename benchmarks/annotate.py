"""Time and memory of stage annotate on a generated matrix with all of its layers.

    python benchmarks/annotate.py [--cells 200000] [--genes 500] [--depth 200] [FOLDER]

Cells are of ten types, each with thirty genes of its own. Prints the size of the file, the time of
the stage (settings of config/config.yaml) and its peak memory, also as bytes a cell beyond those of
the process with its imports and compiled code. FOLDER (a temporary one by default) keeps the files.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import yaml
from scipy import sparse

CONFIG = Path(__file__).resolve().parents[1] / "config" / "config.yaml"
BLOCK = 10_000
TYPES, OWN = 10, 30
LAYERS: dict[str, Any] = {
    "nucleus": np.int32,
    "cytoplasm": np.int32,
    "outside": np.int32,
    "ambient": np.float32,
}


def blocks(cells: int, genes: int, depth: float) -> Iterator[sparse.csr_matrix]:
    """Counts, some thousand cells at a time."""
    base = np.random.default_rng(0).lognormal(0, 1, genes)
    for start in range(0, cells, BLOCK):
        rng = np.random.default_rng([1, start])
        kind = rng.integers(0, TYPES, min(BLOCK, cells - start))
        rate = np.repeat(base[None], len(kind), axis=0)
        rate[np.arange(genes) // OWN == kind[:, None]] *= 8
        size = depth * rng.lognormal(0, 0.4, (len(kind), 1)) / rate.sum(axis=1, keepdims=True)
        yield sparse.csr_matrix(rng.poisson(rate * size).astype(np.int32))


def write(path: Path, cells: int, genes: int, depth: float) -> None:
    """counts.h5ad with all layers, as full as X: the most that they can be."""
    from vitrail.io.h5_rows import CsrWriter
    from vitrail.io.h5ad import write_h5ad

    names = [f"g_{i}" for i in range(1, cells + 1)]
    obs = {
        "cell": np.arange(1, cells + 1, dtype=np.int32),
        "area_um2": np.full(cells, 80.0),
    }
    xy = np.random.default_rng(2).random((cells, 2)) * 1e4
    write_h5ad(path, None, obs, names, [f"G{i}" for i in range(genes)], obsm={"spatial": xy})
    with h5py.File(path, "r+") as file:
        writers = {"X": CsrWriter(file, "X", np.int32)}
        for name, dtype in LAYERS.items():
            writers[name] = CsrWriter(file["layers"], name, dtype)
        for block in blocks(cells, genes, depth):
            writers["X"].append(block)
            for name, dtype in LAYERS.items():
                writers[name].append(block.astype(dtype))
        for writer in writers.values():
            writer.close((cells, genes))


def peak_mb() -> float:
    """Peak memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_child(function: Any, *arguments: Any) -> None:
    """Run a function in a process of its own."""
    child = os.fork()
    if child == 0:
        function(*arguments)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        raise SystemExit(f"{function.__name__} failed.")


def measure(counts: Path, cells: int) -> None:
    """Run the stage and print what it took."""
    from vitrail.annotate.run import annotate

    settings = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["annotate"] | {"seed": 0}
    target = counts.with_name("annotated.h5ad")
    # Imports and compiled code are no part of the figures.
    small = counts.with_name("small.h5ad")
    write(small, 200, 50, 50)
    annotate(small, target, settings, provenance={})
    before, wall, cpu = peak_mb(), time.perf_counter(), time.process_time()
    annotate(counts, target, settings, provenance={})
    wall, cpu, peak = time.perf_counter() - wall, time.process_time() - cpu, peak_mb()
    share = (peak - before) * 2**20 / cells
    print(
        f"{wall:.1f} s, {cpu:.1f} CPU s, peak {peak:.0f} MB, {share:.0f} bytes a cell", flush=True
    )


def main() -> None:
    """Write the matrix and run the stage on it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--cells", type=int, default=200_000)
    parser.add_argument("--genes", type=int, default=500)
    parser.add_argument("--depth", type=float, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        counts = folder / f"counts-{options.cells}-{options.genes}-{options.depth:.0f}.h5ad"
        if not counts.exists():
            in_child(write, counts, options.cells, options.genes, options.depth)
        with h5py.File(counts) as file:
            values = file["X/data"].size
        print(f"{options.cells} cells x {options.genes} genes, {values} values in X, ", end="")
        print(f"{1 + len(LAYERS)} matrices, {counts.stat().st_size >> 20} MB on disk", flush=True)
        in_child(measure, counts, options.cells)


if __name__ == "__main__":
    main()
