"""Time, peak memory and size of stage ingest beside spatialdata's own writer.

    python benchmarks/ingest.py [--side 20000] [--transcripts 10000000] [--part NAME] [FOLDER]

Parts: `codecs` (a pyramid from rows in memory, by codec and edge of a chunk), `image` (an OME-TIFF
to the finished store; spatialdata reads the same file lazily), `levels` (reading a level from the
file's own pyramid against halving the level before), `transcripts`. Each figure is that of a
process of its own; peaks are the kernel's, less that of the process before it began to work. The
image is a smooth field with Poisson noise, uint16. FOLDER (a temporary one by default) needs about
six bytes a pixel and is emptied again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

TILE = 1024
ROWS = 1024
PARTS = ("codecs", "image", "levels", "transcripts")


def strips(side: int, rows: int = ROWS, seed: int = 0) -> Iterator[npt.NDArray[np.uint16]]:
    """Rows of the slide: bright discs on a smooth field, with the noise of counted photons."""
    rng = np.random.default_rng(seed)
    x = np.arange(side, dtype=np.float32) * (2 * np.pi / 2048)
    for y0 in range(0, side, rows):
        y = np.arange(y0, min(y0 + rows, side), dtype=np.float32) * (2 * np.pi / 2048)
        mean = 120 + 60 * np.outer(np.cos(3 * y), np.sin(2 * x))
        mean[np.outer(np.sin(24 * y), np.sin(24 * x)) > 0.6] += 900
        noise = rng.standard_normal(mean.shape, dtype=np.float32)
        # Counts of this size are as good as normal: standard deviation the root of the mean.
        yield (mean + noise * np.sqrt(mean) + 0.5).astype(np.uint16)


def write_tiff(path: Path, side: int, compression: str, levels: int = 1) -> None:
    """Tiled OME-TIFF, with a pyramid in SubIFDs where levels are more than one."""
    import tifffile

    def tiles(level: int) -> Iterator[npt.NDArray[np.uint16]]:
        size = side >> level
        for rows in strips(side, TILE << level):
            part = rows[:: 1 << level, :: 1 << level]
            for y in range(0, part.shape[0], TILE):
                for x in range(0, size, TILE):
                    yield np.ascontiguousarray(part[y : y + TILE, x : min(x + TILE, size)])

    metadata = {"axes": "YX", "PhysicalSizeX": 0.2125, "PhysicalSizeY": 0.2125}
    options = {"dtype": np.uint16, "tile": (TILE, TILE), "compression": compression}
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        file.write(tiles(0), shape=(side, side), metadata=metadata, subifds=levels - 1, **options)
        for level in range(1, levels):
            size = side >> level
            file.write(tiles(level), shape=(size, size), subfiletype=1, metadata=None, **options)


def measured(task: str, **arguments: object) -> dict[str, float]:
    """Run a task in a process of its own."""
    command = [sys.executable, __file__, "--task", task, "--arguments", json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{task} failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def timed(work: object) -> dict[str, float]:
    """Wall and CPU seconds and the growth of the peak in MB of a call."""
    before = high_water_mb()
    wall, cpu = time.perf_counter(), time.process_time()
    work()  # type: ignore[operator]
    return {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "peak_mb": high_water_mb() - before,
    }


def high_water_mb() -> float:
    """Peak of this process; `getrusage` would count the parent's from before the start."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def size_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def task_pyramid(folder: str, side: int, codec: str, chunk: int) -> dict[str, float]:
    """Five levels from rows in memory."""
    from zarr.codecs import BloscCodec, ZstdCodec

    from vitrail.io import raster

    name, _, shuffle = codec.partition("-")
    raster.COMPRESSOR = (
        BloscCodec(cname=name, clevel=1, shuffle=shuffle) if shuffle else ZstdCodec(level=1)
    )
    rows = list(strips(side))
    path = Path(folder) / "pyramid.zarr"

    def write() -> None:
        element = raster.RasterElement(
            path,
            (1, side, side),
            np.uint16,
            0.2125,
            (0.0, 0.0),
            channels=["DAPI"],
            chunk=chunk,
            levels=5,
        )
        writer = element.strips()
        for part in rows:
            writer.write(part[None])
        writer.close()

    return {**timed(write), "size_mb": size_mb(path)}


def task_ingest(folder: str, threads: int, **row: str) -> dict[str, float]:
    """The whole stage."""
    from vitrail.ingest import ingest

    paths = Path(folder) / "slide.zarr", Path(folder) / "slide.json"
    sheet = {"sample": "A", **{column: [path] for column, path in row.items()}}
    entry = {"pixel_size": 0.2125}
    found = timed(lambda: ingest(sheet, entry, {}, *paths, provenance={}, threads=threads))
    return {**found, "size_mb": size_mb(paths[0])}


