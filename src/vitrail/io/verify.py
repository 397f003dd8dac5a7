"""Which of a job's input files cannot be read: asked when a job has failed, not before."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from vitrail.io.seal import broken_seal


def first_unreadable(paths: Iterable[str | Path]) -> tuple[str, str] | None:
    """Read files to their end, checksums included, and tell of the first that cannot be read.

    Parameters
    ----------
    paths
        Files and folders; those of a kind that is not known here are passed over.

    Returns
    -------
    Path of the file and what was found there, or None.
    """
    for path in paths:
        for file in _files(Path(path)):
            found = _problem(file)
            if found:
                return str(file), found
    return None


def _files(path: Path) -> list[Path]:
    """Files to read; an array of a store is one of them, as its folder."""
    if not path.is_dir():
        return [path]
    metadata = sorted(path.rglob("zarr.json"))
    arrays = [file.parent for file in metadata if _is_array(file)]
    tables = [file for file in sorted(path.rglob("*.parquet")) if file.is_file()]
    return metadata + arrays + tables


def _is_array(metadata: Path) -> bool:
    try:
        return bool(json.loads(metadata.read_text())["node_type"] == "array")
    except (ValueError, KeyError, TypeError, OSError):
        return False


def _problem(path: Path) -> str | None:
    if not path.exists():
        return "it is not there"
    read = _read_array if path.is_dir() else READERS.get(path.suffix)
    if read is None:
        return None
    try:
        return read(path)
    # Each format has errors of its own for broken files; any of them is the answer.
    except Exception as error:
        return _first_line(error)


def _read_json(path: Path) -> None:
    json.loads(path.read_text(encoding="utf-8"))


def _read_parquet(path: Path) -> None:
    from vitrail.io import parquet

    with parquet.open_file(path) as file:
        for group in range(file.num_row_groups):
            file.read_row_group(group)


def _read_archive(path: Path) -> str | None:
    with zipfile.ZipFile(path) as archive:
        broken = archive.testzip()
    return f"its member '{broken}' does not have its checksum" if broken else None


def _read_h5(path: Path) -> str | None:
    broken = broken_seal(path)
    if broken:
        return broken
    import h5py

    def read(_: str, item: Any) -> None:
        if not isinstance(item, h5py.Dataset) or item.shape is None:
            return
        if item.chunks is None:
            item[()]
        else:
            for part in item.iter_chunks():
                item[part]

    with h5py.File(path) as file:
        file.visititems(read)
    return None


def _read_array(folder: Path) -> str | None:
    import itertools

    import zarr

    array = zarr.open_array(str(folder), mode="r")
    for place in itertools.product(*(range(count) for count in array.cdata_shape)):
        box = tuple(
            slice(index * size, (index + 1) * size)
            for index, size in zip(place, array.chunks, strict=True)
        )
        try:
            array[box]
        except Exception as error:
            return f"its chunk {'/'.join(map(str, place))} does not decode: {_first_line(error)}"
    return None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


READERS: dict[str, Callable[[Path], str | None]] = {
    ".json": _read_json,
    ".parquet": _read_parquet,
    ".npz": _read_archive,
    ".h5ad": _read_h5,
}
