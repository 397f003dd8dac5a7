"""What a stage's script imports, found by reading the code and running none of it.

`vitrail.code_hash` follows imports from module to module, which is right for a hash: too
much is harmless. An environment shall hold what its stage uses and no more, so here they are
followed from function to function: what a function imports counts once something that runs names
the function. A method counts once its class is named, and its own name after a dot, whatever stands
before the dot. What a module's assignment names without a call (a table of functions) counts once
something that runs names what is assigned.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

PACKAGE = "vitrail"
# It reads the inputs of a failed job again, whichever kind they are: the stage that reads that kind
# has its reader, and the others have no input of it.
LEFT_OUT = "vitrail.io.verify"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Imports(NamedTuple):
    """Imports of a script: modules of the library, and third-party modules with who needs them."""

    modules: set[str]
    third_party: dict[str, set[str]]


class Binding(NamedTuple):
    """What an imported name stands for: a module, or a member of one."""

    module: str
    member: str | None


def imports_of(script: Path, source: Path) -> Imports:
    """Imports that running a script can make.

    Parameters
    ----------
    script
        The stage's script; its function `main` is what the workflow calls.
    source
        Folder that holds the package.
    """
    walk = _Walk(source)
    walk.run_module("__main__", script)
    walk.reach("__main__", "main")
    return Imports(walk.loaded - {"__main__"}, walk.third_party)


class _Module:
    """A parsed module: its definitions by name, the statements that its import runs, its names."""

    def __init__(self, path: Path) -> None:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
        self.definitions: dict[str, list[ast.AST]] = {}
        self.statements: list[ast.AST] = []
        for node in _top_level(tree.body):
            if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
                self.definitions.setdefault(node.name, []).append(node)
                self.statements += _run_by_definition(node)
            else:
                self.statements.append(node)


class _Walk:
    def __init__(self, source: Path) -> None:
        self._source = source
        self._paths: dict[str, Path] = {}
        self._seen: set[tuple[str, str]] = set()
        self._bindings: dict[str, dict[str, Binding]] = {}
        self._attributes: set[str] = set()
        self._methods: dict[str, list[tuple[str, ast.AST, str]]] = {}
        self._assignments: dict[tuple[str, str], list[ast.AST]] = {}
        self.loaded: set[str] = set()
        self.third_party: dict[str, set[str]] = {}

    def run_module(self, name: str, path: Path) -> None:
        """Follow what importing a module runs."""
        if name in self.loaded:
            return
        self.loaded.add(name)
        self._paths[name] = path
        self._bindings[name] = {}
        for statement in _parse(path).statements:
            targets = _assigned(statement)
            for target in targets:
                self._assignments.setdefault((name, target), []).append(statement)
            for part in _called(statement) if targets else [statement]:
                self._bindings[name] |= self._follow(name, part, name)

    def reach(self, module: str, name: str) -> None:
        """Follow a function, a class or a name that a module has imported."""
        if (module, name) in self._seen:
            return
        self._seen.add((module, name))
        definitions = _parse(self._paths[module]).definitions
        if name in definitions:
            for node in definitions[name]:
                self._reach_definition(module, node, f"{module}.{name}")
        elif (module, name) in self._assignments:
            for node in self._assignments[module, name]:
                self._follow(module, node, f"{module}.{name}")
        elif name in self._bindings[module]:
            self._use(self._bindings[module][name])
        elif "__getattr__" in definitions:
            self.reach(module, "__getattr__")

    def _reach_definition(self, module: str, node: ast.AST, where: str) -> None:
        if not isinstance(node, ast.ClassDef):
            self._follow(module, node, where)
            return
        for part in node.body:
            name = getattr(part, "name", "__body__")
            if name.startswith("__") or name in self._attributes:
                self._follow(module, part, f"{where}.{name}")
            else:
                self._methods.setdefault(name, []).append((module, part, f"{where}.{name}"))

    def _follow(self, module: str, node: ast.AST, where: str) -> dict[str, Binding]:
        nodes = list(_run(node))
        bound: dict[str, Binding] = {}
        for part in nodes:
            if isinstance(part, ast.Import | ast.ImportFrom):
                bound |= self._import(part, where)
        known = self._bindings[module] | bound
        for part in nodes:
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
                if part.id in known:
                    self._use(known[part.id])
                else:
                    self.reach(module, part.id)
            elif isinstance(part, ast.Attribute):
                self._use_member(part, known)
                self._use_methods(part.attr)
        return bound

    def _use(self, binding: Binding) -> None:
        if binding.member is not None:
            self.reach(binding.module, binding.member)

    def _use_member(self, node: ast.Attribute, known: dict[str, Binding]) -> None:
        if isinstance(node.value, ast.Name):
            binding = known.get(node.value.id)
            if binding is not None and binding.member is None:
                self.reach(binding.module, node.attr)

    def _use_methods(self, name: str) -> None:
        self._attributes.add(name)
        for module, node, where in self._methods.pop(name, ()):
            self._follow(module, node, where)

    def _import(self, node: ast.Import | ast.ImportFrom, where: str) -> dict[str, Binding]:
        bound: dict[str, Binding] = {}
        if isinstance(node, ast.Import):
            for alias in node.names:
                if self._load(alias.name, where):
                    name = alias.name if alias.asname else alias.name.split(".")[0]
                    bound[alias.asname or name] = Binding(name, None)
            return bound
        base = node.module or ""
        if not self._load(base, where):
            return bound
        for alias in node.names:
            name = f"{base}.{alias.name}"
            is_module = self._file(name) is not None and name != LEFT_OUT
            if is_module:
                self._load(name, where)
            bound[alias.asname or alias.name] = (
                Binding(name, None) if is_module else Binding(base, alias.name)
            )
        return bound

    def _load(self, name: str, where: str) -> bool:
        """Import a module with its packages; whether it is one of the library's."""
        top = name.split(".")[0]
        if name == LEFT_OUT:
            return False
        if top != PACKAGE:
            if top not in sys.stdlib_module_names:
                self.third_party.setdefault(top, set()).add(where)
            return False
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            module = ".".join(parts[:end])
            path = self._file(module)
            if path is None:
                raise ImportError(f"{where} imports {module}, which is no module of the library")
            self.run_module(module, path)
        return True

    def _file(self, name: str) -> Path | None:
        path = self._source.joinpath(*name.split("."))
        for candidate in (path / "__init__.py", path.with_suffix(".py")):
            if candidate.is_file():
                return candidate
        return None


