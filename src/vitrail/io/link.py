"""Take over files of another stage: hard links where the file system can, copies where not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

# Snakemake keeps a directory's time stamp inside it: linked into another directory, one output's
# time would be the other's.
TIME_STAMP = ".snakemake_timestamp"


def link_file(source: Path, target: Path) -> bool:
    """Make `target` the same file as `source`, or a copy of it.

    Returns
    -------
    Whether the two are one file.
    """
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)
        return False
    return True


def link_tree(source: Path, target: Path, leave_out: frozenset[str] = frozenset()) -> bool:
    """Make a folder tree whose files are those of `source`.

    Parameters
    ----------
    source, target
        Folders; `target` must not exist.
    leave_out
        Names of files at the top of `source` that are not taken over; Snakemake's time stamp never
        is.

    Returns
    -------
    Whether all files could be linked.
    """
    linked = True
    for folder, children, files in os.walk(source):
        children.sort()
        there = target / Path(folder).relative_to(source)
        there.mkdir(parents=True)
        omitted = leave_out if Path(folder) == source else frozenset()
        for name in sorted(files):
            if name != TIME_STAMP and name not in omitted:
                linked &= link_file(Path(folder, name), there / name)
    return linked
