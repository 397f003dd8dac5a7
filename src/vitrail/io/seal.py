"""A checksum behind the end of a HDF5 file, over all of its bytes.

HDF5 has checksums for arrays in chunks alone: none for small arrays, text, or the headers of the
format that every reader knows. HDF5 takes no notice of what lies behind a file's end, and drops it
when it writes to the file, so that a file that someone edits loses its seal and is taken as it is.

Standard library only: every job looks at its inputs' seals.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

# Name, length of what is sealed, its CRC-32: this finds every error of up to 32 bits in a row.
_SEAL = struct.Struct("<8sQI")
_NAME = b"VITRAIL1"
_PART = 1 << 20
SUFFIX = ".h5ad"


def seal(path: str | Path) -> None:
    """Append the checksum of a file to it, in place of one that is there.

    Parameters
    ----------
    path
        HDF5 file that is complete and closed.
    """
    with open(path, "r+b") as file:
        size = os.fstat(file.fileno()).st_size
        found = _read_seal(file.fileno(), size)
        if found is not None:
            size = found[0]
        value = _crc(file.fileno(), size)
        file.truncate(size)
        file.seek(size)
        file.write(_SEAL.pack(_NAME, size, value))


def broken_seal(path: str | Path) -> str | None:
    """What is wrong with a file by its seal; None where it is whole, or has no seal.

    Parameters
    ----------
    path
        HDF5 file.

    Raises
    ------
    OSError
        If the file cannot be opened or read.
    """
    with open(path, "rb") as file:
        found = _read_seal(file.fileno(), os.fstat(file.fileno()).st_size)
        if found is None or _crc(file.fileno(), found[0]) == found[1]:
            return None
    return "its bytes do not have their checksum"


def _read_seal(descriptor: int, size: int) -> tuple[int, int] | None:
    """Length and checksum of what is sealed, or None where no seal is."""
    start = size - _SEAL.size
    if start < 0:
        return None
    name, length, value = _SEAL.unpack(os.pread(descriptor, _SEAL.size, start))
    # One flipped byte makes either the name or the length wrong, and leaves the other.
    if name != _NAME and length != start:
        return None
    return start, value


def _crc(descriptor: int, size: int) -> int:
    """CRC-32 of a file's first bytes, part by part."""
    value, place = 0, 0
    while place < size:
        part = os.pread(descriptor, min(_PART, size - place), place)
        if not part:
            return -1
        value = zlib.crc32(part, value)
        place += len(part)
    return value
