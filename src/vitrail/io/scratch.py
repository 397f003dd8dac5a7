"""Folders for files that do not outlive a job."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scratch(output: str | Path) -> Iterator[Path]:
    """Name of a folder beside a job's temporary output; what is made there is removed at the end.

    The folder's name begins and ends as those of temporary outputs do, so that the next attempt
    removes what a killed job left behind (see `vitrail.job.written_atomically`).
    """
    folder = Path(output).with_name(f".unfinished-scratch-{Path(output).name}")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
