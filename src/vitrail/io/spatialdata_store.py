"""A SpatialData store (zarr format 3) put together without importing spatialdata.

The store's own metadata are a few small JSON documents; importing spatialdata to write them costs
more than the rest of the job. Elements follow the container format 0.2 of spatialdata 0.7: raster
and shapes 0.3, points and tables 0.2.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import vitrail
from vitrail.io.link import link_tree

CONTAINER_VERSION = "0.2"
RASTER_VERSION = "0.3"
SHAPES_VERSION = "0.3"
TABLE_VERSION = "0.2"
NGFF_VERSION = "0.5-dev-spatialdata"
METADATA = "zarr.json"


@contextmanager
def new_store(path: str | Path) -> Iterator[Path]:
    """Begin a SpatialData store; its metadata are consolidated when the block ends.

    Without consolidated metadata that list them, `read_zarr` silently shows no elements.
    """
    root = Path(path)
    root.mkdir(parents=True)
    software = f"vitrail {vitrail.__version__}"
    attributes = {"version": CONTAINER_VERSION, "spatialdata_software_version": software}
    write_group(root, {"spatialdata_attrs": attributes})
    yield root
    _consolidate(root)


def _consolidate(root: Path) -> None:
    import zarr

    for kind in sorted(child.name for child in root.iterdir() if child.is_dir()):
        # The labels' group names its members, as OME-NGFF wants.
        names = sorted(child.name for child in (root / kind).iterdir() if child.is_dir())
        write_group(root / kind, {"ome": {"labels": names}} if kind == "labels" else {})
    with warnings.catch_warnings():
        # Parquet files inside of a zarr store, and its consolidated metadata, are what SpatialData
        # wants and what zarr warns of.
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(str(root), zarr_format=3)


def write_group(folder: Path, attributes: dict[str, Any]) -> None:
    """Write the metadata of a zarr group into an existing folder."""
    document = {"attributes": attributes, "zarr_format": 3, "node_type": "group"}
    (folder / METADATA).write_text(json.dumps(document, indent=2))


def take_element(source: Path, root: Path, kind: str, name: str) -> bool:
    """Take over a whole element from another store, metadata included.

    Returns
    -------
    Whether all its files could be linked instead of copied.
    """
    (root / kind).mkdir(exist_ok=True)
    return link_tree(source, root / kind / name)


def take_labels(
    array: Path, root: Path, name: str, pixel_size: float, origin: Sequence[float]
) -> bool:
    """Take over a zarr array (y, x) as a labels element; chunks are linked, metadata written anew.

    Parameters
    ----------
    array
        Folder of a zarr array, format 3.
    root
        The store.
    name
        The element's name.
    pixel_size, origin
        Micrometres a pixel, and (x, y) of the outer corner of pixel (0, 0).

    Returns
    -------
    Whether all chunks could be linked instead of copied.
    """
    element = root / "labels" / name
    element.mkdir(parents=True)
    linked = link_tree(array, element / "s0", leave_out=frozenset({METADATA}))
    document = json.loads((array / METADATA).read_text())
    document.update(attributes={}, dimension_names=["y", "x"])
    (element / "s0" / METADATA).write_text(json.dumps(document, indent=2))
    write_group(element, _labels_attributes(name, pixel_size, origin))
    return linked


def _labels_attributes(name: str, pixel_size: float, origin: Sequence[float]) -> dict[str, Any]:
    ends = between("y", "x")
    to_global = [
        {"type": "scale", "scale": [pixel_size, pixel_size], **ends},
        {"type": "translation", "translation": [origin[1], origin[0]], **ends},
    ]
    level = {
        "path": "s0",
        "coordinateTransformations": [{"type": "scale", "scale": [1.0, 1.0]}],
    }
    multiscale = {
        "datasets": [level],
        "name": name,
        "axes": [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}],
        "coordinateTransformations": [{"type": "sequence", "transformations": to_global, **ends}],
    }
    ome = {"version": NGFF_VERSION, "multiscales": [multiscale], "image-label": {"version": "0.5"}}
    return {"ome": ome, "spatialdata_attrs": {"version": RASTER_VERSION}}


def shapes_element(root: Path, name: str) -> Path:
    """Begin a shapes element in micrometres; gives back where its GeoParquet file belongs."""
    element = root / "shapes" / name
    element.mkdir(parents=True)
    attributes = {
        "encoding-type": "ngff:shapes",
        "axes": ["x", "y"],
        "coordinateTransformations": [{"type": "identity", **between("x", "y")}],
        "spatialdata_attrs": {"version": SHAPES_VERSION},
    }
    write_group(element, attributes)
    return element / "shapes.parquet"


def table_element(root: Path, name: str, h5ad: Path) -> None:
    """Write an AnnData file as a table.

    What it annotates is taken from its ``uns["spatialdata_attrs"]``; nothing where that is absent.
    """
    import h5py
    import zarr

    from vitrail.io.h5_to_zarr import copy_group

    element = root / "tables" / name
    element.mkdir(parents=True)
    group = zarr.open_group(str(element), mode="w", zarr_format=3)
    with h5py.File(h5ad) as file:
        copy_group(file, group)
        keys = file.get("uns/spatialdata_attrs", {})
        annotates = {key: keys[key].asstr()[()] for key in keys}
    group.attrs.update(
        {
            "spatialdata-encoding-type": "ngff:regions_table",
            "region": None,
            "region_key": None,
            "instance_key": None,
            "version": TABLE_VERSION,
            **annotates,
        }
    )


def between(*axes: str) -> dict[str, Any]:
    """Input and output of a transformation from the element's own axes to `global`."""
    described = [{"name": axis, "type": "space", "unit": "unit"} for axis in axes]
    return {
        "input": {"name": "".join(axes), "axes": described},
        "output": {"name": "global", "axes": described},
    }
