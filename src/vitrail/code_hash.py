"""A hash of the code that a stage runs: what makes its results stale.

Snakemake sees an edited script but not an edited module, so each rule carries this hash as a
parameter. Standard library only: the workflow calls it while it is parsed.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

# Trees of one piece of code differ between versions of Python.
PARSER = f"{sys.version_info.major}.{sys.version_info.minor}"


class Module(NamedTuple):
    """What counts of a module.

    Attributes
    ----------
    code
        Hash of its code without comments, layout and docstrings.
    names
        What it imports from vitrail.
    """

    code: str
    names: list[str]


class CodeHashes:
    """Hashes of scripts with all that they import from vitrail, followed through the library.

    Parameters
    ----------
    source
        Folder that holds the package ``vitrail``.
    memory
        File that keeps, by the hash of its text, what counts of each module: parsing all of them
        takes a second. It is made where it can be, and read where it is whole.
    """

    def __init__(self, source: Path, memory: Path | None = None) -> None:
        self._source = source
        self._memory = memory
        self._known = _remembered(memory)
        self._modules: dict[Path, Module] = {}
        self._texts: dict[str, Module] = {}
        self._files: dict[str, list[Path]] = {}

    def of(self, script: Path) -> str:
        """Hash of a script's imports from vitrail. Comments, layout and docstrings do not count."""
        digest = hashlib.sha256()
        for module in sorted(self._reachable(script)):
            digest.update(module.relative_to(self._source).as_posix().encode())
            digest.update(self._module(module).code.encode())
        return digest.hexdigest()[:16]

    def remember(self) -> None:
        """Keep what was parsed for the next process."""
        if self._memory is None or self._texts.keys() == self._known.keys():
            return
        temporary = self._memory.with_name(f".{self._memory.name}-{os.getpid()}")
        # A folder that cannot be written to costs the next process a second.
        with suppress(OSError):
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps({"parser": PARSER, "modules": self._texts}))
            os.replace(temporary, self._memory)

    def _reachable(self, script: Path) -> set[Path]:
        found: set[Path] = set()
        waiting = [script]
        while waiting:
            for name in self._module(waiting.pop()).names:
                for module in self._files_of(name):
                    if module not in found:
                        found.add(module)
                        waiting.append(module)
        return found

    def _files_of(self, name: str) -> list[Path]:
        if name not in self._files:
            self._files[name] = list(_files(name, self._source))
        return self._files[name]

    def _module(self, path: Path) -> Module:
        if path not in self._modules:
            text = path.read_bytes()
            key = hashlib.sha256(text).hexdigest()
            self._texts[key] = self._modules[path] = self._known.get(key) or _parse(text, path)
        return self._modules[path]


def code_hash(script: Path, source: Path) -> str:
    """Hash of one script, see `CodeHashes`."""
    return CodeHashes(source).of(script)


def _remembered(memory: Path | None) -> dict[str, Module]:
    if memory is None:
        return {}
    try:
        content = json.loads(memory.read_text())
        if content["parser"] != PARSER:
            return {}
        return {
            key: Module(str(code), list(names)) for key, (code, names) in content["modules"].items()
        }
    # Whatever is wrong with it, it is made anew.
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _files(name: str, source: Path) -> Iterator[Path]:
    """Source files that importing `name` runs: each package's ``__init__`` and the module."""
    path = source
    for part in name.split("."):
        path = path / part
        if (path / "__init__.py").is_file():
            yield path / "__init__.py"
        elif path.with_suffix(".py").is_file():
            yield path.with_suffix(".py")


def _parse(text: bytes, path: Path) -> Module:
    tree = ast.parse(text, filename=str(path))
    names = sorted(set(_imports(tree)))
    for node in ast.walk(tree):
        _drop_docstring(node)
    return Module(hashlib.sha256(ast.dump(tree).encode()).hexdigest(), names)


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] == "vitrail")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "vitrail":
            yield from (f"{node.module}.{a.name}" for a in node.names)


def _drop_docstring(node: ast.AST) -> None:
    if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return
    first = node.body[0] if node.body else None
    if (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    ):
        node.body = node.body[1:]
