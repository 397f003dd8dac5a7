"""Time a peer's way from transcripts and outlines to counts, in its own environment.

    python peer_transcripts.py geopandas|spatialdata|sopa FOLDER MILLIONS

Reads the slide that `benchmarks/transcripts.py` made, without vitrail. Points and outlines are in
memory, as the peer wants them, before the clock starts. Prints one line of JSON: seconds of wall
and CPU time, peak memory, and the counts' sum and number of values.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

PIXEL = 0.2125


def peak_mb(reset: bool = False) -> float:
    """Peak memory of this process since the last reset, as Linux counts it."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(row.split()[1]) for row in status if row.startswith("VmHWM")) / 1024


def read_points(folder: Path, millions: int) -> pd.DataFrame:
    """The first transcripts: x and y in pixels, gene as a categorical."""
    parts = folder / "slide.zarr/points/transcripts/points.parquet"
    frames = [
        pd.read_parquet(parts / f"part.{k}.parquet", columns=["x", "y", "gene"])
        for k in range(millions)
    ]
    points = pd.concat(frames, ignore_index=True)
    points["gene"] = points["gene"].astype("category")
    points[["x", "y"]] /= PIXEL
    return points


def read_cells(folder: Path) -> gpd.GeoDataFrame:
    """Outlines in pixels."""
    return gpd.GeoDataFrame(geometry=shapely.polygons(np.load(folder / "outlines.npy")))


def by_geopandas(points: pd.DataFrame, cells: gpd.GeoDataFrame) -> Any:
    """Spatial join, then a sparse matrix of the pairs."""
    from scipy import sparse

    located = gpd.GeoDataFrame(
        {"gene": points["gene"].cat.codes.to_numpy()},
        geometry=gpd.points_from_xy(points["x"], points["y"]),
    )
    pairs = gpd.sjoin(located, cells, predicate="within")
    shape = (len(cells), len(points["gene"].cat.categories))
    ones = np.ones(len(pairs), np.int32)
    return sparse.coo_matrix((ones, (pairs["index_right"], pairs["gene"])), shape).tocsr()


def elements(points: pd.DataFrame, cells: gpd.GeoDataFrame) -> Any:
    """The same as a SpatialData object in memory."""
    import dask.dataframe as dd
    import spatialdata as sd

    lazy = dd.from_pandas(points, npartitions=max(1, len(points) // 1_000_000))
    return sd.SpatialData(
        points={"transcripts": sd.models.PointsModel.parse(lazy, feature_key="gene")},
        shapes={"cells": sd.models.ShapesModel.parse(cells)},
    )


def by_spatialdata(data: Any) -> Any:
    """`spatialdata.aggregate` of the transcripts by outlines."""
    import spatialdata as sd

    found = sd.aggregate(
        values=data["transcripts"], by=data["cells"], value_key="gene", agg_func="count"
    )
    return found.tables["table"].X


def by_sopa(data: Any) -> Any:
    """Counts by `count_transcripts` of sopa."""
    from sopa.aggregation import count_transcripts

    return count_transcripts(data, "gene", shapes_key="cells", points_key="transcripts").X


def main(peer: str, folder: str, millions: str) -> None:
    """Measure one peer."""
    points, cells = read_points(Path(folder), int(millions)), read_cells(Path(folder))
    if peer == "geopandas":
        by_geopandas(points[:1000], cells[:10])
        given: tuple[Any, ...] = (points, cells)
        work = by_geopandas
    else:
        work = {"spatialdata": by_spatialdata, "sopa": by_sopa}[peer]
        work(elements(points[:1000], cells[:100]))
        given = (elements(points, cells),)
    peak_mb(reset=True)
    wall, cpu = time.perf_counter(), time.process_time()
    counts = work(*given)
    result = {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "peak_mb": peak_mb(),
        "sum": int(counts.sum()),
        "stored": int((counts.tocsr().data != 0).sum()),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
