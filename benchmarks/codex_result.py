"""Print the comparison of the CODEX cohort as docs/codex.md gives it.

    python benchmarks/codex_result.py results/codex_crc

The folder is that of a finished run of config/examples/codex_crc.yaml.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

COLUMNS = {
    "what": "what",
    "p": "p",
    "fdr": "FDR",
    "r2": "R2",
    "interval": "effect (95 % interval)",
    "dispersion_p": "p of spread",
    "units": "patients",
    "samples": "images",
}


def table(results: Path) -> pd.DataFrame:
    """Rows of comparison.parquet, the numbers as text."""
    rows = pd.read_parquet(results / "cohort" / "comparison.parquet")
    groups = [name.removeprefix("units_") for name in rows if name.startswith("units_")]
    rows["what"] = rows["cell_type"].fillna(rows["graph"])
    rows["interval"] = [
        f"{row.effect:+.3f} ({row.effect_low:+.3f} to {row.effect_high:+.3f})"
        for row in rows.itertuples()
    ]
    for name in ("p", "fdr", "r2", "dispersion_p"):
        rows[name] = rows[name].map("{:.3f}".format)
    for name in ("units", "samples"):
        rows[name] = [
            " + ".join(str(row[f"{name}_{g}"]) for g in groups) for _, row in rows.iterrows()
        ]
    return rows


def left_out(results: Path) -> pd.DataFrame:
    """Images in which a type has too few cells to be compared, by type."""
    pairs = pd.read_parquet(results / "cohort" / "divergence.parquet")
    pairs = pairs[pairs["graph"] == "type"]
    sides = [
        pairs[["cell_type", f"sample_{s}", f"cells_{s}"]].set_axis(
            ["type", "image", "cells"], axis=1
        )
        for s in "ab"
    ]
    cells = pd.concat(sides).drop_duplicates(["type", "image"])
    share = cells.groupby("type", observed=True)["cells"]
    return pd.DataFrame(
        {
            "images": share.size(),
            "median cells": share.median(),
            "below 30": share.agg(lambda c: (c < 30).sum()),
        }
    )


def markdown(rows: pd.DataFrame) -> str:
    """Rows as a Markdown table."""
    lines = [" | ".join(rows.columns), " | ".join("---" for _ in rows.columns)]
    lines += [" | ".join(str(value) for value in row) for row in rows.to_numpy()]
    return "\n".join(f"| {line} |" for line in lines)


def main() -> None:
    """Print one table a statistic, and what was left out."""
    results = Path(sys.argv[1])
    rows = table(results)
    for statistic, own in rows.groupby("statistic", sort=False):
        print(f"\n{statistic}\n")
        print(markdown(own[list(COLUMNS)].rename(columns=COLUMNS)))
    print("\nImages with too few cells of a type\n")
    print(markdown(left_out(results).reset_index()))


if __name__ == "__main__":
    main()
