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
    ENVIRONMENT_OF,
    ENVIRONMENTS,
    REPOSITORY,
    SEGMENTER_ENVIRONMENTS,
    SEGMENTER_STAGES,
    STAGES,
    all_requirements,
    constraints,
    distribution,
    listed,
    python_of,
    requirements,
    stages_in,
)
from packaging.specifiers import SpecifierSet
from stage_imports import imports_of

from vitrail.segmentation.registry import ENTRIES

SOURCE = REPOSITORY / "src"
# Packages of one segmenter alone, with the environment that holds them: the others do without.
OPTIONAL = {"cellpose": "segment-cellpose"}
# What a package loads by itself, where no import of a stage's code shows it: tifffile writes JPEG
# 2000 with imagecodecs, and cellpose brings the torch that it is built for.
BY_ITSELF = {"explorer": {"imagecodecs"}}
BROUGHT = {"segment-cellpose": {"torch"}}
# cellpose 3 wants a numpy that is older than the other environments'; it is not in the lock.
UNLOCKED = {"segment-cellpose": {"cellpose", "numpy"}}


@cache
def needed(environment):
    """Distribution of each module that an environment's stages import, with who imports it."""
    found = {}
    for stage in stages_in(environment):
        for module, users in third_party(stage).items():
            found.setdefault(distribution(module), set()).update(users)
    for name, home in OPTIONAL.items():
        if environment != home:
            found.pop(name, None)
    return {name: sorted(users) for name, users in found.items()}


@cache
def third_party(stage):
    return imports_of(REPOSITORY / f"scripts/{stage}.py", SOURCE).third_party


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_lacks_nothing_that_its_stages_import(environment):
    there = {*listed(environment), *BROUGHT.get(environment, ())}
    lacking = {name: users for name, users in needed(environment).items() if name not in there}
    assert lacking == {}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_holds_nothing_that_its_stages_never_import(environment):
    used = {*needed(environment), *BY_ITSELF.get(environment, ())}
    assert set(listed(environment)) - used == set()


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_versions_are_those_of_the_lock_and_within_the_packages_ranges(environment):
    locked = constraints()
    ranges = all_requirements()
    for name, version in listed(environment).items():
        assert ranges[name].specifier.contains(version), name
        if name not in UNLOCKED.get(environment, ()):
            assert version == locked[name], name
    assert SpecifierSet(">=3.11,<3.14").contains(f"{python_of(environment)}.0")


def rule_of(stage):
    """Text of a stage's rule."""
    texts = [path.read_text() for path in (REPOSITORY / "workflow/rules").glob("*.smk")]
    (found,) = re.findall(rf"^rule {stage}:\n(?:(?:    .*)?\n)*", "\n".join(texts), re.MULTILINE)
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_a_rule_names_its_stages_script_and_environment(stage):
    rule = rule_of(stage)
    assert f'script:\n        "../../scripts/{stage}.py"' in rule
    if stage in SEGMENTER_STAGES:
        assert re.search(
            r"conda:\n +(segmenter_environment\n|lambda[^#]*segmentation.environment)", rule
        )
    else:
        assert f'conda:\n        "../../envs/{ENVIRONMENT_OF[stage]}.yaml"' in rule


def test_segmenters_name_the_environments_of_their_stages():
    assert {entry.environment for entry in ENTRIES.values()} == set(SEGMENTER_ENVIRONMENTS)


def test_each_environment_belongs_to_a_stage():
    assert sorted(path.stem for path in (REPOSITORY / "envs").glob("*.yaml")) == ENVIRONMENTS


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
    reads()
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

def made_at_once():
    import in_made

def in_table():
    import in_table

MADE = {"made": made_at_once()}
TABLE = {"name": b.in_table}
UNREAD = {"name": in_table}

def reads():
    return TABLE
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
def in_table():
    import in_read_table
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
        "in_made",
        "in_read_table",
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


def build(environment, folder, uv):
    """A virtual environment with what a conda environment lists; its interpreter."""
    pins = [f"{name}=={version}" for name, version in listed(environment).items()]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert version == python_of(environment), "run this test with the environments' Python"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
    interpreter = folder / "bin/python"
    command = [uv, "pip", "install", "--quiet", "--python", interpreter, *pins]
    subprocess.run([*command, *conda_stand_in.torch_index()], check=True)
    return interpreter


def of_others(third_party, environment):
    """Modules that import a package of one segmenter, whose home is another environment."""
    return {
        user
        for module, users in third_party.items()
        if OPTIONAL.get(distribution(module), environment) != environment
        for user in users
    }


@pytest.mark.environments
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_all_that_is_imported_is_there_in_an_environment_of_its_list_alone(
    environment, tmp_path, uv
):
    interpreter = build(environment, tmp_path / "environment", uv)
    wanted = set()
    for stage in stages_in(environment):
        imports = imports_of(REPOSITORY / f"scripts/{stage}.py", SOURCE)
        found = {m for m in imports.third_party if distribution(m) in needed(environment)}
        wanted |= found | (imports.modules - of_others(imports.third_party, environment))
    program = "\n".join(f"import {name}" for name in sorted(wanted))
    process = subprocess.run(
        [interpreter, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(SOURCE), "NUMBA_CACHE_DIR": str(tmp_path / "cache")},
    )
    assert process.returncode == 0, process.stderr
    count = len(re.findall("^import", program, re.MULTILINE))
    packages = len(listed(environment))
    print(f"{environment}: {packages} packages listed, {count} modules imported")


@pytest.mark.environments
def test_a_run_with_an_environment_for_each_stage_gives_the_same_bits(finished, tmp_path, uv):
    """`snakemake --sdm conda`, with a conda that takes the packages from PyPI."""
    deployment = finished.copy(tmp_path / "run")
    for name in ("A", "B", "cohort"):
        shutil.rmtree(deployment.folder / "results" / name)
    deployment.run("--sdm", "conda", **conda_stand_in.install(tmp_path / "conda", uv))
    made = deployment.folder / ".snakemake/conda"
    environments = [path for path in made.iterdir() if (path / "bin/python").exists()]
    # Stages whose lists are equal share one; these stages have no job. The slides are made anew, as
    # they were made without an environment.
    idle = {"table", "preview", "explorer", "train", "evaluate", "segment-cellpose"}
    busy = {str(listed(name)) for name in ENVIRONMENTS if name not in idle}
    assert len(environments) == len(busy)
    one, other = finished.results(), deployment.results()
    assert sorted(p for p in one.keys() | other.keys() if one.get(p) != other.get(p)) == []
    print(f"{len(environments)} environments, {len(other)} files equal to those of one environment")
