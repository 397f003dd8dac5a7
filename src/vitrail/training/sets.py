"""Tables of the sets that the shipped networks learn from.

    python -m vitrail.training.sets NUCLEI SYNTHETIC OUT --seed 1

`NUCLEI` holds the folders `bbbc039` and `dsb2018` (`NAME.tif` beside `NAME_label.tif`), `SYNTHETIC`
is what `vitrail.training.synthetic` wrote. `OUT` becomes the table for nuclei.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from vitrail.io.examples import Row, read_image, read_table, write_table

HELD_OUT = {"bbbc039": 20, "dsb2018": 60}  # images, drawn at random
DEBRIS = {"bbbc039": 30, "dsb2018": 0}  # pixels below which an object is none


def nuclei_rows(folder: Path, name: str, seed: int) -> list[Row]:
    """Rows of a folder of images with labels, `HELD_OUT` of them for validation.

    Images of one size are taken for one domain: the sets of the 2018 Data Science Bowl come from
    several microscopes, and the size tells them apart.
    """
    images = sorted(p for p in folder.glob("*.tif") if not p.stem.endswith("_label"))
    rng = np.random.default_rng([seed, len(images)])
    held_out = set(rng.permutation(len(images))[: HELD_OUT[name]].tolist())
    rows = []
    for number, image in enumerate(images):
        split = "validation" if number in held_out else "train"
        labels = image.with_name(f"{image.stem}_label.tif")
        row = Row(str(image), str(labels), name, split, (0,), DEBRIS[name])
        height, width = read_image(row).shape[1:]
        rows.append(replace(row, domain=f"{name}-{height}x{width}"))
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the table from the command line."""
    parser = argparse.ArgumentParser(description="Table of nuclei to train on.")
    parser.add_argument("nuclei", type=Path)
    parser.add_argument("synthetic", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    rows = [row for name in HELD_OUT for row in nuclei_rows(given.nuclei / name, name, given.seed)]
    rows += read_table(given.synthetic / "nuclei.tsv")
    base = given.out.resolve().parent

    def seen_from_table(path: str) -> str:
        return os.path.relpath(path, base) if path else ""

    write_table(
        given.out,
        [
            replace(row, image=seen_from_table(row.image), labels=seen_from_table(row.labels))
            for row in rows
        ],
    )


if __name__ == "__main__":
    main()
