"""A folder that an instrument wrote: its files by name, and what to say where one is missing.

Standard library only.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from vitrail.errors import VitrailError

# File managers leave files of these beginnings beside the real ones.
HIDDEN = (".", "._")


class Folder:
    """Files of a folder, listed once.

    Parameters
    ----------
    path
        The folder.
    kind
        What it is a folder of, for messages.

    Raises
    ------
    VitrailError
        If it is not a folder.
    """

    def __init__(self, path: str, kind: str) -> None:
        self.path = path
        self.kind = kind
        if not Path(path).is_dir():
            raise VitrailError(f"{path}: is not a folder, wanted one with the files of {kind}.")

    @cached_property
    def names(self) -> list[str]:
        """Paths of all files below the folder, relative to it, in natural order."""
        root = Path(self.path)
        found = (file.relative_to(root) for file in _below(root))
        visible = (
            name for name in found if not any(part.startswith(HIDDEN) for part in name.parts)
        )
        return sorted((name.as_posix() for name in visible), key=natural)

    def full(self, name: str) -> str:
        """Path of one of its files."""
        return str(Path(self.path, name))

    def first(self, *names: str) -> str | None:
        """Path of the first of some names that is there."""
        return next((self.full(name) for name in names if Path(self.path, name).is_file()), None)

    def matching(self, pattern: str) -> list[str]:
        """Paths of the files whose name, relative to the folder, matches a regular expression."""
        compiled = re.compile(pattern)
        return [self.full(name) for name in self.names if compiled.fullmatch(name)]

    def need(self, what: str, *names: str) -> str:
        """Path of the first of some names that is there.

        Raises
        ------
        VitrailError
            If none is; the sentence names the file that looks most like it.
        """
        found = self.first(*names)
        if found is None:
            raise self.missing(what, *names)
        return found

    def missing(self, what: str, *names: str) -> VitrailError:
        """The error of a file that is not there."""
        wanted = " or ".join(names)
        bases = {name.rpartition("/")[2]: name for name in self.names}
        base = names[0].rpartition("/")[2]
        close = difflib.get_close_matches(base, bases, n=1, cutoff=0.5)
        hint = f" (renamed to {bases[close[0]]}?)" if close else ""
        return VitrailError(f"{self.path}: has no {wanted}{hint}, wanted {what} of {self.kind}.")


def _below(place: Path, above: tuple[str, ...] = ()) -> Iterator[Path]:
    """Files below a folder, those behind links to folders too: images often lie on another disk."""
    real = os.path.join(os.path.realpath(place), "")
    # A link to a folder that holds it would never end.
    if any(folder.startswith(real) for folder in above) or not os.access(place, os.R_OK | os.X_OK):
        return
    for entry in place.iterdir():
        if entry.is_dir():
            yield from _below(entry, (*above, real))
        elif entry.is_file():
            yield entry


def natural(name: str) -> list[tuple[int, int, str]]:
    """Key that sorts numbers inside of names by their value."""
    parts = re.split(r"(\d+)", name)
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]
