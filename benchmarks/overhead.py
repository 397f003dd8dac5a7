"""Print how much longer a run takes than its stages by themselves.

Usage: python benchmarks/overhead.py [--cores N] [--samples N] [--compiled]

Runs the demo cohort, or its first samples, twice in a folder of its own, the second time with its
numeric code compiled (--compiled: it is already, run once), and compares the last run's time, from
the command to its end, with the sum of what its stages took. Each job writes that into its log; the
time of its imports is left out of it. With more than one core (the default is one), stages run side
by side and the comparison says little. The time of the processor is what other work on the machine
changes least: that of the run counts every process that it started.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from usage import read_usage

REPOSITORY = Path(__file__).resolve().parents[1]
LINKED = ("workflow", "scripts", "src", "envs", "config")
PR_SET_CHILD_SUBREAPER = 36


class Cost(NamedTuple):
    """Seconds by the clock and of the processor."""

    wall: float
    cpu: float

    def beyond(self, own: Cost) -> str:
        """How much more this is than another, as cells of a table."""
        return " | ".join(
            f"{100 * (ours / theirs - 1):.0f} %" for ours, theirs in zip(self, own, strict=True)
        )

    def cells(self) -> str:
        """Both as cells of a table."""
        return f"{self.wall:.1f} | {self.cpu:.1f}"


def run(folder: Path, cores: int) -> Cost:
    """Run the demo cohort in a folder."""
    shutil.rmtree(folder / "results", ignore_errors=True)
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--quiet", "all"]
    command += ["--config", "samples=samples.tsv"]
    start, cpu_start = time.monotonic(), _cpu_of_children()
    subprocess.run(command, cwd=folder, check=True)
    wall = time.monotonic() - start
    # The interpreter that the jobs share ends a moment after Snakemake, and is ours by then.
    with suppress(ChildProcessError):
        while True:
            os.wait()
    return Cost(wall, _cpu_of_children() - cpu_start)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def report(results: Path, whole: Cost) -> str:
    """The comparison as a Markdown table."""
    jobs = [job for stage in read_usage(results).values() for job in stage]
    imports = Cost(sum(j["imports_s"] for j in jobs), sum(j["imports_cpu_s"] for j in jobs))
    used = Cost(sum(j["wall_s"] for j in jobs), sum(j["cpu_s"] for j in jobs))
    own = Cost(used.wall - imports.wall, used.cpu - imports.cpu)
    lines = ["| | s | CPU s |", "|---|---|---|"]
    lines.append(f"| the run, from the command to its end | {whole.cells()} |")
    lines.append(f"| its {len(jobs)} jobs, imports left out | {own.cells()} |")
    lines.append(f"| their imports | {imports.cells()} |")
    lines.append(f"| longer than the jobs' own time by | {whole.beyond(own)} |")
    return "\n".join(lines)


def write_sheet(folder: Path, samples: int | None) -> None:
    """Write the demo's sheet into a folder, with its first samples alone if asked."""
    lines = (REPOSITORY / "config/demo/samples.tsv").read_text(encoding="utf-8").splitlines()
    header, *rows = [line for line in lines if line and not line.startswith("#")]
    (folder / "samples.tsv").write_text("\n".join([header, *rows[:samples], ""]), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--samples", type=int)
    parser.add_argument("--compiled", action="store_true", help="run once")
    asked = parser.parse_args()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in LINKED:
            (folder / part).symlink_to(REPOSITORY / part)
        write_sheet(folder, asked.samples)
        if not asked.compiled:
            run(folder, asked.cores)
        print(report(folder / "results", run(folder, asked.cores)))


if __name__ == "__main__":
    main()
