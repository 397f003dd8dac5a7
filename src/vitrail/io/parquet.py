"""Parquet files whose pages carry checksums: a flipped byte is an error, never another number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def write(table: pa.Table, path: str | Path, **options: Any) -> None:
    """Write a table with zstd and a checksum a page; equal tables give equal bytes.

    Parameters
    ----------
    table
        The table, with its metadata.
    path
        The file.
    options
        Of `pyarrow.parquet.write_table`.
    """
    pq.write_table(table, path, **{**WRITING, **options})


def read(path: str | Path, **options: Any) -> pa.Table:
    """Read a table and verify the checksums of its pages.

    Raises
    ------
    OSError
        If a page does not have its checksum.
    """
    return pq.read_table(path, page_checksum_verification=True, **options)


def open_file(path: str | Path) -> pq.ParquetFile:
    """Open a file to read it in parts, with the checksums of its pages verified."""
    return pq.ParquetFile(path, page_checksum_verification=True)


# For `pyarrow.parquet.ParquetWriter` as well.
WRITING: dict[str, Any] = {"compression": "zstd", "write_page_checksum": True}
