"""GeoParquet 1.1 with pyarrow and shapely alone; geopandas reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from vitrail.errors import VitrailError
from vitrail.io import parquet
from vitrail.provenance import to_json

GEOMETRY = "geometry"


def write_geoparquet(
    path: str | Path,
    columns: Mapping[str, Any],
    geometry: npt.NDArray[np.object_],
    provenance: Mapping[str, Any],
) -> None:
    """Write geometries and their columns.

    Parameters
    ----------
    path
        File to write.
    columns
        Arrays of the length of `geometry`, by name; pyarrow arrays keep their nulls. They precede
        the geometry, in their order, except that the geometry comes after the first columns that
        are called `cell` or `nucleus`.
    geometry
        Shapely geometries, in micrometres: no coordinate reference system of the Earth.
    provenance
        Stored as JSON under the schema's key `vitrail`.
    """
    wkb = pa.array(shapely.to_wkb(geometry, byte_order=1).tolist(), pa.binary())
    keys = [name for name in columns if name in ("nucleus", "cell")]
    rest = [name for name in columns if name not in keys]
    arrays = {name: columns[name] for name in keys} | {GEOMETRY: wkb}
    table = pa.table(arrays | {name: columns[name] for name in rest})
    metadata = {"geo": json.dumps(_geo(geometry), sort_keys=True), "vitrail": to_json(provenance)}
    parquet.write(table.replace_schema_metadata(metadata), path)


def _geo(geometry: npt.NDArray[np.object_]) -> dict[str, Any]:
    names = {int(kind): kind.name for kind in shapely.GeometryType}
    written = {"POLYGON": "Polygon", "MULTIPOLYGON": "MultiPolygon", "POINT": "Point"}
    kinds = sorted({names[int(kind)] for kind in np.unique(shapely.get_type_id(geometry))})
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": [written.get(kind, kind.title()) for kind in kinds],
        "crs": None,
    }
    if len(geometry):
        column["bbox"] = [float(side) for side in shapely.total_bounds(geometry)]
    return {"version": "1.1.0", "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}


def read_geoparquet(
    path: str | Path,
) -> tuple[dict[str, npt.NDArray[Any]], npt.NDArray[np.object_]]:
    """Columns (without the geometry) as numpy arrays, and the shapely geometries."""
    table = parquet.read(path)
    if GEOMETRY not in table.column_names:
        raise VitrailError(
            f"{path}: columns are {', '.join(table.column_names)}; wanted: a column '{GEOMETRY}'"
        )
    geometry = shapely.from_wkb(table[GEOMETRY].to_numpy(zero_copy_only=False))
    columns = {
        name: table[name].to_numpy(zero_copy_only=False)
        for name in table.column_names
        if name != GEOMETRY
    }
    return columns, np.asarray(geometry, dtype=object)
