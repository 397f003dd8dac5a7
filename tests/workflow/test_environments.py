"""A stage's environment holds what its script imports, and nothing else."""

import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import conda_stand_in
import pytest
from environments import (
    REPOSITORY,
    STAGES,
    constraints,
    distribution,
    extras,
    listed,
    python_of,
    requirements,
)
from packaging.specifiers import SpecifierSet
from stage_imports import imports_of

SOURCE = REPOSITORY / "src"
# Extras for developers; a stage may import what is in one of the others, and says so if it is not.
TOOLS = {"test", "lint", "slurm", "storage"}


@cache
def needed(stage):
    """Distribution of each third-party module that a stage's code imports, with who imports it."""
    found = imports_of(REPOSITORY / f"scripts/{stage}.py", SOURCE).third_party
    return {distribution(module): sorted(users) for module, users in found.items()}


@cache
def optional():
    """What only an extra of the package brings."""
    return {name for extra in extras() - TOOLS for name in requirements(extra)} - set(
        requirements()
    )


@pytest.mark.parametrize("stage", STAGES)
def test_an_environment_lacks_nothing_that_its_stage_imports(stage):
    lacking = {
        name: users
        for name, users in needed(stage).items()
        if name not in listed(stage) and name not in optional()
    }
    assert lacking == {}


@pytest.mark.parametrize("stage", STAGES)
def test_an_environment_holds_nothing_that_its_stage_never_imports(stage):
    assert set(listed(stage)) - set(needed(stage)) == set()


@pytest.mark.parametrize("stage", STAGES)
def test_versions_are_those_of_the_lock_and_within_the_packages_ranges(stage):
    locked = constraints()
    ranges = requirements()
    for name, version in listed(stage).items():
        assert version == locked[name], name
        assert ranges[name].specifier.contains(version), name
    assert SpecifierSet(">=3.11,<3.14").contains(f"{python_of(stage)}.0")


@pytest.mark.parametrize("stage", STAGES)
def test_a_rule_names_its_stages_script_and_environment(stage):
    rule = (REPOSITORY / f"workflow/rules/{stage}.smk").read_text()
    assert f'conda:\n        "../../envs/{stage}.yaml"' in rule
    assert f'script:\n        "../../scripts/{stage}.py"' in rule


def test_each_environment_belongs_to_a_stage():
    assert sorted(path.stem for path in (REPOSITORY / "envs").glob("*.yaml")) == STAGES


def test_every_range_of_the_package_holds_its_locked_version():
    locked = constraints()
    for name, requirement in requirements().items():
        assert requirement.specifier.contains(locked[name]), name


# The test's own means: a library whose imports are known.


@pytest.fixture
def library(tmp_path):
    package = tmp_path / "src/vitrail"
    (package / "sub").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "sub/__init__.py").write_text("import in_package\n")
    (package / "a.py").write_text(
        """
from __future__ import annotations
from typing import TYPE_CHECKING
from vitrail.sub import b
import in_module
if TYPE_CHECKING:
    import for_types
try:
    import in_try
except ImportError:
    pass

def called(x: for_types.X) -> None:
    import in_called
    b.used()
    Kind().asked()

def idle():
    import in_idle

class Kind:
    def __init__(self):
        import in_init
    def asked(self):
        import in_asked
    def unasked(self):
        import in_unasked

def by_default(x=b.default()):
    import in_by_default
"""
    )
    (package / "sub/b.py").write_text(
        """
def used():
    import in_used
def unused():
    import in_unused
def default():
    import in_default
"""
    )
    (tmp_path / "script.py").write_text(
        "from vitrail import a\nimport json\ndef main(job):\n    a.called(1)\n"
    )
    return tmp_path


def test_imports_are_followed_from_function_to_function(library):
    found = imports_of(library / "script.py", library / "src")
    assert set(found.third_party) == {
        "in_package",
        "in_module",
        "in_try",
        "in_called",
        "in_used",
        "in_init",
        "in_asked",
        "in_default",
    }
    assert found.modules == {"vitrail", "vitrail.a", "vitrail.sub", "vitrail.sub.b"}
    assert found.third_party["in_used"] == {"vitrail.sub.b.used"}


# Environments made from PyPI: the packages are conda-forge's, but for some names.


@pytest.fixture(scope="module")
def uv():
    """The command uv."""
    found = shutil.which("uv", path=Path(sys.executable).parent) or shutil.which("uv")
    assert found, "needs uv (pip install uv)"
    return found


def environment(stage, folder, uv):
    """A virtual environment with what a stage's conda environment lists; its interpreter."""
    pins = [f"{name}=={version}" for name, version in listed(stage).items()]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert version == python_of(stage), "run this test with the environments' Python"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
    interpreter = folder / "bin/python"
    command = [uv, "pip", "install", "--quiet", "--python", interpreter, *pins]
    subprocess.run(command, check=True)
    return interpreter


@pytest.mark.environments
@pytest.mark.parametrize("stage", STAGES)
def test_all_that_a_stage_imports_is_there_in_an_environment_of_its_list_alone(stage, tmp_path, uv):
    interpreter = environment(stage, tmp_path / "environment", uv)
    imports = imports_of(REPOSITORY / f"scripts/{stage}.py", SOURCE)
    wanted = {m for m in imports.third_party if distribution(m) not in optional()}
    program = "\n".join(f"import {name}" for name in sorted(imports.modules | wanted))
    process = subprocess.run(
        [interpreter, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(SOURCE), "NUMBA_CACHE_DIR": str(tmp_path / "cache")},
    )
    assert process.returncode == 0, process.stderr
    count = len(re.findall("^import", program, re.MULTILINE))
    print(f"{stage}: {len(listed(stage))} packages listed, {count} modules imported")


@pytest.mark.environments
def test_a_run_with_an_environment_for_each_stage_gives_the_same_bits(finished, tmp_path, uv):
    """`snakemake --sdm conda`, with a conda that takes the packages from PyPI."""
    deployment = finished.copy(tmp_path / "run")
    for name in ("A", "B", "cohort"):
        shutil.rmtree(deployment.folder / "results" / name)
    deployment.run("--sdm", "conda", **conda_stand_in.install(tmp_path / "conda", uv))
    made = deployment.folder / ".snakemake/conda"
    environments = [path for path in made.iterdir() if (path / "bin/python").exists()]
    # Stages whose lists are equal share one; the slides are there, and these stages have no job.
    idle = {"synthesize", "table", "preview", "topography"}
    assert len(environments) == len({str(listed(stage)) for stage in STAGES if stage not in idle})
    one, other = finished.results(), deployment.results()
    assert sorted(p for p in one.keys() | other.keys() if one.get(p) != other.get(p)) == []
    print(f"{len(environments)} environments, {len(other)} files equal to those of one environment")
