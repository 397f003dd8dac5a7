"""Shapes of a SpatialData store: GeoParquet files whose rows are indexed by the cell's label.

Geometries pass through as well-known binary, one row group at a time, without geopandas.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from vitrail.errors import VitrailError
from vitrail.io import parquet

BATCH_ROWS = 1 << 14


def write_outlines(source: str | Path, target: str | Path, index: str) -> None:
    """Copy outlines so that geopandas reads them with the column `index` as index.

    Parameters
    ----------
    source
        GeoParquet file with the columns `index` and ``geometry``.
    target
        File to be made.
    index
        Column of the label that is the key of a row.
    """
    with parquet.open_file(source) as file:
        schema = file.schema_arrow
        metadata = dict(schema.metadata or {})
        if index not in schema.names or b"geo" not in metadata:
            raise VitrailError(
                f"{source}: columns are {', '.join(schema.names)}, "
                f"wanted GeoParquet with '{index}' and 'geometry'."
            )
        metadata[b"pandas"] = _pandas_metadata(schema, index)
        schema = schema.with_metadata(metadata)
        with pq.ParquetWriter(target, schema, **parquet.WRITING) as writer:
            for batch in file.iter_batches(batch_size=BATCH_ROWS):
                writer.write_table(pa.table(batch.columns, schema=schema))


def write_circles(
    target: str | Path, index: str, labels: npt.ArrayLike, xy: npt.ArrayLike, radius: npt.ArrayLike
) -> None:
    """Write circles, for cells that have a position and no outline.

    Parameters
    ----------
    target
        File to be made.
    index
        Name of the column of labels.
    labels
        Integer array (n,), the key of each row.
    xy
        float64 array (n, 2), centres in micrometres.
    radius
        Radius in micrometres, one or n.
    """
    import shapely

    centres = np.asarray(xy, dtype=np.float64)
    columns = {
        index: np.asarray(labels),
        "geometry": shapely.to_wkb(shapely.points(centres)),
        "radius": np.broadcast_to(np.asarray(radius, dtype=np.float64), len(centres)),
    }
    types = {"geometry": pa.binary()}
    table = pa.table({name: pa.array(v, types.get(name)) for name, v in columns.items()})
    box = [*centres.min(axis=0).tolist(), *centres.max(axis=0).tolist()]
    geometry = {"encoding": "WKB", "crs": None, "geometry_types": ["Point"], "bbox": box}
    geo = {"primary_column": "geometry", "columns": {"geometry": geometry}, "version": "1.1.0"}
    metadata = {"geo": json.dumps(geo), "pandas": _pandas_metadata(table.schema, index)}
    parquet.write(table.replace_schema_metadata(metadata), target)


def _pandas_metadata(schema: pa.Schema, index: str) -> bytes:
    """What pandas needs to know to make `index` the index."""
    columns: list[dict[str, Any]] = [
        {
            "name": field.name,
            "field_name": field.name,
            "pandas_type": _pandas_type(field.type),
            "numpy_type": str(field.type) if pa.types.is_primitive(field.type) else "object",
            "metadata": None,
        }
        for field in schema
        if not pa.types.is_dictionary(field.type)
    ]
    document = {
        "index_columns": [index],
        "column_indexes": [],
        "columns": columns,
        "pandas_version": "2.2.0",
    }
    return json.dumps(document).encode()


def _pandas_type(kind: pa.DataType) -> str:
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "unicode"
    return "bytes" if pa.types.is_binary(kind) else str(kind)
