"""Zipped zarr archives of format 2, as the viewer reads them.

Written directly: a zip file cannot take a name twice, and zarr's own writer creates groups before
their attributes are known. Entries carry no time, so equal contents are equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numcodecs
import numpy as np
import numpy.typing as npt

COMPRESSOR = numcodecs.Blosc(cname="lz4", clevel=5, shuffle=numcodecs.Blosc.SHUFFLE)


class Archive:
    """An archive while it is being written; each group and array once, in any order.

    Parameters
    ----------
    path
        File to be made.
    """

    def __init__(self, path: Path) -> None:
        self._zip = ZipFile(path, "w", ZIP_STORED, allowZip64=True)

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._zip.close()

    def group(self, path: str, attributes: Mapping[str, Any] | None = None) -> None:
        """Write a group; the root is the empty path."""
        self._json(_join(path, ".zgroup"), {"zarr_format": 2})
        if attributes:
            self._json(_join(path, ".zattrs"), attributes)

    def array(
        self,
        path: str,
        values: npt.ArrayLike,
        dtype: npt.DTypeLike,
        *,
        chunks: tuple[int, ...] | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        """Write an array; one chunk unless told otherwise."""
        array = np.asarray(values).astype(np.dtype(dtype).newbyteorder("<"))
        edges = tuple(max(1, edge) for edge in (chunks or array.shape))
        document = {
            "zarr_format": 2,
            "shape": list(array.shape),
            "chunks": list(edges),
            "dtype": array.dtype.str,
            "compressor": COMPRESSOR.get_config(),
            "fill_value": 0,
            "order": "C",
            "filters": None,
        }
        self._json(_join(path, ".zarray"), document)
        if attributes:
            self._json(_join(path, ".zattrs"), attributes)
        counts = [-(-length // edge) for length, edge in zip(array.shape, edges, strict=True)]
        for index in np.ndindex(*counts):
            start = [i * edge for i, edge in zip(index, edges, strict=True)]
            part = array[tuple(slice(a, a + e) for a, e in zip(start, edges, strict=True))]
            if part.shape != edges:  # chunks at the end are as large as all others
                short = [(0, e - n) for e, n in zip(edges, part.shape, strict=True)]
                part = np.pad(part, short)
            name = ".".join(str(i) for i in index)
            self._write(_join(path, name), COMPRESSOR.encode(np.ascontiguousarray(part)))

    def _json(self, name: str, document: Mapping[str, Any]) -> None:
        self._write(name, json.dumps(document).encode())

    def _write(self, name: str, content: bytes) -> None:
        self._zip.writestr(ZipInfo(name), content)


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name
