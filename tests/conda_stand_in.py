"""What Snakemake asks of conda, answered with virtual environments from PyPI.

Where no conda channel can be reached, this lets `snakemake --sdm conda` run as it would: it reads
the same environment files, makes an environment for each, activates it and runs the stage in it.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml
from environments import PYPI_NAMES

ACTIVATE = 'export CONDA_PREFIX="$1" PATH="$1/bin:$PATH"\n'


def main(arguments):
    """Answer one command line of conda's."""
    line = " ".join(arguments)
    if line == "--version":
        print("conda 25.1.0")
    elif line == "info --json":
        print(json.dumps({"conda_prefix": os.environ["STAND_IN"], "platform": "linux-64"}))
    elif line == "config --get channel_priority --json":
        print(json.dumps({"get": {"channel_priority": "strict"}}))
    elif line.startswith("env create"):
        create(**dict(re.findall(r"--(file|prefix) (\S+)", line)))
    elif not line.startswith("clean"):
        raise SystemExit(f"the stand-in for conda knows no 'conda {line}'")


def create(file, prefix):
    """Make the environment of a file."""
    entries = yaml.safe_load(Path(file).read_text())["dependencies"]
    pins = dict(entry.split(" =") for entry in entries)
    python = pins.pop("python")
    if python != f"{sys.version_info.major}.{sys.version_info.minor}":
        raise SystemExit(f"{file} wants Python {python}")
    uv = os.environ["STAND_IN_UV"]
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, prefix], check=True)
    wanted = [f"{PYPI_NAMES.get(name, name)}=={version}" for name, version in pins.items()]
    install = [uv, "pip", "install", "--quiet", "--python", f"{prefix}/bin/python"]
    subprocess.run([*install, *wanted, *torch_index()], check=True)


def torch_index():
    """Where uv finds torch, if not at PyPI: an index of CPU builds saves gigabytes."""
    index = os.environ.get("TORCH_INDEX")
    return ["--extra-index-url", index, "--index-strategy", "unsafe-best-match"] if index else []


def install(folder, uv):
    """Put the stand-in into a folder; the environment variables that a run needs to find it."""
    tests = Path(__file__).parent
    (folder / "bin").mkdir(parents=True)
    command = folder / "bin/conda"
    command.write_text(
        f'#!/bin/sh\nPYTHONPATH={tests} exec {sys.executable} {Path(__file__).resolve()} "$@"\n'
    )
    command.chmod(0o755)
    (folder / "bin/activate").write_text(ACTIVATE)
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    return {"STAND_IN": str(folder), "STAND_IN_UV": uv, "PATH": path}


if __name__ == "__main__":
    main(sys.argv[1:])
