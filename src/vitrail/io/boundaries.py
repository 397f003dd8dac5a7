"""Given outlines as a shapes element of a SpatialData store, without geopandas."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from vitrail.io import parquet

# The name under which pandas keeps an index that has no name of its own.
INDEX = "__index_level_0__"


def write_boundaries(path: str | Path, ids: Sequence[str], geometry: npt.ArrayLike) -> None:
    """Write outlines as GeoParquet 1.1 whose index, for geopandas, is their own id.

    Parameters
    ----------
    path
        File to be made: ``shapes.parquet`` of a shapes element.
    ids
        Ids of the n outlines.
    geometry
        n polygons or multipolygons, in micrometres.
    """
    shapes = np.asarray(geometry, dtype=object)
    table = pa.table(
        {
            "geometry": pa.array(shapely.to_wkb(shapes), pa.binary()),
            INDEX: pa.array(list(ids), pa.string()),
        }
    )
    kinds = {"Polygon": 3, "MultiPolygon": 6}
    present = set(shapely.get_type_id(shapes).tolist())
    column: dict[str, Any] = {
        "encoding": "WKB",
        "crs": None,
        "geometry_types": sorted(name for name, number in kinds.items() if number in present),
    }
    if len(shapes):
        column["bbox"] = shapely.total_bounds(shapes).tolist()
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    metadata = {"geo": json.dumps(geo), "pandas": json.dumps(_pandas_metadata())}
    parquet.write(table.replace_schema_metadata(metadata), path)


def read_boundaries(path: str | Path) -> tuple[list[str], npt.NDArray[np.object_]]:
    """Read what `write_boundaries` wrote: ids and shapely geometries."""
    # `pq.read_table` would import pandas, which takes longer than the reading.
    table = parquet.open_file(path).read(columns=["geometry", INDEX])
    shapes = shapely.from_wkb(table["geometry"].to_numpy())
    return table[INDEX].to_pylist(), np.asarray(shapes, dtype=object)


def _pandas_metadata() -> dict[str, Any]:
    index = {
        "name": None,
        "field_name": INDEX,
        "pandas_type": "unicode",
        "numpy_type": "object",
        "metadata": None,
    }
    geometry = {
        "name": "geometry",
        "field_name": "geometry",
        "pandas_type": "bytes",
        "numpy_type": "object",
        "metadata": None,
    }
    return {
        "index_columns": [INDEX],
        "column_indexes": [],
        "columns": [geometry, index],
        "pandas_version": "2.2.0",
    }
