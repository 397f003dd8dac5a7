"""Whether input files stay as they are while they are read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from vitrail.errors import VitrailError


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
        """Path and size of each file, in order; a path that has a name goes by it."""
        names = names or {}
        return [
            {"path": names.get(path, path), "bytes": state[0]}
            for path, state in self._before.items()
        ]


def _state(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns
