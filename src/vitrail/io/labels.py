"""labels.zarr: the label images of cells and nuclei, written chunk by chunk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from vitrail import masks
from vitrail.errors import VitrailError
from vitrail.io.zarr_children import create_array
from vitrail.provenance import to_json

if TYPE_CHECKING:
    from vitrail.stitch.instances import Instances

CHUNK = 1024


class Labels:
    """Label images of a slide.

    Attributes
    ----------
    cells, nuclei
        zarr arrays (y, x), uint16 or int32 (see `label_dtype`), 0 = background.
    """

    def __init__(self, group: zarr.Group) -> None:
        self.cells: Any = group["cells"]
        self.nuclei: Any = group["nuclei"]


def open_labels(path: str | Path) -> Labels:
    """Open what `write_labels` wrote."""
    try:
        return Labels(zarr.open_group(str(path), mode="r"))
    except (FileNotFoundError, KeyError):
        raise VitrailError(
            f"{path}: no label images found; wanted: a zarr group with arrays 'cells' and 'nuclei'"
        ) from None


def label_dtype(labels: int) -> np.dtype[Any]:
    """The smaller of uint16 and int32 that holds the labels 0 to `labels`."""
    return np.dtype(np.uint16 if labels <= np.iinfo(np.uint16).max else np.int32)


def write_labels(
    path: str | Path,
    shape: tuple[int, int],
    cells: Instances,
    nuclei: Instances,
    provenance: Mapping[str, Any],
) -> None:
    """Paint instances that do not overlap into label images; instance i becomes label i + 1."""
    group = zarr.open_group(str(path), mode="w", attributes={"vitrail": to_json(provenance)})
    for name, instances in (("cells", cells), ("nuclei", nuclei)):
        _write(group, name, shape, instances)


def _write(group: zarr.Group, name: str, shape: tuple[int, int], instances: Instances) -> None:
    array = create_array(
        group,
        name,
        shape=shape,
        chunks=(min(CHUNK, shape[0]), min(CHUNK, shape[1])),
        dtype=label_dtype(len(instances)),
        fill_value=0,
        dimension_names=("y", "x"),
    )
    if len(instances) == 0:
        return
    height, width = array.chunks
    size = CHUNK
    start, members, columns = masks.bucket(instances.box, size)
    values = np.arange(1, len(instances) + 1, dtype=np.int32)
    for square in range(len(start) - 1):
        inside = members[start[square] : start[square + 1]]
        if len(inside) == 0:
            continue
        y0, x0 = square // columns * size, square % columns * size
        chunk = np.zeros((min(height, shape[0] - y0), min(width, shape[1] - x0)), np.int32)
        masks.paint(chunk, y0, x0, inside, values, instances.box, instances.mask, instances.offset)
        array[y0 : y0 + chunk.shape[0], x0 : x0 + chunk.shape[1]] = chunk
