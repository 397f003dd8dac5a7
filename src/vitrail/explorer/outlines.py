"""Outlines of cells and nuclei for the viewer, ``cells.zarr.zip``: few corners each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from vitrail.explorer.archive import Archive

GROUP = {
    "major_version": 5,
    "minor_version": 0,
    "name": "CellSegmentationDataset",
    "polygon_set_descriptions": ["NA", "NA"],
    "polygon_set_display_names": ["Nucleus boundaries", "Cell boundaries"],
    "polygon_set_names": ["nucleus", "cell"],
    "spatial_units": "microns",
}
SUMMARY = {
    "cell_centroid_x": "Cell centroid in X",
    "cell_centroid_y": "Cell centroid in Y",
    "cell_area": "Cell area",
    "nucleus_centroid_x": "Nucleus centroid in X",
    "nucleus_centroid_y": "Nucleus centroid in Y",
    "nucleus_area": "Nucleus area",
    "z_level": "z_level",
}
# First tolerance of simplification in micrometres, doubled until the corners suffice.
TOLERANCE = 0.1

Geometries = npt.NDArray[np.object_]


def write_outlines(path: Path, cells: Geometries, nuclei: Geometries, corners: int) -> None:
    """Write the outlines of n cells and of the nucleus of each.

    Parameters
    ----------
    path
        File to be made.
    cells, nuclei
        n polygons or multipolygons each, micrometres from the image's corner; a nucleus may be
        empty. Of several parts the largest is drawn.
    corners
        Corners that an outline may have, the first repeated at the end.
    """
    count = len(cells)
    shapes = [_drawn(nuclei, corners), _drawn(cells, corners)]
    vertices = np.stack([_padded(part, corners) for part in shapes])
    lengths = np.stack([shapely.get_num_coordinates(part) for part in shapes])
    half = max(1, -(-count // 2))
    with Archive(path) as archive:
        archive.group("", {**GROUP, "number_cells": count})
        archive.array("polygon_vertices", vertices, np.float32, chunks=(1, half, 2 * corners))
        archive.array("polygon_num_vertices", lengths, np.int32, chunks=(1, half))
        archive.array("cell_id", cell_ids(count), np.uint32, chunks=(half, 1))
        archive.array("seg_mask_value", np.arange(1, count + 1), np.uint32, chunks=(half,))
        described = {
            "column_names": list(SUMMARY),
            "column_descriptions": list(SUMMARY.values()),
        }
        archive.array("cell_summary", _summary(cells, nuclei), np.float64, attributes=described)


def cell_ids(count: int) -> npt.NDArray[np.uint32]:
    """Ids of cells, (n, 2): number from 0 and the data set's suffix."""
    ids = np.ones((count, 2), dtype=np.uint32)
    ids[:, 0] = np.arange(count)
    return ids


def _summary(cells: Geometries, nuclei: Geometries) -> npt.NDArray[np.float64]:
    columns: list[Any] = []
    for part in (cells, nuclei):
        # An empty shape has no centre: its place is taken by 0, 0.
        centre = np.zeros((len(part), 2))
        there = ~shapely.is_empty(part)
        centre[there] = shapely.get_coordinates(shapely.centroid(part[there]))
        columns += [*centre.T, shapely.area(part)]
    columns.append(np.zeros(len(cells)))
    return np.stack(columns, axis=1).astype(np.float64)


def _drawn(shapes: Geometries, corners: int) -> Geometries:
    """The largest part of each shape, without holes, with no more corners than may be."""
    drawn = np.array([_largest(shape) for shape in shapes], dtype=object)
    tolerance = TOLERANCE
    many = shapely.get_num_coordinates(drawn) > corners
    while many.any():
        # From what was simplified before: corners only become fewer, down to a triangle.
        drawn[many] = shapely.simplify(drawn[many], tolerance)
        tolerance *= 2
        many = shapely.get_num_coordinates(drawn) > corners
    return drawn


def _largest(shape: shapely.Geometry) -> shapely.Geometry:
    parts = shapely.get_parts(shape)
    if not len(parts):
        return shapely.Polygon()
    return shapely.Polygon(shapely.get_exterior_ring(parts[np.argmax(shapely.area(parts))]))


def _padded(shapes: Geometries, corners: int) -> npt.NDArray[np.float64]:
    """Corners x, y, x, y, ... of each shape; the last one is repeated to the end."""
    out = np.zeros((len(shapes), corners, 2))
    for row, shape in zip(out, shapes, strict=True):
        xy = shapely.get_coordinates(shape)
        if len(xy):
            row[: len(xy)] = xy
            row[len(xy) :] = xy[-1]
    return out.reshape(len(shapes), 2 * corners)