def task_spatialdata(folder: str, image: str) -> dict[str, float]:
    """The same file through dask and spatialdata's writer, five levels."""
    import dask.array as da
    import spatialdata
    import tifffile
    import zarr
    from spatialdata.models import Image2DModel

    path = Path(folder) / "peer.zarr"

    def write() -> None:
        store = tifffile.imread(image, aszarr=True)
        lazy = da.from_zarr(zarr.open(store, mode="r"))[None]
        parsed = Image2DModel.parse(
            lazy, dims=("c", "y", "x"), scale_factors=[2] * 4, chunks=(1, TILE, TILE)
        )
        spatialdata.SpatialData(images={"image": parsed}).write(path)

    return {**timed(write), "size_mb": size_mb(path)}


def task_levels(image: str) -> dict[str, float]:
    """Level 1 of a file: decoded, and halved from level 0 that is decoded anyway."""
    import tifffile

    from vitrail.io.raster import halve

    with tifffile.TiffFile(image) as file:
        series = file.series[0]
        full = series.levels[0].asarray(maxworkers=1)
        decoded = timed(lambda: series.levels[1].asarray(maxworkers=1))
        halved = timed(lambda: halve(full))
    return {"decoded": decoded["cpu"], "halved": halved["cpu"]}


def write_transcripts(path: Path, rows: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(4)
    genes = pa.array([f"Gene{i}" for i in range(400)])
    step = 1 << 20
    writer = None
    for start in range(0, rows, step):
        count = min(step, rows - start)
        codes = pa.array(rng.integers(0, 400, count).astype(np.int32))
        columns = {axis: rng.uniform(0, 4000, count).astype(np.float32) for axis in ("x", "y")}
        columns["gene"] = pa.DictionaryArray.from_arrays(codes, genes).cast(pa.string())
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema, compression="snappy")
        writer.write_table(table)
    if writer is not None:
        writer.close()


def shown(label: str, found: dict[str, float]) -> str:
    size = f"{found['size_mb']:.0f}" if "size_mb" in found else ""
    return (
        f"| {label} | {found['wall']:.1f} | {found['cpu']:.1f} | {found['peak_mb']:.0f} | {size} |"
    )


HEADER = "| | wall, s | CPU, s | peak, MB | size, MB |\n|---|---|---|---|---|"


def part_codecs(folder: Path, side: int) -> None:
    print(f"\nFive levels of {side} x {side} uint16 from rows in memory\n\n{HEADER}", flush=True)
    choices = [("zstd-bitshuffle", chunk) for chunk in (512, 1024, 2048, 4096)]
    choices += [(codec, 1024) for codec in ("lz4-bitshuffle", "zstd-shuffle", "zstd")]
    for codec, chunk in choices:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            found = measured("pyramid", folder=place, side=side, codec=codec, chunk=chunk)
        print(shown(f"{codec}, chunks of {chunk}", found), flush=True)


def part_image(folder: Path, side: int) -> None:
    print(f"\nOME-TIFF of {side} x {side} uint16, zlib, to a store\n\n{HEADER}", flush=True)
    path = folder / "image.ome.tif"
    write_tiff(path, side, "zlib")
    runs = [("vitrail, one thread", "ingest", {"threads": 1})]
    runs += [("vitrail, two threads", "ingest", {"threads": 2}), ("spatialdata", "spatialdata", {})]
    for label, task, more in runs:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            print(shown(label, measured(task, folder=place, image=str(path), **more)), flush=True)
    path.unlink()


def part_levels(folder: Path, side: int) -> None:
    side = min(side, 8192)
    print(f"\nLevel 1 of a file of {side} x {side}, CPU s\n\n| | decoded | halved |\n|---|---|---|")
    for compression in ("zlib", "jpeg2000"):
        path = folder / "levels.ome.tif"
        write_tiff(path, side, compression, levels=2)
        found = measured("levels", image=str(path))
        print(f"| {compression} | {found['decoded']:.2f} | {found['halved']:.2f} |", flush=True)
        path.unlink()


def part_transcripts(folder: Path, rows: int) -> None:
    print(f"\n{rows} transcripts from parquet\n\n{HEADER}", flush=True)
    path = folder / "transcripts.parquet"
    write_transcripts(path, rows)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        found = measured("ingest", folder=place, transcripts=str(path), threads=1)
    print(shown("vitrail", found), flush=True)
    path.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--side", type=int, default=20_000)
    parser.add_argument("--transcripts", type=int, default=10_000_000)
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("--arguments", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        print(json.dumps(globals()[f"task_{options.task}"](**json.loads(options.arguments))))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        for part in (options.part,) if options.part else PARTS:
            size = options.transcripts if part == "transcripts" else options.side
            globals()[f"part_{part}"](Path(place), size)


if __name__ == "__main__":
    main()
