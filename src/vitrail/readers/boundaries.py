"""Given outlines of cells or nuclei: GeoParquet, a column of WKB, or a table of corners."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from vitrail.errors import VitrailError
from vitrail.readers.delimited import (
    check_columns,
    column_names,
    is_parquet,
    open_parquet,
    read_batches,
)
from vitrail.readers.format import BoundaryFormat
from vitrail.readers.placement import Frame, to_global

Geometries = npt.NDArray[np.object_]
NAME = pa.dictionary(pa.int32(), pa.string())
POLYGONS = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)
# Repair in other software leaves polygons among lines and points: the polygons are kept.
OUTLINES = (*POLYGONS, shapely.GeometryType.GEOMETRYCOLLECTION)


@dataclass(frozen=True)
class Boundaries:
    """Outlines in micrometres, and what became of those in the file.

    Attributes
    ----------
    ids
        The file's own ids.
    geometry
        Valid, non-empty shapely polygons and multipolygons.
    in_file
        Outlines of the file (of the chosen plane).
    degenerate
        Outlines without an area, left out.
    repaired
        Outlines that crossed themselves and were made valid.
    outside_region
        Outlines that do not touch the region, left out.
    """

    ids: list[str]
    geometry: Geometries
    in_file: int
    degenerate: int
    repaired: int
    outside_region: int

    def bounds(self) -> tuple[float, float, float, float]:
        """Least x and y and greatest x and y; infinite if there is no outline."""
        if not len(self.geometry):
            return np.inf, np.inf, -np.inf, -np.inf
        x0, y0, x1, y1 = shapely.total_bounds(self.geometry).tolist()
        return x0, y0, x1, y1

    def account(self) -> dict[str, int]:
        """The counts, by name."""
        return {
            "in_file": self.in_file,
            "degenerate": self.degenerate,
            "repaired": self.repaired,
            "outside_region": self.outside_region,
            "kept": len(self.ids),
        }


class BoundarySource:
    """Outlines of cells or nuclei.

    Parameters
    ----------
    path
        csv, csv.gz or parquet.
    form
        Its columns and placement.
    z
        The sheet's plane, for files with an outline a plane.
    """

    def __init__(self, path: str, form: BoundaryFormat, z: int | str | None) -> None:
        self.path = path
        self.form = form
        found = column_names(path, form.delimiter)
        self._geometry = self._geometry_column()
        columns = dict(form.columns)
        columns["geometry"] = self._geometry
        if self._geometry is not None:
            columns["x"] = columns["y"] = None
        check_columns(path, found, columns, "boundaries")
        if columns["cell"] is None:
            raise VitrailError("boundaries.columns.cell is empty, wanted the column of the ids.")
        self._columns = {role: name for role, name in columns.items() if name is not None}
        self._plane = self._chosen_plane(z)

    def read(self, frame: Frame, region: tuple[float, float, float, float] | None) -> Boundaries:
        """Outlines in micrometres, in the order of the file.

        Parameters
        ----------
        frame
            The slide that the file's positions are mapped to.
        region
            (x0, y0, x1, y1) in micrometres: outlines that do not touch it are left out.
        """
        ids, geometry = self.outlines()
        in_file = len(ids)
        matrix = to_global(self.form.placement, frame, self.path)
        geometry = shapely.transform(
            shapely.force_2d(geometry), lambda xy: xy @ matrix[:, :2].T + matrix[:, 2]
        )
        geometry, repaired = _valid(geometry)
        solid = shapely.area(geometry) > 0
        if self.form.grow_px:
            by = self.form.grow_px * frame.pixel_size
            geometry[solid] = shapely.buffer(geometry[solid], by, join_style="mitre")
        keep = solid
        if region is not None:
            keep = solid & shapely.intersects(geometry, shapely.box(*region))
        return Boundaries(
            ids=[name for name, kept in zip(ids, keep.tolist(), strict=True) if kept],
            geometry=geometry[keep],
            in_file=in_file,
            degenerate=int(np.count_nonzero(~solid)),
            repaired=int(np.count_nonzero(repaired & solid)),
            outside_region=int(np.count_nonzero(solid & ~keep)),
        )

    def outlines(self) -> tuple[list[str], Geometries]:
        """Ids and outlines as the file has them, one an id, in the order of the file."""
        return self._wkb() if self._geometry is not None else self._corners()

    def _geometry_column(self) -> str | None:
        """Column of WKB: the one that the format names, or GeoParquet's primary column."""
        named = self.form.columns["geometry"]
        if named is not None or not is_parquet(self.path):
            return named
        geo = (open_parquet(self.path).schema_arrow.metadata or {}).get(b"geo")
        return None if geo is None else str(json.loads(geo)["primary_column"])

    def _chosen_plane(self, z: int | str | None) -> int | str | None:
        if "plane" not in self._columns:
            return None
        plane = self.form.plane if self.form.plane is not None else z
        if plane == "union" or isinstance(plane, int):
            return plane
        raise VitrailError(
            f"{self.path}: has an outline a plane, wanted the format's boundaries.plane to be "
            "'union' or an index, or the sheet's column z to be an index."
        )

    def _read(self, types: dict[str, pa.DataType]) -> dict[str, pa.ChunkedArray]:
        if "plane" in self._columns:
            types = {**types, "plane": pa.float64()}
        wanted = {self._columns[role]: kind for role, kind in types.items()}
        batches = list(read_batches(self.path, wanted, self.form.delimiter))
        empty = pa.schema(list(wanted.items())).empty_table()
        table = pa.concat_tables([empty, *batches])
        if isinstance(self._plane, int):
            planes = table[self._columns["plane"]].to_numpy()
            table = table.filter(pa.array(planes == self._plane))
            if not table.num_rows:
                found = ", ".join(f"{value:g}" for value in np.unique(planes))
                raise VitrailError(
                    f"{self.path}: has no outline in plane {self._plane} (found {found})."
                )
        return {role: table[name] for role, name in self._columns.items() if name in wanted}

    def _wkb(self) -> tuple[list[str], Geometries]:
        columns = self._read({"cell": pa.string(), "geometry": pa.binary()})
        try:
            shapes = np.asarray(shapely.from_wkb(columns["geometry"].to_numpy()), dtype=object)
        except shapely.errors.ShapelyError as error:
            raise VitrailError(
                f"{self.path}: column '{self._geometry}' does not hold well-known binary ({error})."
            ) from None
        ids = columns["cell"].to_pylist()
        self._check_ids(ids)
        # A row without a geometry is an outline without an area: left out and counted.
        shapes[shapely.is_missing(shapes)] = shapely.Polygon()
        other = np.flatnonzero(~np.isin(shapely.get_type_id(shapes), OUTLINES))
        if len(other):
            raise VitrailError(
                f"{self.path}: column '{self._geometry}' holds a {shapes[other[0]].geom_type} "
                f"(cell {ids[other[0]]}, {len(other) - 1} more rows), wanted polygons."
            )
        return joined(ids, shapes)

    def _corners(self) -> tuple[list[str], Geometries]:
        columns = self._read({"cell": NAME, "x": pa.float64(), "y": pa.float64()})
        cell = pa.chunked_array(columns["cell"]).unify_dictionaries().combine_chunks()
        if isinstance(cell, pa.ChunkedArray):  # as arrow gives an empty one
            return [], np.zeros(0, dtype=object)
        names = cell.dictionary.to_pylist()
        self._check_ids([None] if cell.null_count else names)
        planes = columns["plane"].to_numpy() if "plane" in columns else None
        xy = np.stack([columns["x"].to_numpy(), columns["y"].to_numpy()], axis=1)
        codes, shapes = from_corners(self.path, cell.indices.to_numpy(), xy, planes)
        return joined([names[k] for k in codes.tolist()], shapes)

    def _check_ids(self, ids: list[str | None]) -> None:
        if None in ids or "" in ids:
            raise VitrailError(
                f"{self.path}: column '{self._columns['cell']}' is empty in a row, wanted an id."
            )


