"""Print what a large cohort costs before its first job: the plan, and the start of each stage.

Usage: python benchmarks/many_samples.py [--samples N] [--plans]

Plans (`snakemake --dry-run`) a sheet of N (default 1,000) slides with transcripts in two
shards each, and one of as many tables; the files exist and are empty, as a plan reads none. Then
imports, in a new interpreter for each stage, all that the stage's script can import, three times,
and takes the shortest (not with --plans). The time of the processor is what other work on the
machine changes least.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "tests"), str(REPOSITORY / "src")]

from stage_imports import imports_of  # noqa: E402

# What the interpreter does before it runs a line, and what it needed when it ends.
MEASURED = """
import resource, subprocess, sys, time
start = time.monotonic()
status = subprocess.run(sys.argv[2:], stdout=open(sys.argv[1], "w"), stderr=subprocess.STDOUT)
wall = time.monotonic() - start
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, status.returncode)
"""


class Measure(NamedTuple):
    """Time, time of the processor and memory of a command."""

    seconds: float
    cpu_seconds: float
    megabytes: float
    output: str


def measure(command: list[str], folder: Path, **environment: str) -> Measure:
    """Run a command in a folder."""
    with tempfile.NamedTemporaryFile("r") as output:
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, output.name, *command],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
            env=environment or None,
        )
        seconds, cpu_seconds, megabytes, status = done.stdout.split()
        text = output.read()
    if status != "0":
        raise SystemExit(text)
    return Measure(float(seconds), float(cpu_seconds), float(megabytes), text)


def slides(folder: Path, count: int) -> str:
    """Sheet of slides in two conditions, with empty files."""
    rows = ["sample\tcondition\tunit\timage\ttranscripts\tpixel_size\tshards"]
    for index in range(count):
        image, transcripts = folder / f"{index}.tif", folder / f"{index}.parquet"
        image.touch()
        transcripts.touch()
        condition = "treated" if index % 2 else "control"
        rows.append(f"S{index}\t{condition}\tu{index}\t{image}\t{transcripts}\t0.5\t2")
    return "\n".join([*rows, ""])


def tables(folder: Path, count: int) -> str:
    """Sheet of tables of annotated cells in two conditions, with empty files."""
    rows = ["sample\tcondition\tunit\ttable"]
    for index in range(count):
        table = folder / f"{index}.h5ad"
        table.touch()
        rows.append(f"S{index}\t{'treated' if index % 2 else 'control'}\tu{index}\t{table}")
    return "\n".join([*rows, ""])


def plan(sheet: str, folder: Path) -> tuple[Measure, int]:
    """Plan a run over a sheet; the measure and the number of jobs."""
    for name in ("workflow", "scripts", "src", "envs", "config"):
        (folder / name).symlink_to(REPOSITORY / name)
    (folder / "sheet.tsv").write_text(sheet)
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "rules", "--cores", "1"]
    measured = measure([*command, "--config", f"samples={folder / 'sheet.tsv'}"], folder)
    total = re.search(r"^total\s+(\d+)", measured.output, re.MULTILINE)
    if total is None:
        raise SystemExit(measured.output[-3000:])
    return measured, int(total[1])


def start(stage: str) -> Measure:
    """Import all that a stage's script imports, as fast as of three times."""
    found = imports_of(REPOSITORY / f"scripts/{stage}.py", REPOSITORY / "src")
    # The package of a segmenter that is not installed is not imported in a run either.
    there = {name for name in found.third_party if importlib.util.find_spec(name)}
    program = "\n".join(f"import {name}" for name in sorted(found.modules | there))
    command = [sys.executable, "-c", program]
    runs = [measure(command, REPOSITORY, PYTHONPATH=str(REPOSITORY / "src")) for _ in range(3)]
    return min(runs, key=lambda run: run.cpu_seconds)


def row(measured: Measure, digits: int) -> str:
    """Cells of a table."""
    times = f"{measured.seconds:.{digits}f} | {measured.cpu_seconds:.{digits}f}"
    return f"{times} | {measured.megabytes:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--plans", action="store_true", help="measure no start of stages")
    asked = parser.parse_args()
    count = asked.samples
    print("| plan of | jobs | s | CPU s | peak MB |\n|---|---|---|---|---|")
    for kind, make in (("slides in two shards", slides), ("tables", tables)):
        with tempfile.TemporaryDirectory() as name:
            measured, jobs = plan(make(Path(name), count), Path(name))
        print(f"| {count} {kind} | {jobs} | {row(measured, 0)} |", flush=True)
    if asked.plans:
        return
    print("\n| start of stage | s | CPU s | peak MB |\n|---|---|---|---|")
    for stage in sorted(path.stem for path in (REPOSITORY / "scripts").glob("*.py")):
        print(f"| {stage} | {row(start(stage), 2)} |", flush=True)


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"\nmeasured in {time.monotonic() - started:.0f} s")
