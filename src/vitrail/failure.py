"""What a job says when something happened that nobody foresaw: still one sentence.

The stack trace stays in the log; the sentence is for who wants to go on.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable

FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the quota is used up"}
FULL[errno.EFBIG] = "the file would exceed the largest allowed size"
LOCKED = {errno.EROFS: "the file system is read-only", errno.EACCES: "permission is denied"}
LOCKED[errno.EPERM] = LOCKED[errno.EACCES]
# Libraries in C tell the number in their message alone.
NUMBER = re.compile(r"\b[Ee]rr(?:no|or)\D{0,3}(\d+)")


def explain(error: BaseException, inputs: Iterable[str], outputs: Iterable[str]) -> str:
    """Say in one sentence what stopped a job, and what to do.

    Parameters
    ----------
    error
        What was raised.
    inputs, outputs
        The job's files and folders. The inputs are read to their end to find a broken one.
    """
    place = ", ".join(sorted({os.path.dirname(path) or "." for path in outputs}))
    number = error_number(error)
    if number in FULL:
        return f"{place}: could not be written, {FULL[number]}; make room and run again."
    if number in LOCKED:
        return f"{place}: could not be written, {LOCKED[number]}; make it writable and run again."
    if isinstance(error, MemoryError):
        return "ran out of memory; run again with more of it, or with fewer jobs at once."
    message = (str(error).splitlines() or [""])[0]
    if isinstance(error, AssertionError):
        return f"stopped by a check of its own results: {message}"
    from vitrail.io.verify import first_unreadable

    broken = first_unreadable(inputs)
    if broken:
        return unreadable(*broken)
    return f"stopped by an error that was not foreseen, {type(error).__name__}: {message}"


def unreadable(path: str, found: str) -> str:
    """The sentence about a file that a stage has written and that is broken now."""
    return f"{path}: cannot be read ({found}); remove it and run again, to have it made anew."


def error_number(error: BaseException | None) -> int | None:
    """The operating system's number of an error or of what caused it, None if it has none."""
    while error is not None:
        if isinstance(error, OSError):
            if error.errno is not None:
                return error.errno
            found = NUMBER.search(str(error))
            if found:
                return int(found[1])
        error = error.__cause__ or error.__context__
    return None
