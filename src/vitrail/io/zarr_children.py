"""Members of a zarr group on a disk, made without hard links.

To make a member through its group, zarr also writes the metadata of all groups above it if they are
not there, and on a disk it finds that out by a hard link, which some file systems do not have. As
the root of a store of its own, a member has nothing above it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import zarr


def create_array(group: zarr.Group, name: str, **options: Any) -> zarr.Array:
    """Make an array in a group; options as for `zarr.create_array`."""
    return zarr.create_array(
        str(_folder(group) / name), zarr_format=group.metadata.zarr_format, **options
    )


def create_group(group: zarr.Group, name: str, attributes: dict[str, Any]) -> zarr.Group:
    """Make a group in a group."""
    return zarr.open_group(
        str(_folder(group) / name),
        mode="w",
        zarr_format=group.metadata.zarr_format,
        attributes=attributes,
    )


def _folder(group: zarr.Group) -> Path:
    store = group.store
    if not isinstance(store, zarr.storage.LocalStore):
        raise TypeError(f"the group is in a {type(store).__name__}, wanted one on a disk")
    return Path(store.root) / group.path
