"""What a result was made with: the code's hash and the record that outputs carry.

Standard library only: the workflow calls it while it is parsed.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import vitrail

# Settings that say how the work is divided, not what comes out: results are equal without them.
LAYOUT_KEYS = frozenset({"shards"})


def record(stage: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Record of a stage's version and settings, to be stored in its outputs.

    Settings that only divide the work (`LAYOUT_KEYS`) are left out, so that the same result has
    the same bits however it was divided.
    """
    kept = {key: value for key, value in settings.items() if key not in LAYOUT_KEYS}
    return {"vitrail": vitrail.__version__, "stage": stage, "settings": kept}


def to_json(provenance: Mapping[str, Any]) -> str:
    """Provenance as a JSON string with sorted keys."""
    return json.dumps(provenance, sort_keys=True, default=str)


def code_hash(script: Path, source: Path) -> str:
    """Hash of a script's imports from vitrail, followed through the library.

    Snakemake sees an edited script but not an edited module, so each rule carries this hash as a
    parameter. Comments, layout and docstrings do not count.

    Parameters
    ----------
    script
        The stage's script.
    source
        Folder that holds the package ``vitrail``.
    """
    digest = hashlib.sha256()
    for module in sorted(_reachable(script, source)):
        digest.update(module.relative_to(source).as_posix().encode())
        digest.update(_parsed(module)[0].encode())
    return digest.hexdigest()[:16]


def files_hash(paths: Iterable[Path]) -> str:
    """Hash of files that code reads and `code_hash` does not see, such as templates."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _reachable(script: Path, source: Path) -> set[Path]:
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        for name in _parsed(waiting.pop())[1]:
            for module in _files(name, source):
                if module not in found:
                    found.add(module)
                    waiting.append(module)
    return found


def _files(name: str, source: Path) -> Iterator[Path]:
    """Source files that importing `name` runs: each package's ``__init__`` and the module."""
    path = source
    for part in name.split("."):
        path = path / part
        if (path / "__init__.py").is_file():
            yield path / "__init__.py"
        elif path.with_suffix(".py").is_file():
            yield path.with_suffix(".py")


@cache
def _parsed(path: Path) -> tuple[str, tuple[str, ...]]:
    """Code of a module without comments and docstrings, and the vitrail names it imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    names = tuple(sorted(set(_imports(tree))))
    for node in ast.walk(tree):
        _drop_docstring(node)
    return ast.dump(tree), names


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
