"""Whether input files stay as they are while they are read, and what they were."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

from vitrail.errors import VitrailError

# Larger files are told by parts of their content: to read a slide of 100 GB once more would
# take longer than to convert it.
WHOLE_BYTES = 64 << 20
PART_BYTES = 1 << 20
PARTS = 16


class Watch:
    """Remembers size and time of files.

    Parameters
    ----------
    files
        Paths of files.
    """

    def __init__(self, files: Iterable[str]) -> None:
        self._before = {path: _state(path) for path in files}

    def check_unchanged(self) -> None:
        """Check that no file has changed since.

        Raises
        ------
        VitrailError
            If one has another size or time: it was still being written.
        """
        for path, before in self._before.items():
            after = _state(path)
            if after != before:
                raise VitrailError(
                    f"{path}: changed while it was read ({before[0]} bytes before, {after[0]} "
                    "after); is it still being copied?"
                )

    def files(self, names: Mapping[str, str] | None = None) -> list[dict[str, str | int]]:
        """Path, size and hash of each file, in order (see `content_hash`).

        A path that has a name in `names` goes by it.
        """
        names = names or {}
        return [
            {"path": names.get(path, path), "bytes": state[0], **content_hash(path)}
            for path, state in self._before.items()
        ]


def content_hash(path: str) -> dict[str, str]:
    """What tells a file's content, whatever its name and times.

    Returns
    -------
    ``sha256`` of a file of up to 64 MiB, as ``sha256sum`` gives it. Of a larger one
    ``sha256_sampled``: of its size (decimal digits) and 16 parts of 1 MiB, whose first bytes lie at
    ``k (size - 1 MiB) // 15`` for k = 0 to 15: its head and its end are among them.
    """
    size = os.stat(path).st_size
    with open(path, "rb") as file:
        if size <= WHOLE_BYTES:
            return {"sha256": hashlib.file_digest(file, "sha256").hexdigest()}
        digest = hashlib.sha256(str(size).encode())
        for part in _parts(file, size):
            digest.update(part)
    return {"sha256_sampled": digest.hexdigest()}


def _parts(file: BinaryIO, size: int) -> Iterator[bytes]:
    for k in range(PARTS):
        file.seek(k * (size - PART_BYTES) // (PARTS - 1))
        yield file.read(PART_BYTES)


def _state(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns
