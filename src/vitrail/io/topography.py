"""topography.parquet and topography.npz: a sample's immune topography; given outlines."""

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
from vitrail.io.archive import write_npz
from vitrail.provenance import to_json
from vitrail.topography import COMPARTMENTS, Topography

PARTS = [
    field
    for where in COMPARTMENTS
    for field in (
        (f"cells_{where}", pa.int64()),
        (f"area_{where}_mm2", pa.float64()),
        (f"density_{where}", pa.float64()),
    )
]
SCHEMA = pa.schema(
    [
        ("cell_type", pa.string()),
        ("cells", pa.int64()),
        *PARTS,
        ("border_um", pa.float64()),
        ("ratio", pa.float64()),
        ("phenotype", pa.string()),
        ("quantity", pa.float64()),
        ("distribution", pa.float64()),
        ("pattern", pa.string()),
        ("profile_from_um", pa.list_(pa.float64())),
        ("profile_to_um", pa.list_(pa.float64())),
        ("profile_cells", pa.list_(pa.int64())),
        ("profile_area_mm2", pa.list_(pa.float64())),
        ("profile_density", pa.list_(pa.float64())),
        ("note", pa.string()),
    ]
)


def write_topography(
    table: str | Path,
    cells: str | Path,
    result: Topography,
    provenance: Mapping[str, Any],
) -> None:
    """Write a sample's topography; equal results give equal bytes.

    Parameters
    ----------
    table
        Parquet file to be made: one row a target type.
    cells
        npz file to be made: ``compartment`` int8 (n,) and ``distance`` float64 (n,), one a cell,
        and ``border`` float64 (pieces, 2, 2), the ends of the border's pieces.
    result
        What was measured.
    provenance
        Record to be stored.
    """
    arrow = pa.Table.from_pylist(result.rows, schema=SCHEMA)
    arrow = arrow.replace_schema_metadata({"vitrail": to_json(provenance)})
    parquet.write(arrow, table)
    border = np.zeros((0, 2, 2)) if result.region is None else result.region.border
    arrays: dict[str, npt.NDArray[Any]] = {
        "compartment": result.compartment,
        "distance": result.distance,
        "border": border,
    }
    write_npz(cells, arrays)


def read_outlines(path: str | Path, scale: float = 1.0) -> npt.NDArray[np.object_]:
    """Polygons of a GeoParquet file or of a GeoJSON file (as QuPath and others export them).

    Parameters
    ----------
    path
        The file; GeoParquet where its name ends in ``.parquet``.
    scale
        Micrometres a unit of the file.

    Raises
    ------
    VitrailError
        If the file holds no polygon, or one that crosses itself.
    """
    try:
        shapes = _parquet_shapes(path) if Path(path).suffix == ".parquet" else _json_shapes(path)
    except (OSError, ValueError, TypeError, KeyError, shapely.errors.GEOSException) as error:
        raise VitrailError(
            f"{path}: found no outlines in it ({error}), wanted GeoParquet or GeoJSON."
        ) from None
    polygons = shapely.get_parts(shapes)
    kinds = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)
    polygons = polygons[np.isin(shapely.get_type_id(polygons), kinds)]
    if not len(polygons):
        raise VitrailError(f"{path}: has no polygon, wanted the outlines of the tumour.")
    for number, reason in enumerate(shapely.is_valid_reason(polygons), start=1):
        if reason != "Valid Geometry":
            raise VitrailError(f"{path}: polygon {number} is not valid: {reason}.")
    return np.asarray(shapely.transform(polygons, lambda xy: xy * scale), dtype=object)


def _parquet_shapes(path: str | Path) -> npt.NDArray[np.object_]:
    from vitrail.io.geoparquet import read_geoparquet

    return read_geoparquet(path)[1]


def _json_shapes(path: str | Path) -> npt.NDArray[np.object_]:
    content = json.loads(Path(path).read_text(encoding="utf-8"))
    features = content if isinstance(content, list) else content.get("features", [content])
    shapes = [json.dumps(feature.get("geometry", feature)) for feature in features]
    return np.asarray(shapely.from_geojson(shapes), dtype=object)
