"""Print how much longer a run takes than its stages by themselves.

Usage: python benchmarks/overhead.py [--cores N] [--samples N]

Runs the demo cohort, or its first samples, twice in a folder of its own, the second time with its
numeric code compiled, and compares the second run's time, from the command to its end, with the sum
of what its stages took. Each job writes that into its log; the time of its imports is left out of
it. With more than one core (the default is one), stages run side by side and the comparison says
little.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from usage import read_usage

REPOSITORY = Path(__file__).resolve().parents[1]
LINKED = ("workflow", "scripts", "src", "envs", "config")


def run(folder: Path, cores: int) -> float:
    """Run the demo cohort in a folder; seconds."""
    shutil.rmtree(folder / "results", ignore_errors=True)
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--quiet", "all"]
    command += ["--config", "samples=samples.tsv"]
    start = time.monotonic()
    subprocess.run(command, cwd=folder, check=True)
    return time.monotonic() - start


def report(results: Path, wall: float) -> str:
    """The comparison as a Markdown table."""
    jobs = [job for stage in read_usage(results).values() for job in stage]
    imports = sum(job["imports_s"] for job in jobs)
    own = sum(job["wall_s"] for job in jobs) - imports
    lines = ["| | s |", "|---|---|"]
    lines.append(f"| the run, from the command to its end | {wall:.1f} |")
    lines.append(f"| its {len(jobs)} jobs, imports left out | {own:.1f} |")
    lines.append(f"| their imports | {imports:.1f} |")
    lines.append(f"| longer than the jobs' own time by | {100 * (wall / own - 1):.0f} % |")
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
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in LINKED:
            (folder / part).symlink_to(REPOSITORY / part)
        write_sheet(folder, asked.samples)
        run(folder, asked.cores)
        print(report(folder / "results", run(folder, asked.cores)))


if __name__ == "__main__":
    main()
