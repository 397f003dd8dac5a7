"""portraits.npz: the portraits of a sample."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vitrail.errors import VitrailError
from vitrail.io.archive import write_npz
from vitrail.portrait.sample import Entries, SamplePortraits

LISTS = ("whole", "windows", "typed", "shuffled", "patterns")
PARTS = ("group", "key", "number")


def write_portraits(
    path: str | Path, portraits: SamplePortraits, provenance: Mapping[str, Any]
) -> None:
    """Write a sample's portraits; equal portraits give equal bytes."""
    arrays: dict[str, Any] = {
        f"{name}_{part}": getattr(getattr(portraits, name), part)
        for name in LISTS
        for part in PARTS
    }
    arrays["cells"] = portraits.cells
    arrays["pairs"] = portraits.pairs
    meta = {**portraits.meta, "types": list(portraits.types), "provenance": dict(provenance)}
    arrays["meta"] = np.array(json.dumps(meta, sort_keys=True, default=str))
    write_npz(path, arrays)


def read_portraits(path: str | Path) -> SamplePortraits:
    """Read what `write_portraits` wrote; ``meta["provenance"]`` holds its provenance."""
    try:
        with np.load(path, allow_pickle=False) as file:
            lists = {name: Entries(*(file[f"{name}_{part}"] for part in PARTS)) for name in LISTS}
            meta = json.loads(str(file["meta"]))
            types = tuple(meta.pop("types"))
            return SamplePortraits(
                types=types, cells=file["cells"], pairs=file["pairs"], meta=meta, **lists
            )
    except (OSError, KeyError, ValueError) as error:
        raise VitrailError(
            f"{path}: found no portraits in it ({error}), wanted portraits.npz."
        ) from None
