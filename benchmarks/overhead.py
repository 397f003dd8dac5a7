"""Print how much longer a run takes than its stages by themselves.

Usage: python benchmarks/overhead.py [CORES]

Runs the demo cohort twice in a folder of its own, the second time with its numeric code compiled,
and compares the second run's time, from the command to its end, with the sum of what its stages
took. Each job writes that into its log; the time of its imports is left out of it. With CORES other
than 1 (the default), stages run side by side and the comparison says little.
"""

from __future__ import annotations

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
    command += ["--config", "samples=config/demo/samples.tsv"]
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


def main() -> None:
    cores = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in LINKED:
            (folder / part).symlink_to(REPOSITORY / part)
        run(folder, cores)
        print(report(folder / "results", run(folder, cores)))


if __name__ == "__main__":
    main()
