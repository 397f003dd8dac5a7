"""A broken file among a job's inputs is found and named."""

import h5py
import numpy as np
import pyarrow as pa
import pytest
import zarr

from vitrail.io import parquet
from vitrail.io.raster import COMPRESSORS
from vitrail.io.verify import first_unreadable

NUMBERS = np.random.default_rng(0).integers(0, 1000, size=(64, 64)).astype(np.int32)


def write_parquet(folder):
    path = folder / "a.parquet"
    parquet.write(pa.table({"x": NUMBERS.ravel()}), path)
    return path, path


def write_store(folder):
    path = folder / "a.zarr"
    zarr.open_group(str(path), mode="w")
    array = zarr.create_array(
        str(path / "image"), shape=(64, 64), chunks=(32, 64), dtype="i4", compressors=COMPRESSORS
    )
    array[:] = NUMBERS
    return path, path / "image/c/1/0"


def write_npz(folder):
    path = folder / "a.npz"
    np.savez(path, x=NUMBERS)
    return path, path


def write_h5ad(folder):
    path = folder / "a.h5ad"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=NUMBERS, chunks=(64, 64), compression="gzip")
    return path, path


WRITERS = (write_parquet, write_store, write_npz, write_h5ad)


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize("write", WRITERS)
def test_whole_files_are_readable(tmp_path, write):
    path, _ = write(tmp_path)
    assert first_unreadable([path]) is None


@pytest.mark.parametrize("write", WRITERS)
def test_a_flipped_byte_is_found(tmp_path, write):
    path, file = write(tmp_path)
    flip(file, file.stat().st_size // 2)
    found = first_unreadable([path])
    assert found is not None
    assert found[0].startswith(str(path))


@pytest.mark.parametrize("place", range(20, 4000, 331))
def test_any_flipped_byte_of_a_chunk_is_found(tmp_path, place):
    path, file = write_store(tmp_path)
    flip(file, place % file.stat().st_size)
    found = first_unreadable([path])
    assert found is not None
    assert found[0] == str(path / "image")
    assert "chunk 1/0" in found[1]


def test_a_missing_file_is_named(tmp_path):
    assert first_unreadable([tmp_path / "a.npz"]) == (str(tmp_path / "a.npz"), "it is not there")