@cache
def _parse(path: Path) -> _Module:
    return _Module(path)


def _top_level(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements of a module, those inside of its `if` and `try` one by one."""
    for node in body:
        if isinstance(node, ast.If) and not _is_for_types(node):
            yield ast.Expr(node.test)
            yield from _top_level([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            handlers = [statement for handler in node.handlers for statement in handler.body]
            yield from _top_level([*node.body, *handlers, *node.orelse, *node.finalbody])
        else:
            yield node


def _run_by_definition(node: ast.AST) -> list[ast.AST]:
    """What defining a function or a class runs by itself: decorators, defaults, bases."""
    run = list(getattr(node, "decorator_list", []))
    if isinstance(node, ast.ClassDef):
        run += [*node.bases, *(keyword.value for keyword in node.keywords)]
        run += [part for part in node.body if not isinstance(part, (*FUNCTIONS, ast.ClassDef))]
    elif isinstance(node, FUNCTIONS):
        run += [*node.args.defaults, *(value for value in node.args.kw_defaults if value)]
    return run


def _assigned(node: ast.AST) -> list[str]:
    """Names that a statement assigns, if it does nothing else."""
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        targets = [node.target]
    else:
        return []
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    return names if len(names) == len(targets) else []


def _called(node: ast.AST) -> list[ast.AST]:
    """What a statement calls."""
    return [part.func for part in _run(node) if isinstance(part, ast.Call)]


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def _run(node: ast.AST) -> Iterator[ast.AST]:
    """A node and all below it that can run: no annotations, nothing for type checkers."""
    if _is_for_types(node):
        return
    yield node
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _run(child)
