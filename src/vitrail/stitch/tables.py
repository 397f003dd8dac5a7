"""What is written about the stitched instances: one row each, and the account of the seams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vitrail.coordinates import pixel_centre
from vitrail.stitch import Stitched
from vitrail.stitch.instances import Instances
from vitrail.stitch.seams import check_excess, seam_counts
from vitrail.tile import Tiles

if TYPE_CHECKING:
    from vitrail.io.frame import Frame


def label_columns(kind: str, stitched: Stitched) -> dict[str, Any]:
    """The columns that name an instance: `cell`, or `nucleus` and the `cell` that it belongs to."""
    labels = np.arange(1, len(getattr(stitched, kind)) + 1, dtype=np.int32)
    if kind == "cells":
        return {"cell": labels}
    return {"nucleus": labels, "cell": stitched.cell_of_nucleus}


def instance_columns(instances: Instances, tiles: Tiles, frame: Frame) -> dict[str, Any]:
    """Columns of cells.parquet and nuclei.parquet, without label and outline.

    Centroids (micrometres) are those of the pixels; `seam` is true where the box of an instance
    touches a border between tiles; `source` is null for instances that were segmented here.
    """
    y, x = instances.centroid().T
    ids = instances.source_id
    return {
        "centroid_x": pixel_centre(x, frame.pixel_size, frame.origin[0]),
        "centroid_y": pixel_centre(y, frame.pixel_size, frame.origin[1]),
        "area_um2": instances.area * frame.pixel_size**2,
        "score": instances.score,
        "seam": _touches_seam(instances, tiles),
        "source": pa.array(ids.tolist(), pa.string(), mask=ids == ""),
    }


def _touches_seam(instances: Instances, tiles: Tiles) -> npt.NDArray[np.bool_]:
    touches = np.zeros(len(instances), bool)
    for axis, lines in enumerate(tiles.seams()):
        first = np.searchsorted(lines, instances.box[:, axis], side="left")
        last = np.searchsorted(lines, instances.box[:, axis + 2], side="right")
        touches |= last > first
    return touches


def seam_report(
    stitched: Stitched,
    labels: Any,
    tiles: Tiles,
    frame: Frame,
    max_seam_excess: float | None,
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """Content of seams.json.

    Parameters
    ----------
    stitched, tiles
        The instances and what they were stitched from.
    labels
        Their label images, with attributes `cells` and `nuclei`.
    frame
        Pixel size and origin of the slide.
    max_seam_excess
        Largest allowed share of cut cells at seams beyond that at mock seams; None for no limit.
    """
    seams = seam_counts(labels.cells, stitched.cells.area, tiles)
    mock = seam_counts(labels.cells, stitched.cells.area, tiles, mock=True)
    account = stitched.account["cells"]
    return {
        "cells": len(stitched.cells),
        "nuclei": len(stitched.nuclei),
        "nuclei_without_cell": int(np.count_nonzero(stitched.cell_of_nucleus == 0)),
        "tiles": len(tiles),
        "candidates": account["candidates"],
        "matched": account["matched"],
        "contested_px": account["contested_px"],
        "vanished": account["vanished"],
        **asdict(seams),
        "mock": asdict(mock),
        "excess": check_excess(seams, mock, max_seam_excess),
        "larger_than_overlap": _large(stitched.cells, frame),
        "nucleus_account": stitched.account["nuclei"],
        "provenance": dict(provenance),
    }


def _large(cells: Instances, frame: Frame) -> list[dict[str, Any]]:
    """Label and position of the cells that no tile saw whole."""
    centroid = cells.centroid()
    return [
        {
            "cell": int(i) + 1,
            "x_um": float(pixel_centre(centroid[i, 1], frame.pixel_size, frame.origin[0])),
            "y_um": float(pixel_centre(centroid[i, 0], frame.pixel_size, frame.origin[1])),
            "height_px": int(cells.box[i, 2] - cells.box[i, 0]),
            "width_px": int(cells.box[i, 3] - cells.box[i, 1]),
        }
        for i in np.flatnonzero(cells.cut)
    ]
