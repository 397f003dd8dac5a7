"""Transcripts to cells: vitrail beside the functions that people use, on generated slides.

    python benchmarks/transcripts.py [--sizes 5 20 100] [--cells 100000] [--side 20000]
                                     [--peers 20] [--sopa PYTHON] [--billion] [FOLDER]

Sizes are in millions of transcripts. Prints for each way its time, transcripts a second, peak
memory of its process, and at the end the exponent of CPU time against transcripts (other work on
the machine does not touch it), as it is and without what is done once whatever the number of
transcripts. Ways:

- `matrix`: row groups of parquet and a chunked label image on disk, to the sparse matrix in memory;
- `stage`: the same without the matrix, every transcript written out with its cell (stage assign);
- `rows`: the assigned transcripts on disk to the finished counts in a h5ad file (stage matrix);
- `labels`, `polygons`: arrays in memory to the sparse matrix, by label image and by exact outlines;
- `image`, `grid`: what `matrix` and `stage` (reading all chunks of the label image) and `polygons`
  (the grid of the outlines) do once.

Peers get the same transcripts and outlines, loaded beforehand (their loading is not counted), up to
`--peers` millions: a spatial join with geopandas, `spatialdata.aggregate`, and `count_transcripts`
of sopa, for which `--sopa` or VITRAIL_SOPA_PYTHON names the interpreter of its environment. Each
figure is that of a process of its own, on code compiled beforehand; a peer whose matrix differs
from that of `polygons` is named.

`--billion` streams 10^9 transcripts once through `stage` and `rows` and needs 25 GB of disk for
that time. FOLDER (a temporary one by default) keeps the slide for the next time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import generated_slide as slide
import numpy as np

MILLION = 1_000_000
WAYS = ("matrix", "stage", "rows", "labels", "polygons")
# What each way does once, whatever the number of transcripts.
ONCE = {"matrix": "image", "stage": "image", "polygons": "grid"}
PEERS = ("geopandas", "spatialdata", "sopa")
PEER_FILE = Path(__file__).with_name("peer_transcripts.py")
BILLION_BYTES = 25 << 30


def peak_mb(reset: bool = False) -> float:
    """Peak memory of this process since the last reset, as Linux counts it."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(row.split()[1]) for row in status if row.startswith("VmHWM")) / 1024


@contextmanager
def taken() -> Iterator[dict[str, float]]:
    """Wall and CPU seconds and peak memory of a block."""
    found: dict[str, float] = {}
    peak_mb(reset=True)
    wall, cpu = time.perf_counter(), time.process_time()
    yield found
    found["wall"] = time.perf_counter() - wall
    found["cpu"] = time.process_time() - cpu
    found["peak_mb"] = peak_mb()


def panel() -> tuple[list[str], list[str]]:
    """Genes and controls, in the order of the matrix."""
    names = slide.gene_names()
    return names[: slide.GENES], names[slide.GENES :]


def n_cells(folder: Path) -> int:
    """Cells of the slide."""
    import pyarrow.parquet as pq

    return pq.read_metadata(folder / "cells.parquet").num_rows


def raw_parts(folder: Path, millions: int) -> list[Path]:
    """The first parts of the raw transcripts."""
    from vitrail.io.points import part_paths

    return part_paths(folder / "slide.zarr/points/transcripts")[:millions]


def lookup(folder: Path) -> Any:
    """Look-up in the label image of the cells."""
    from vitrail.assign.lookup import CellLookup
    from vitrail.io.label_chunks import LabelChunks
    from vitrail.io.labels import open_labels

    return CellLookup(LabelChunks(open_labels(folder / "labels.zarr").cells))


def assigned(folder: Path, millions: int, columns: list[str] | None, **sinks: Any) -> Any:
    """Stage assign of so many transcripts; no threshold of quality, as the peers have none."""
    from vitrail.assign.lookup import Frame
    from vitrail.assign.stream import assign
    from vitrail.io.transcripts import units

    parts = raw_parts(folder, millions)
    return assign(
        units(parts, columns), slide.gene_names(), lookup(folder), Frame(slide.PIXEL), **sinks
    )


def way_matrix(folder: Path, millions: int) -> Any:
    """Disk to the sparse matrix."""
    from vitrail.matrix.blocks import RowBlocks

    sums = RowBlocks(n_cells(folder), len(slide.gene_names()))

    def collect(part: Any) -> None:
        sums.add(part.cell, part.gene, part.compartment == 0)

    assigned(folder, millions, ["x", "y", "gene"], collect=collect)
    return sums.matrices()[0]


def way_stage(folder: Path, millions: int) -> None:
    """Disk to assigned transcripts on disk."""
    from vitrail.io.points import begin_parts
    from vitrail.io.transcripts import assigned_schema

    target = folder / "transcripts.zarr"
    shutil.rmtree(target, ignore_errors=True)
    schema = assigned_schema(raw_parts(folder, millions))
    assigned(folder, millions, None, write=begin_parts(target, schema, instance_key="cell"))


