"""Print what each stage of a finished run needed: jobs, time and peak memory.

Usage: python benchmarks/usage.py [RESULTS_FOLDER]

Read from the line that every job writes at the end of its log. Peaks are those of the process
itself, as the kernel counts them.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from pathlib import Path

USAGE = re.compile(r"usage (\{.*\})\s*$", re.MULTILINE)


def read_usage(results: Path) -> dict[str, list[dict[str, float]]]:
    """Usage of every job, by stage."""
    stages: dict[str, list[dict[str, float]]] = defaultdict(list)
    for log in sorted((results / "logs").rglob("*.log")):
        found = USAGE.findall(log.read_text(errors="replace"))
        if found:
            stages[_stage(log)].append(json.loads(found[-1]))
    return stages


def _stage(log: Path) -> str:
    return "synthesize" if log.parent.name == "synthetic" else log.stem.split("-")[0]


def table(stages: dict[str, list[dict[str, float]]]) -> str:
    """The usage as a Markdown table, longest stage first."""
    lines = ["| stage | jobs | CPU s, all jobs | longest job, s | peak of a job, MB |"]
    lines.append("|---|---|---|---|---|")
    for stage, jobs in sorted(stages.items(), key=lambda item: -_total(item[1], "cpu_s")):
        longest = max(job["wall_s"] for job in jobs)
        peak = max(job["peak_mb"] for job in jobs)
        cpu = _total(jobs, "cpu_s")
        lines.append(f"| {stage} | {len(jobs)} | {cpu:.0f} | {longest:.1f} | {peak:.0f} |")
    every = [job for jobs in stages.values() for job in jobs]
    peak = max(job["peak_mb"] for job in every)
    lines.append(f"| all | {len(every)} | {_total(every, 'cpu_s'):.0f} | | {peak:.0f} |")
    return "\n".join(lines)


def _total(jobs: list[dict[str, float]], key: str) -> float:
    return sum(job[key] for job in jobs)


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "results")
    usage = read_usage(folder)
    if not usage:
        raise SystemExit(f"{folder}/logs holds no finished job, wanted the results of a run.")
    print(table(usage))
