"""The whole chain on one slide of real size: a generated image with transcripts, to the report.

    python benchmarks/whole_slide.py FOLDER [--shape 33000 46000] [--pixel-size 0.2125]
           [--cells 240000] [--transcripts 50] [--shards 4] [--segmenter flows]

Tissue as in the demo at the density that gives so many cells, transcripts in millions. The workflow
runs in FOLDER on two cores; a folder that holds a part of the run goes on. Prints a row a job, from
the stages' own logs: seconds, CPU seconds and highest resident memory, and the folder's size.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import yaml

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = "P1"
MARKERS = "config/demo/markers.yaml"


def main():
    arguments = read_arguments()
    folder = arguments.folder.resolve()
    configure(folder, arguments)
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "run.yaml"]
    command += ["--rerun-incomplete", "--rerun-triggers", "mtime", "--", "assemble", "report"]
    done = subprocess.run(command, cwd=folder)
    table = usage(folder / "results/logs")
    with pd.option_context("display.width", 120, "display.max_rows", 100):
        print(table.to_string())
    files = [path.lstat() for path in (folder / "results").rglob("*")]
    # A file that is linked to is on the disk once.
    size = sum({(file.st_dev, file.st_ino): file.st_size for file in files}.values())
    print(f"{size / 1e9:.1f} GB in results")
    sys.exit(done.returncode)


def read_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shape", type=int, nargs=2, default=[33_000, 46_000])
    parser.add_argument("--pixel-size", type=float, default=0.2125)
    parser.add_argument("--cells", type=int, default=240_000)
    parser.add_argument("--transcripts", type=float, default=50.0)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--segmenter", default="flows")
    return parser.parse_args()


def configure(folder, arguments):
    """A working directory with one generated slide in its sheet."""
    spec = yaml.safe_load((ROOT / "config/demo/cohort.yaml").read_text())
    height, width = arguments.shape
    area = height * width * (arguments.pixel_size / 1000) ** 2
    spec |= {"shape": arguments.shape, "patients": 1, "pixel_size": arguments.pixel_size}
    spec["tissue"]["density"] = arguments.cells / area
    spec["genes"]["transcripts_per_cell"] = arguments.transcripts * 1e6 / arguments.cells
    (folder / "config/demo").mkdir(parents=True, exist_ok=True)
    for name in ("workflow", "scripts", "src", "envs", "resources", MARKERS):
        if not (folder / name).exists():
            (folder / name).symlink_to(ROOT / name)
    (folder / "config/config.yaml").write_text((ROOT / "config/config.yaml").read_text())
    (folder / "config/demo/cohort.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    made = f"results/synthetic/{SAMPLE}"
    header = (
        "sample\tcondition\tunit\tformat\timage\ttranscripts\tpixel_size\tannotate.markers\tshards"
    )
    row = [SAMPLE, "a", "u", "synthetic", f"{made}/image.ome.tif", f"{made}/transcripts.parquet"]
    row += [str(arguments.pixel_size), MARKERS, str(arguments.shards)]
    (folder / "config/samples.tsv").write_text(
        "\t".join(header.split()) + "\n" + "\t".join(row) + "\n"
    )
    config = {"samples": "config/samples.tsv", "segment": {"segmenter": arguments.segmenter}}
    (folder / "run.yaml").write_text(yaml.safe_dump(config))


def usage(logs):
    """What every job wrote down about itself, in the order in which they ended."""
    found = {}
    for log in sorted(logs.rglob("*.log"), key=lambda path: path.stat().st_mtime):
        line = re.search(r"usage (\{.*\})", log.read_text())
        if line:
            found[str(log.relative_to(logs).with_suffix(""))] = json.loads(line[1])
    return pd.DataFrame(found).T


if __name__ == "__main__":
    main()
