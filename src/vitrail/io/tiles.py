"""tiles.parquet and normalization.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from vitrail.io import parquet
from vitrail.normalization import Normalization
from vitrail.provenance import to_json
from vitrail.tile import Tiles

_CORE = ("core_y0", "core_x0", "core_y1", "core_x1")
_HALO = ("halo_y0", "halo_x0", "halo_y1", "halo_x1")


def write_tiles(path: str | Path, tiles: Tiles, provenance: Mapping[str, Any]) -> None:
    """Write the tiles of a slide, one row each."""
    columns: dict[str, Any] = {"tile": np.arange(len(tiles), dtype=np.int32)}
    columns |= {name: tiles.core[:, i] for i, name in enumerate(_CORE)}
    columns |= {name: tiles.halo[:, i] for i, name in enumerate(_HALO)}
    columns |= {"tissue": tiles.tissue, "shard": tiles.shard}
    table = pa.table(columns).replace_schema_metadata({"vitrail": to_json(provenance)})
    parquet.write(table, path)


def read_tiles(path: str | Path) -> Tiles:
    """Read what `write_tiles` wrote."""
    table = parquet.read(path)
    columns = {name: table[name].to_numpy() for name in table.column_names}
    return Tiles(
        np.column_stack([columns[name] for name in _CORE]).astype(np.int64),
        np.column_stack([columns[name] for name in _HALO]).astype(np.int64),
        columns["tissue"].astype(np.float32),
        columns["shard"].astype(np.int32),
    )


def write_normalization(
    path: str | Path, normalization: Normalization, provenance: Mapping[str, Any]
) -> None:
    """Write the slide-wide values of a slide."""
    channels = [
        {"name": name, "low": float(low), "high": float(high)}
        for name, low, high in zip(
            normalization.channels, normalization.low, normalization.high, strict=True
        )
    ]
    content = {
        "channels": channels,
        "segmenter": normalization.segmenter,
        "provenance": provenance,
    }
    Path(path).write_text(json.dumps(content, indent=1, sort_keys=True, default=str) + "\n")


def read_normalization(path: str | Path) -> Normalization:
    """Read what `write_normalization` wrote."""
    content = json.loads(Path(path).read_text())
    channels = content["channels"]
    return Normalization(
        tuple(channel["name"] for channel in channels),
        np.array([channel["low"] for channel in channels], np.float64),
        np.array([channel["high"] for channel in channels], np.float64),
        content["segmenter"],
    )
