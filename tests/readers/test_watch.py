"""Files are told by their content, and a change while they are read is seen."""

from hashlib import sha256

import pytest

from vitrail.errors import VitrailError
from vitrail.readers import watch
from vitrail.readers.watch import Watch, content_hash


@pytest.fixture
def small(monkeypatch):
    """Files of more than 40 bytes count as large, and are told by parts of 4 bytes."""
    monkeypatch.setattr(watch, "WHOLE_BYTES", 40)
    monkeypatch.setattr(watch, "PART_BYTES", 4)


def test_a_file_is_told_by_its_sha256(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    # FIPS 180-2, appendix B.1.
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert Watch([str(path)]).files() == [{"path": str(path), "bytes": 3, "sha256": known}]


def test_a_large_file_is_told_by_its_size_and_parts(tmp_path, small):
    path = tmp_path / "a"
    content = bytes(range(200))
    path.write_bytes(content)
    parts = b"".join(content[k * 196 // 15 :][:4] for k in range(16))
    assert parts.startswith(content[:4])
    assert parts.endswith(content[-4:])
    found = content_hash(str(path))
    assert found == {"sha256_sampled": sha256(b"200" + parts).hexdigest()}
    for changed in (content[:-1], content[:-1] + b"x", b"x" + content[1:]):
        path.write_bytes(changed)
        assert content_hash(str(path)) != found
    path.write_bytes(content[:40])
    assert content_hash(str(path)) == {"sha256": sha256(content[:40]).hexdigest()}


def test_names_and_times_do_not_count(tmp_path, small):
    import os

    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"x" * 100)
    os.utime(tmp_path / "a", (1, 1))
    assert content_hash(str(tmp_path / "a")) == content_hash(str(tmp_path / "b"))


def test_a_file_that_grows_is_refused(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    watched = Watch([str(path)])
    watched.check_unchanged()
    path.write_bytes(b"abcd")
    with pytest.raises(VitrailError, match=r"changed while it was read \(3 bytes before, 4 after"):
        watched.check_unchanged()
