"""How much of the demo's planted truth a finished run found.

    python benchmarks/demo_truth.py RESULTS_FOLDER

A row a slide: F1 and recall at IoU 0.5 of cells and nuclei, F1 of Otsu's threshold with connected
components on the nuclear channel (against nuclei and cells) as the floor, and the share of
transcripts that went to the right cell: of good-quality gene transcripts planted in cells, those
assigned to the segmented cell that matches theirs, and of all assigned ones, those.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq
import tifffile
from scipy import ndimage
from skimage.filters import threshold_otsu

from vitrail.io.labels import open_labels
from vitrail.io.points import part_paths
from vitrail.segmentation import match

IOU = 0.5
LOW_QUALITY = 20.0


def agreement(truth: npt.NDArray, predicted: npt.NDArray) -> tuple[float, float]:
    """F1 and recall of one label image against another."""
    found = match(truth, predicted, IOU)
    f1 = 2 * found.true_positives / max(found.truth_count + found.predicted_count, 1)
    return f1, found.true_positives / max(found.truth_count, 1)


def otsu(image: npt.NDArray) -> npt.NDArray:
    """Connected components above Otsu's threshold."""
    return ndimage.label(image > threshold_otsu(image))[0]


def assigned(sample: Path) -> npt.NDArray[np.int32]:
    """Cell of each transcript, in the order of the vendor's file."""
    columns = ["transcript", "cell"]
    parts = [
        pq.read_table(path, columns=columns) for path in part_paths(sample / "transcripts.zarr")
    ]
    row = np.concatenate([p["transcript"].to_numpy() for p in parts])
    cell = np.zeros(row.size, np.int32)
    cell[row] = np.concatenate([p["cell"].to_numpy() for p in parts])
    return cell


def transcripts(
    slide: Path, sample: Path, truth: npt.NDArray, predicted: npt.NDArray
) -> dict[str, float]:
    """Share of planted transcripts in the right cell, and of assigned transcripts."""
    table = pq.read_table(slide / "transcripts.parquet", columns=["gene", "quality"])
    kinds = pq.read_table(slide / "genes.parquet").to_pandas().set_index("gene")["kind"]
    gene = table["gene"].combine_chunks()
    control = (kinds.loc[gene.dictionary.to_pylist()] == "control").to_numpy()
    good = table["quality"].to_numpy() >= LOW_QUALITY
    good &= ~control[gene.indices.to_numpy()]
    planted = pq.read_table(slide / "truth.parquet", columns=["cell"])["cell"].to_numpy()
    found = match(truth, predicted, IOU)
    partner = np.zeros(int(truth.max()) + 1, np.int64)
    partner[found.truth] = found.predicted
    cell = assigned(sample)
    right = good & (planted > 0) & (cell == partner[planted]) & (cell > 0)
    return {
        "transcripts_recalled": right.sum() / max((good & (planted > 0)).sum(), 1),
        "transcripts_right": right.sum() / max((good & (cell > 0)).sum(), 1),
    }


def measure(slide: Path, sample: Path) -> dict[str, float]:
    """All numbers of one slide."""
    files = {"cells": "labels.tif", "nuclei": "nuclei.tif"}
    truth = {key: tifffile.imread(slide / name) for key, name in files.items()}
    found = open_labels(sample / "segmentation" / "labels.zarr")
    predicted = {"cells": found.cells[:], "nuclei": found.nuclei[:]}
    floor = otsu(tifffile.imread(slide / "image.ome.tif")[0])
    row: dict[str, float] = {}
    for key in ("cells", "nuclei"):
        row[f"{key}_f1"], row[f"{key}_recall"] = agreement(truth[key], predicted[key])
        row[f"otsu_{key}_f1"] = agreement(truth[key], floor)[0]
    return row | transcripts(slide, sample, truth["cells"], predicted["cells"])


def main(results: Path) -> None:
    slides = sorted(path.parent for path in results.glob("synthetic/*/truth.parquet"))
    done = [s for s in slides if (results / s.name / "segmentation" / "labels.zarr").exists()]
    if not done:
        sys.exit(f"{results}: no slide found that is both synthetic and segmented")
    table = pd.DataFrame({slide.name: measure(slide, results / slide.name) for slide in done}).T
    table.loc["mean"] = table.mean()
    with pd.option_context("display.width", 200, "display.max_columns", 20):
        print(table.round(3).to_string())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