def way_rows(folder: Path, millions: int) -> Any:
    """Assigned transcripts on disk to counts in a h5ad file, in blocks of cells."""
    from vitrail.io.h5ad import write_h5ad
    from vitrail.io.h5ad_counts import write_counts
    from vitrail.io.points import part_paths
    from vitrail.io.scratch import scratch
    from vitrail.io.transcripts import units
    from vitrail.matrix.counts import collect

    genes, controls = panel()
    target, n = folder / "counts.h5ad", n_cells(folder)
    parts = part_paths(folder / "transcripts.zarr")[:millions]
    write_h5ad(target, None, {}, [str(i) for i in range(n)], genes)
    with scratch(target) as spill:
        transcripts = units(parts, ["gene", "cell", "compartment"])
        sums = collect(transcripts, genes, controls, n, spill)
        write_counts(target, sums.blocks(), sums.shape, len(genes))


def loaded(folder: Path, millions: int) -> tuple[Any, Any, Any]:
    """Positions in pixels and codes of genes, in memory."""
    from vitrail.io.transcripts import units

    tables = [unit() for unit in units(raw_parts(folder, millions), ["x", "y", "gene"])]
    x, y = (np.concatenate([t[axis].to_numpy() for t in tables]) for axis in ("x", "y"))
    gene = [t["gene"].combine_chunks().indices.to_numpy() for t in tables]
    return x / slide.PIXEL, y / slide.PIXEL, np.concatenate(gene)


def way_labels(folder: Path, millions: int) -> Callable[[], Any]:
    """Arrays to the sparse matrix, by label image."""
    from vitrail.io.labels import open_labels
    from vitrail.transcripts import by_labels, count

    labels = open_labels(folder / "labels.zarr").cells[:]
    x, y, gene = loaded(folder, millions)
    n = n_cells(folder)
    return lambda: count(by_labels(x, y, labels), gene, n, len(slide.gene_names()))


def way_polygons(folder: Path, millions: int) -> Callable[[], Any]:
    """Arrays to the sparse matrix, by exact outlines; the grid of the outlines is counted."""
    import shapely

    from vitrail.transcripts import by_polygons, count

    shapes = shapely.polygons(np.load(folder / "outlines.npy"))
    x, y, gene = loaded(folder, millions)
    n = n_cells(folder)
    return lambda: count(by_polygons(x, y, shapes), gene, n, len(slide.gene_names()))


