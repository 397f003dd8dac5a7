"""Whether cells depend on tiles: demo slides as one tile and as 64, with planted truth.

    python benchmarks/tiling.py [--slides 2] [--seed 1001] [--segmenter flows]

Slides of the demo's kind with another seed are segmented twice by the workflow. Prints a row a
slide: F1 at IoU 0.5 of the cells of one tiling against those of the other, F1 of each against the
planted cells, and the mean IoU with their planted cells of cells that touch a seam of the 64 tiles
and of all others.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
import yaml

from vitrail.io.labels import open_labels
from vitrail.io.tiles import read_tiles
from vitrail.segmentation import match

ROOT = Path(__file__).resolve().parents[1]
IOU = 0.5
SIDE = 8  # tiles along an edge of the finer tiling


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--slides", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1001)
    parser.add_argument("--segmenter", default="flows")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        names = configure(folder, arguments)
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "run.yaml"]
        command += ["--", "stitch"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr[-3000:])
        table = pd.DataFrame({name: measure(folder / "results", name) for name in names}).T
    table.loc["mean"] = table.mean()
    with pd.option_context("display.width", 200, "display.max_columns", 20):
        print(table.round(4).to_string())


def configure(folder, arguments):
    """A working directory whose sheet names every slide twice; returns the slides' names."""
    spec = yaml.safe_load((ROOT / "config/demo/cohort.yaml").read_text())
    spec |= {"seed": arguments.seed, "patients": arguments.slides}
    for name in ("workflow", "scripts", "src", "envs", "resources"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "config/demo").mkdir(parents=True)
    (folder / "config/config.yaml").write_text((ROOT / "config/config.yaml").read_text())
    (folder / "config/demo/cohort.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    names = [f"P{number + 1}" for number in range(arguments.slides)]
    edge = max(spec["shape"])
    rows = ["sample\tcondition\tunit\tformat\timage\ttile.size_px"]
    for name in names:
        image = f"results/synthetic/{name}/image.ome.tif"
        rows.append(f"{name}\ta\t{name}\tsynthetic\t{image}\t{edge}")
        rows.append(f"{name}_tiles\ta\t{name}\tsynthetic\t{image}\t{edge // SIDE}")
    (folder / "config/samples.tsv").write_text("\n".join(rows) + "\n")
    section = {"segmenter": arguments.segmenter}
    config = {"samples": "config/samples.tsv", "segment": section}
    (folder / "run.yaml").write_text(yaml.safe_dump(config))
    return names


def measure(results, name):
    """All numbers of one slide."""
    truth = tifffile.imread(results / "synthetic" / name / "labels.tif").astype(np.int32)
    one = open_labels(results / name / "segmentation/labels.zarr").cells[:].astype(np.int32)
    fine = results / f"{name}_tiles"
    many = open_labels(fine / "segmentation/labels.zarr").cells[:].astype(np.int32)
    tiles = read_tiles(fine / "tiles.parquet")
    found = match(truth, many, IOU)
    beside = np.isin(found.predicted, at_seams(many, tiles))
    return {
        "tiles": len(tiles.core),
        "f1_between": f1(one, many),
        "f1_one": f1(truth, one),
        "f1_tiles": f1(truth, many),
        "cells_at_seams": int(beside.sum()),
        "iou_at_seams": float(found.iou[beside].mean()),
        "iou_elsewhere": float(found.iou[~beside].mean()),
    }


def at_seams(labels, tiles):
    """Labels of the cells that touch a border between two cores."""
    rows, columns = tiles.seams()
    lines = [labels[int(y) - 1 : int(y) + 1] for y in rows]
    lines += [labels[:, int(x) - 1 : int(x) + 1] for x in columns]
    return np.unique(np.concatenate([line.ravel() for line in lines]))


def f1(truth, predicted):
    found = match(truth, predicted, IOU)
    return 2 * found.true_positives / max(found.truth_count + found.predicted_count, 1)


if __name__ == "__main__":
    main()
