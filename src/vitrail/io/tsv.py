"""Tab-separated text for people and spreadsheets."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def write_tsv(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows that all have the keys of the first; None becomes an empty cell.

    Floats have six significant digits.
    """
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(rows[0].keys())
        for row in rows:
            writer.writerow([_text(value) for value in row.values()])


def _text(value: Any) -> Any:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value
