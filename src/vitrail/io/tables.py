"""Parquet tables of the statistics, with their provenance in the file's metadata."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from vitrail.errors import VitrailError
from vitrail.io import parquet
from vitrail.provenance import to_json

KEY = b"vitrail"


def write_table(path: str | Path, table: pd.DataFrame, provenance: Mapping[str, Any]) -> None:
    """Write a table without its index; equal tables give equal bytes."""
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    metadata = {**(arrow.schema.metadata or {}), KEY: to_json(provenance).encode()}
    parquet.write(arrow.replace_schema_metadata(metadata), path)


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a table of the statistics."""
    try:
        return parquet.read(path).to_pandas()
    except (OSError, pa.ArrowInvalid) as error:
        raise VitrailError(f"{path}: found no parquet table in it ({error}).") from None
