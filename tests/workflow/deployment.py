"""A deployed workflow in a folder of its own, run as a user runs it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
LINKED = ("workflow", "scripts", "src", "envs", "resources")
# Written anew by every run, or dependent on how the work is divided.
NOT_RESULTS = ("logs", "benchmarks", "shards", "tiles.parquet", ".snakemake_timestamp")


class Deployment:
    """A working directory with the workflow's code, a config and a sheet.

    The code is linked, so that compiled functions are shared; `own_code` replaces the links by a
    copy for a test that edits it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def create(cls, folder: Path) -> Deployment:
        folder.mkdir(parents=True, exist_ok=True)
        for name in LINKED:
            (folder / name).symlink_to(REPOSITORY / name)
        shutil.copytree(REPOSITORY / "config", folder / "config")
        return cls(folder)

    def copy(self, folder: Path) -> Deployment:
        shutil.copytree(self.folder, folder, symlinks=True)
        return Deployment(folder)

    def own_code(self) -> None:
        for name in LINKED:
            (self.folder / name).unlink()
            shutil.copytree(REPOSITORY / name, self.folder / name)

    def set(self, key: str, value: Any) -> None:
        """Change one key of the deployed config, keeping the file's comments out of the way."""
        path = self.folder / "config/config.yaml"
        config = yaml.safe_load(path.read_text())
        *sections, last = key.split(".")
        part = config
        for section in sections:
            part = part[section]
        part[last] = value
        path.write_text(yaml.safe_dump(config, sort_keys=False))

    def command(self, *arguments: str, cores: int = 2) -> list[str]:
        return [sys.executable, "-m", "snakemake", "--cores", str(cores), *arguments]

    def start(self, *arguments: str, cores: int = 2) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments, cores=cores),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=_environment(),
        )

    def snakemake(
        self, *arguments: str, cores: int = 2, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments, cores=cores),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            env={**_environment(), **environment},
        )

    def run(self, *arguments: str, cores: int = 2, **environment: str) -> str:
        result = self.snakemake(*arguments, cores=cores, **environment)
        assert result.returncode == 0, result.stdout[-6000:]
        return result.stdout

    def planned(self, *arguments: str) -> set[str]:
        """Jobs that a run would do now, as `rule` or `rule sample`."""
        output = self.run("--dry-run", *arguments)
        jobs = set()
        for block in re.split(r"\n(?=(?:local)?rule )", output):
            rule = re.match(r"(?:local)?rule (\w+):", block)
            if rule and rule[1] != "all":
                name = re.search(r"wildcards:.*?\b(?:sample|slide)=([\w.-]+)", block)
                jobs.add(f"{rule[1]} {name[1]}" if name else rule[1])
        return jobs

    def results(self) -> dict[str, str]:
        """Hash of each result, by its path."""
        root = self.folder / "results"
        return {
            str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(root.rglob("*"))
            if path.is_file() and not set(path.relative_to(root).parts) & set(NOT_RESULTS)
        }


def _environment() -> dict[str, str]:
    hidden = ("VITRAIL_WORKFLOW", "VITRAIL_WARM", "PYTHONPATH", "SNAKEMAKE_PROFILE")
    return {key: value for key, value in os.environ.items() if key not in hidden}