def way_image(folder: Path, millions: int) -> Callable[[], None]:
    """All chunks of the label image, as a look-up reads and holds them."""
    from vitrail.parallel import threaded

    def read() -> None:
        cells = lookup(folder)
        rows, columns = (
            -(-side // chunk) for side, chunk in zip(cells.shape, cells.chunk, strict=True)
        )
        threaded(lambda number: cells.chunks[number].nbytes, range(rows * columns))

    return read


def way_grid(folder: Path, millions: int) -> Callable[[], None]:
    """The grid of the outlines."""
    import shapely

    from vitrail.assign.outlines import Outlines

    shapes = shapely.polygons(np.load(folder / "outlines.npy"))

    def build() -> None:
        Outlines(shapes)

    return build


def measure(way: str, folder: Path, millions: int) -> dict[str, Any]:
    """One figure, in this process."""
    function = globals()[f"way_{way}"]
    prepared = way in ("labels", "polygons", *ONCE.values())
    warm = function(folder, 1)
    if prepared:
        warm()
    work = function(folder, millions) if prepared else lambda: function(folder, millions)
    with taken() as found:
        matrix = work()
    return {**found, **checks(matrix)}


def checks(matrix: Any) -> dict[str, Any]:
    """Numbers that are equal for equal matrices: sum, stored values, a weighted sum."""
    if matrix is None:
        return {}
    csr = matrix.tocsr()
    weights = np.arange(1, csr.shape[0] + 1) % 1009
    return {
        "sum": int(csr.sum(dtype=np.int64)),
        "stored": int((csr.data != 0).sum()),
        "weighted": int((weights @ csr @ (np.arange(csr.shape[1]) + 1)).sum()),
    }


def in_process(python: str, file: Path, *arguments: str) -> dict[str, Any]:
    """Run a measurement in a process of its own; its last line is JSON."""
    found = subprocess.run(
        [python, str(file), *arguments], capture_output=True, text=True, check=False
    )
    if found.returncode:
        return {"failed": (found.stderr.strip().splitlines() or ["?"])[-1][:200]}
    return json.loads(found.stdout.strip().splitlines()[-1])


def prepare(folder: Path, side: int, cells: int, millions: int) -> None:
    """Write what is not there yet of a slide."""
    if not (folder / "nuclei.parquet").exists():
        corners = slide.outlines(side, cells)
        np.save(folder / "outlines.npy", corners)
        slide.write_segmentation(folder, side, corners)
    if len(raw_parts(folder, millions)) < millions:
        shutil.rmtree(folder / "slide.zarr", ignore_errors=True)
        slide.write_transcripts(folder, side, millions * slide.ROWS)


def show(name: str, millions: int, found: dict[str, Any]) -> None:
    """Print a row of the table."""
    if "failed" in found:
        print(f"| {name} | {millions} | failed: {found['failed']} | | | |", flush=True)
        return
    speed = millions / found["wall"]
    print(
        f"| {name} | {millions} | {found['wall']:.2f} | {found['cpu']:.2f} | {speed:.2f} "
        f"| {found['peak_mb']:.0f} |",
        flush=True,
    )


def exponent(times: dict[int, float]) -> float:
    """Slope of log time against log size."""
    return float(np.polyfit(np.log(list(times)), np.log(list(times.values())), 1)[0])


def billion(folder: Path, side: int) -> None:
    """10^9 transcripts from disk to disk, once."""
    free = shutil.disk_usage(folder).free
    if free < BILLION_BYTES:
        raise SystemExit(f"{folder}: {free >> 30} GB are free, wanted {BILLION_BYTES >> 30} GB.")
    there = (folder / "slide.zarr").exists()
    work = Path(tempfile.mkdtemp(dir=folder))
    try:
        for name in ("labels.zarr", "cells.parquet", "nuclei.parquet", "outlines.npy"):
            (work / name).symlink_to((folder / name).resolve())
        started = time.perf_counter()
        slide.write_transcripts(work, side, 1000 * slide.ROWS)
        print(f"10^9 transcripts generated in {time.perf_counter() - started:.0f} s", flush=True)
        for way in ("stage", "rows"):
            show(
                way,
                1000,
                in_process(sys.executable, Path(__file__), "--measure", way, str(work), "1000"),
            )
            size = sum(f.stat().st_size for f in work.rglob("*") if f.is_file()) >> 20
            print(f"{size} MB on disk after {way}", flush=True)
    finally:
        shutil.rmtree(work)
    assert there == (folder / "slide.zarr").exists()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--sizes", nargs="*", type=int, default=[5, 20, 100])
    parser.add_argument("--ways", nargs="*", default=list(WAYS))
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--side", type=int, default=20_000)
    parser.add_argument("--peers", type=int, default=20)
    parser.add_argument("--sopa", default=os.environ.get("VITRAIL_SOPA_PYTHON"))
    parser.add_argument("--billion", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        prepare(folder, options.side, options.cells, max([1, *options.sizes]))
        print(f"{n_cells(folder)} cells, {options.side} px a side, {os.cpu_count()} cores\n")
        print("| way | million transcripts | s | CPU s | million / s | peak MB |")
        print("|---|---|---|---|---|---|")
        times: dict[str, dict[int, float]] = {way: {} for way in options.ways}
        for millions in options.sizes:
            compare(folder, millions, options, times)
        print()
        growth(folder, times)
        if options.billion:
            billion(folder, options.side)


def growth(folder: Path, times: dict[str, dict[int, float]]) -> None:
    """Print how the ways' CPU times grow, with and without what they do once."""
    once: dict[str, float] = {}
    for way, of_size in times.items():
        if len(of_size) < 2:
            continue
        line = f"{way}: CPU time grows as transcripts^{exponent(of_size):.2f}"
        part = ONCE.get(way)
        if part is not None:
            if part not in once:
                arguments = ("--measure", part, str(folder), "1")
                once[part] = in_process(sys.executable, Path(__file__), *arguments)["cpu"]
            rest = {millions: cpu - once[part] for millions, cpu in of_size.items()}
            line += f", without {part} ({once[part]:.2f} s) as transcripts^{exponent(rest):.2f}"
        print(line)


def compare(folder: Path, millions: int, options: Any, times: dict[str, dict[int, float]]) -> None:
    """Rows of one size, ours and the peers'."""
    found = {}
    for way in options.ways:
        arguments = ("--measure", way, str(folder), str(millions))
        found[way] = in_process(sys.executable, Path(__file__), *arguments)
        show(way, millions, found[way])
        if "cpu" in found[way]:
            times[way][millions] = found[way]["cpu"]
    if millions > options.peers:
        return
    for peer in PEERS:
        python = options.sopa if peer == "sopa" else sys.executable
        if python is None:
            print(f"| {peer} | {millions} | left out: no interpreter was named | | | |")
            continue
        result = in_process(python, PEER_FILE, peer, str(folder), str(millions))
        show(peer, millions, result)
        ours = found.get("polygons", {})
        for name in ("sum", "stored"):
            if result.get(name, 0) != ours.get(name, result.get(name, 0)):
                print(f"{peer}: {name} of the matrix is {result[name]}, ours {ours[name]}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))))
    else:
        main()
