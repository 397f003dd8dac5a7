"""The conda environments of the stages, and the names by which others know what they hold."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parents[1]
STAGES = sorted(path.stem for path in (REPOSITORY / "scripts").glob("*.py"))
# Stages that run a segmenter: its choice decides which of these environments they get.
SEGMENTER_STAGES = ("prepare", "score", "segment")
SEGMENTER_ENVIRONMENTS = ("segment", "segment-cellpose")
# Environment of each stage; the usual one of those that have several.
ENVIRONMENT_OF = {stage: "segment" if stage in SEGMENTER_STAGES else stage for stage in STAGES}
ENVIRONMENTS = sorted({*ENVIRONMENT_OF.values(), *SEGMENTER_ENVIRONMENTS})
# conda-forge's name, where it is not PyPI's.
CONDA_NAMES = {"igraph": "python-igraph", "matplotlib": "matplotlib-base", "torch": "pytorch"}
PYPI_NAMES = {conda: pypi for pypi, conda in CONDA_NAMES.items()}


def stages_in(environment: str) -> list[str]:
    """Stages that run in an environment."""
    if environment in SEGMENTER_ENVIRONMENTS:
        return list(SEGMENTER_STAGES)
    return [stage for stage in STAGES if ENVIRONMENT_OF[stage] == environment]


def listed(environment: str) -> dict[str, str]:
    """Version of each distribution in an environment by its name at PyPI; without Python."""
    pins = _pins(environment)
    return {PYPI_NAMES.get(name, name): version for name, version in pins if name != "python"}


def python_of(environment: str) -> str:
    """Version of Python in an environment."""
    return dict(_pins(environment))["python"]


def _pins(environment: str) -> list[tuple[str, str]]:
    content = yaml.safe_load((REPOSITORY / f"envs/{environment}.yaml").read_text())
    pins = []
    for entry in content["dependencies"]:
        name, version = entry.split(" =")
        pins.append((name, version))
    return pins


def constraints() -> dict[str, str]:
    """Version of each distribution in constraints.txt."""
    lines = (REPOSITORY / "constraints.txt").read_text().split()
    return {canonicalize_name(name): version for name, version in (x.split("==") for x in lines)}


def requirements(extra: str | None = None) -> dict[str, Requirement]:
    """Requirements of the package, or those of one of its extras, by name."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    texts = project["optional-dependencies"][extra] if extra else project["dependencies"]
    return {canonicalize_name(r.name): r for r in map(Requirement, texts)}


def all_requirements() -> dict[str, Requirement]:
    """Requirements of the package and of all its extras; the package's own come first."""
    found: dict[str, Requirement] = {}
    for extra in sorted(extras()):
        found |= requirements(extra)
    return found | requirements()


def extras() -> set[str]:
    """Names of the extras."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    return set(project["optional-dependencies"])


def distribution(module: str) -> str:
    """Distribution that an installed top-level module belongs to; the module's name if none."""
    owners = _owners().get(module)
    return canonicalize_name(owners[0]) if owners else module


@cache
def _owners() -> Mapping[str, list[str]]:
    return packages_distributions()
