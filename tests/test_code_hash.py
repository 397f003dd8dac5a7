import json
from pathlib import Path

import pytest

from vitrail.code_hash import CodeHashes, code_hash


@pytest.fixture
def package(tmp_path):
    """A small library: the script uses `a`, `a` uses `sub.b`, nobody uses `c`."""
    root = tmp_path / "src" / "vitrail"
    (root / "sub").mkdir(parents=True)
    (root / "__init__.py").write_text("")
    (root / "sub" / "__init__.py").write_text("")
    (root / "a.py").write_text("def f():\n    from vitrail.sub import b\n    return b.g()\n")
    (root / "sub" / "b.py").write_text('"""Doc."""\n\n\ndef g():\n    return 1\n')
    (root / "c.py").write_text("X = 1\n")
    (tmp_path / "script.py").write_text("import numpy\nfrom vitrail.a import f\n")
    return tmp_path


def hash_of(package: Path) -> str:
    return code_hash(package / "script.py", package / "src")


def test_an_edit_of_a_module_behind_another_changes_the_hash(package):
    before = hash_of(package)
    (package / "src/vitrail/sub/b.py").write_text("def g():\n    return 2\n")
    assert hash_of(package) != before


def test_an_edit_of_a_module_that_is_not_imported_keeps_the_hash(package):
    before = hash_of(package)
    (package / "src/vitrail/c.py").write_text("X = 2\n")
    assert hash_of(package) == before


def test_comments_layout_and_docstrings_keep_the_hash(package):
    before = hash_of(package)
    (package / "src/vitrail/sub/b.py").write_text(
        '"""Another."""\n# why\ndef g():\n    """Say one."""\n    return (1)\n'
    )
    assert hash_of(package) == before


def test_an_edit_of_a_package_init_changes_the_hash(package):
    before = hash_of(package)
    (package / "src/vitrail/sub/__init__.py").write_text("import os\n")
    assert hash_of(package) != before


# What is remembered of modules.


@pytest.fixture
def memory(package):
    return package / "state/code.json"


def remembering(package, memory):
    hashes = CodeHashes(package / "src", memory)
    found = hashes.of(package / "script.py")
    hashes.remember()
    return found


def test_modules_that_did_not_change_are_not_parsed_again(package, memory, monkeypatch):
    before = remembering(package, memory)
    assert before == hash_of(package)
    parsed = []
    monkeypatch.setattr("vitrail.code_hash._parse", lambda text, path: parsed.append(path))
    assert remembering(package, memory) == before
    assert parsed == []


def test_an_edit_is_seen_whatever_is_remembered(package, memory):
    before = remembering(package, memory)
    (package / "src/vitrail/sub/b.py").write_text("def g():\n    return 2\n")
    after = remembering(package, memory)
    assert after == hash_of(package) != before
    # The script, two modules, the empty text of two packages; what the edit replaced is gone.
    assert len(json.loads(memory.read_text())["modules"]) == 4


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"parser": "2.7", "modules": {}}', "\0"])
def test_a_broken_memory_is_made_anew(package, memory, content):
    before = remembering(package, memory)
    whole = memory.read_text()
    memory.write_text(content)
    assert remembering(package, memory) == before
    assert memory.read_text() == whole


def test_a_memory_that_cannot_be_written_is_done_without(package):
    (package / "file").write_text("")
    assert remembering(package, package / "file/code.json") == hash_of(package)
