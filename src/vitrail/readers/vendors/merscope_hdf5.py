"""Outlines of MERSCOPE software before 2023: one HDF5 file a field of view.

``featuredata/<cell>/zIndex_<plane>/p_<part>/coordinates`` is an array (1, corners, 2) of
micrometres.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import shapely

from vitrail.errors import VitrailError
from vitrail.readers.boundaries import BoundarySource, Geometries, joined
from vitrail.readers.format import BoundaryFormat

PLANE = "zIndex_"


class Hdf5Boundaries(BoundarySource):
    """Outlines of cells, one file a field of view.

    Parameters
    ----------
    files
        The files, in the order of the fields of view.
    form
        Its ``plane`` names the plane, or ``union`` for all planes of a cell joined.
    """

    def __init__(self, files: list[str], form: BoundaryFormat) -> None:
        self.path = files[0]
        self.form = form
        self._files = files

    def outlines(self) -> tuple[list[str], Geometries]:
        """Ids and outlines in the order of the files and of the cells in them."""
        ids: list[str] = []
        shapes: list[shapely.Geometry] = []
        planes: set[str] = set()
        for path in self._files:
            for cell, plane, corners in _polygons(path):
                planes.add(plane)
                if self.form.plane in ("union", int(plane)):
                    ids.append(cell)
                    shapes.append(_polygon(corners))
        if planes and not ids:
            found = ", ".join(sorted(planes, key=int))
            raise VitrailError(
                f"{self.path}: has no outline in plane {self.form.plane} (found {found})."
            )
        return joined(ids, np.array(shapes, dtype=object))


def _polygons(path: str) -> Iterator[tuple[str, str, Any]]:
    """(cell, plane, corners) of a file."""
    import h5py

    try:
        with h5py.File(path) as file:
            for cell, planes in file["featuredata"].items():
                for name, parts in planes.items():
                    if not name.startswith(PLANE):
                        continue
                    for part in parts.values():
                        yield cell, name.removeprefix(PLANE), part["coordinates"][0]
    except (OSError, KeyError, AttributeError, RuntimeError) as error:
        raise VitrailError(
            f"{path}: is not a complete file of outlines ({error}), wanted HDF5 with the group "
            "'featuredata'; is it truncated or still being copied?"
        ) from None


def _polygon(corners: Any) -> shapely.Geometry:
    return shapely.Polygon(corners) if len(corners) > 2 else shapely.Polygon()
