"""Members of a group are those that zarr makes itself, on file systems without hard links too."""

import numpy as np
import pytest
import zarr

from vitrail.io.zarr_children import create_array, create_group

OPTIONS = {"shape": (3, 4), "chunks": (2, 2), "dtype": "int32", "fill_value": 0}


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_members_are_zarrs_own(tmp_path, monkeypatch):
    values = np.arange(12).reshape(3, 4)

    one = zarr.open_group(str(tmp_path / "one"), mode="w", zarr_format=3)
    one.create_array("a", **OPTIONS)[:] = values
    inner = one.create_group("g", attributes={"x": [1, "y"]})
    inner.create_array("b", attributes={"z": 2}, **OPTIONS)[:] = values

    def refuse(*arguments, **options):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    with pytest.raises(PermissionError):
        one.create_array("c", **OPTIONS)
    other = zarr.open_group(str(tmp_path / "other"), mode="w", zarr_format=3)
    create_array(other, "a", **OPTIONS)[:] = values
    inner = create_group(other, "g", {"x": [1, "y"]})
    create_array(inner, "b", attributes={"z": 2}, **OPTIONS)[:] = values

    made = content(tmp_path / "other")
    assert made == {p: c for p, c in content(tmp_path / "one").items() if not p.startswith("c/")}
    assert (zarr.open_group(str(tmp_path / "other"), mode="r")["g/b"][:] == values).all()


def test_a_group_in_memory_is_refused():
    group = zarr.open_group(zarr.storage.MemoryStore(), mode="w")
    with pytest.raises(TypeError, match="MemoryStore"):
        create_array(group, "a", **OPTIONS)
