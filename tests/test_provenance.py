from pathlib import Path

import pytest

from vitrail.provenance import _parsed, code_hash, record


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
    _parsed.cache_clear()
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


def test_record_leaves_out_how_the_work_is_divided():
    assert record("tile", {"shards": 3, "size": 10})["settings"] == {"size": 10}
