"""Outlines a second: exact polygons of stitched cells, and the GeoParquet file with them.

The cells are those of `stitching.py`. Prints one line a size: cells, median seconds to make the
polygons, cells a second, the same with the file written, and whether all polygons are valid and
have the masks' area to the pixel.

Usage: python benchmarks/outlines.py [--cells 10000 100000 1000000] [--repeats 3]
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import shapely
from stitching import views

from vitrail.candidates import empty


def main():
    from vitrail.io.geoparquet import write_geoparquet
    from vitrail.outlines import outlines
    from vitrail.stitch import stitch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    head = ("cells", "outlines s", "cells/s", "with file s", "cells/s", "valid", "exact area")
    print(("{:>10} {:>11} {:>10} {:>12} {:>10} {:>6} {:>10}").format(*head))
    for cells in [1000, *given.cells]:
        candidates, tiles = views(cells)
        instances = stitch([{"cells": candidates, "nuclei": empty()}], tiles).cells
        del candidates
        alone, written = [], []
        for _ in range(given.repeats):
            start = time.perf_counter()
            shapes = outlines(instances, 1.0, (0.0, 0.0))
            alone.append(time.perf_counter() - start)
            with tempfile.TemporaryDirectory() as folder:
                columns = {"cell": np.arange(1, len(shapes) + 1), "area": instances.area}
                write_geoparquet(Path(folder) / "cells.parquet", columns, shapes, {})
            written.append(time.perf_counter() - start)
        if cells == 1000:
            continue  # compiles
        n, one, two = len(shapes), statistics.median(alone), statistics.median(written)
        exact = bool((shapely.area(shapes) == instances.area).all())
        text = f"{n:>10,} {one:>11.3f} {n / one:>10,.0f} {two:>12.3f} {n / two:>10,.0f}"
        print(f"{text} {shapely.is_valid(shapes).all()!s:>6} {exact!s:>10}", flush=True)


if __name__ == "__main__":
    main()