def from_corners(
    path: str,
    codes: npt.NDArray[np.integer],
    xy: npt.NDArray[np.float64],
    planes: npt.NDArray[np.float64] | None = None,
) -> tuple[npt.NDArray[np.integer], Geometries]:
    """Polygons from a table of corners.

    Parameters
    ----------
    path
        The table, for the message.
    codes
        Number of the outline of each corner.
    xy
        float64 (n, 2), the corners of each outline in order.
    planes
        Plane of each corner, where an outline has several.

    Returns
    -------
    Number and polygon of each outline (and plane), in the order in which the table begins them.
    """
    if not np.isfinite(xy).all():
        raise VitrailError(f"{path}: holds a corner whose position is not a number.")
    owner = _in_order_of_appearance(codes)
    planes = np.zeros(len(owner)) if planes is None else planes
    # A stable sort keeps the corners of one outline in the order of the file.
    order = np.lexsort((planes, owner))
    owner, planes = owner[order], planes[order]
    new = np.ones(len(owner), dtype=bool)
    new[1:] = (owner[1:] != owner[:-1]) | (planes[1:] != planes[:-1])
    start = np.append(np.flatnonzero(new), len(owner))
    return codes[order][start[:-1]], _polygons(xy[order], start)


def _in_order_of_appearance(codes: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Codes numbered anew by where each first occurs."""
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def _polygons(xy: npt.NDArray[np.float64], start: npt.NDArray[np.int64]) -> Geometries:
    """One polygon for each run of corners; fewer than three corners make an empty one."""
    count = np.diff(start)
    result = np.full(len(count), shapely.Polygon(), dtype=object)
    # Some files repeat the first corner at the end, some do not.
    closed = (xy[start[:-1]] == xy[start[1:] - 1]).all(axis=1) & (count > 1)
    enough = count - closed >= 3
    member = np.repeat(enough, count)
    ring = np.repeat(np.cumsum(enough) - 1, count)[member]
    if enough.any():
        result[enough] = shapely.polygons(shapely.linearrings(xy[member], indices=ring))
    return result


def joined(ids: list[str], shapes: Geometries) -> tuple[list[str], Geometries]:
    """One outline an id: parts of one id (its planes) are united."""
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(ids):
        rows.setdefault(name, []).append(row)
    if len(rows) == len(ids):
        return ids, shapes
    united = np.empty(len(rows), dtype=object)
    for i, members in enumerate(rows.values()):
        parts = shapes[members]
        one = parts[0] if len(members) == 1 else shapely.union_all(shapely.make_valid(parts))
        united[i] = one
    return list(rows), united


def _valid(shapes: Geometries) -> tuple[Geometries, npt.NDArray[np.bool_]]:
    """Shapes without self-crossings, and which ones had some."""
    wrong = ~shapely.is_valid(shapes)
    mixed = ~np.isin(shapely.get_type_id(shapes), POLYGONS)
    result = shapes.copy()
    if wrong.any():
        result[wrong] = shapely.make_valid(shapes[wrong])
    for i in np.flatnonzero(wrong | mixed):
        result[i] = _areas_only(result[i])
    return result, wrong


def _areas_only(shape: shapely.Geometry) -> shapely.Geometry:
    """The polygons of a repaired shape, without the lines and points that repair can leave."""
    parts = shapely.get_parts(shape)
    while np.any(shapely.get_type_id(parts) >= shapely.GeometryType.MULTIPOINT):
        parts = shapely.get_parts(parts)
    parts = parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(list(parts))
