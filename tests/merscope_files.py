"""A planted slide as the folder of a MERSCOPE region, with outlines of old and new software."""

import json

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
import tifffile
from pyarrow import csv

PIXEL_SIZE = 0.108
# Micrometres of the vendor's frame at the outer corner of the mosaic.
CORNER = (6400.5, -120.25)
FIRST_CELL = 614155123100000001


def to_microns(pixels):
    return np.asarray(pixels) * PIXEL_SIZE + CORNER


def cell_name(label):
    return FIRST_CELL + 3 * label


def write_region(folder, planted, *, outlines="parquet", planes=None, cell_id=True):
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    scale = 1 / PIXEL_SIZE
    rows = [[scale, 0, -CORNER[0] * scale], [0, scale, -CORNER[1] * scale], [0, 0, 1]]
    text = "\n".join(" ".join(f"{value:.18e}" for value in row) for row in rows)
    (images / "micron_to_mosaic_pixel_transform.csv").write_text(text + "\n")
    for index, stain in enumerate(planted.channels):
        for plane in planes or range(planted.planes):
            pixels = planted.stack[index, plane]
            tifffile.imwrite(images / f"mosaic_{stain}_z{plane}.tif", pixels, rowsperstrip=16)
    _write_transcripts(folder, planted, cell_id)
    write_outlines = _write_hdf5 if outlines == "hdf5" else _write_parquet
    write_outlines(folder, planted)
    return folder


def _write_transcripts(folder, planted, cell_id):
    xy = to_microns(planted.xy)
    count = len(xy)
    columns = {
        "": np.arange(count) * 2,
        "barcode_id": np.zeros(count, int),
        "global_x": xy[:, 0],
        "global_y": xy[:, 1],
        "global_z": planted.z.astype(float),
        "x": planted.xy[:, 0].astype(np.float32),
        "y": planted.xy[:, 1].astype(np.float32),
        "fov": np.zeros(count, int),
        "gene": planted.gene,
        "transcript_id": [f"ENS{i:08}" for i in range(count)],
    }
    if cell_id:
        owner = planted.owner.tolist()
        columns["cell_id"] = [cell_name(label) if label else -1 for label in owner]
    csv.write_csv(pa.table(columns), folder / "detected_transcripts.csv")


def corners(planted, label, plane):
    """Outline in micrometres; in the upper planes it is smaller."""
    return to_microns(planted.outline(label, nucleus=plane > 1))


def _write_parquet(folder, planted):
    rows = [(label, plane) for label in planted.labels for plane in range(planted.planes)]
    shapes = [shapely.MultiPolygon([shapely.Polygon(corners(planted, *row))]) for row in rows]
    table = pa.table(
        {
            "ID": pa.array(range(len(rows)), pa.int64()),
            "EntityID": pa.array([cell_name(label) for label, _ in rows], pa.int64()),
            "ZIndex": pa.array([plane for _, plane in rows], pa.int64()),
            "Geometry": pa.array(shapely.to_wkb(np.array(shapes, dtype=object)), pa.binary()),
            "Type": ["cell"] * len(rows),
            "ZLevel": [1.5 * (plane + 1) for _, plane in rows],
        }
    )
    column = {"encoding": "WKB", "geometry_types": ["MultiPolygon"], "crs": None}
    geo = {"version": "1.0.0", "primary_column": "Geometry", "columns": {"Geometry": column}}
    table = table.replace_schema_metadata({"geo": json.dumps(geo)})
    pq.write_table(table, folder / "cell_boundaries.parquet")


def _write_hdf5(folder, planted):
    (folder / "cell_boundaries").mkdir()
    labels = list(planted.labels)
    for fov, part in enumerate((labels[: len(labels) // 2], labels[len(labels) // 2 :])):
        # Field of view 10 sorts behind 9 only by its number.
        with h5py.File(folder / f"cell_boundaries/feature_data_{9 + fov}.hdf5", "w") as file:
            for label in part:
                group = file.create_group(f"featuredata/{cell_name(label)}")
                group["z_coordinates"] = np.arange(planted.planes) * 1.5
                for plane in range(planted.planes):
                    place = f"zIndex_{plane}/p_0/coordinates"
                    group[place] = corners(planted, label, plane)[None]
