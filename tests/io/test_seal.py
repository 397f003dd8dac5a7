"""A file with one byte flipped anywhere is told from a whole one."""

import random
import shutil
from types import SimpleNamespace

import anndata
import h5py
import numpy as np
import pytest
from scipy import sparse
from stage_files import Named

from vitrail import job
from vitrail.io.h5ad import Categorical, write_h5ad
from vitrail.io.h5ad_parts import put
from vitrail.io.seal import broken_seal, seal
from vitrail.io.verify import first_unreadable

LENGTH = 20
FLIPS = 400


@pytest.fixture
def unsealed(tmp_path):
    """A file with arrays of both kinds, text, and headers."""
    path = tmp_path / "a.h5ad"
    random_numbers = np.random.default_rng(3)
    n = 3000
    write_h5ad(
        path,
        sparse.random(n, 20, 0.3, "csr", np.float32, random_state=1),
        obs={"type": Categorical.of(["a", "b", None] * (n // 3)), "area": np.arange(float(n))},
        obs_names=[f"S_{i}" for i in range(n)],
        var_names=[f"G{i}" for i in range(20)],
        obsm={"spatial": random_numbers.random((n, 2)), "large": random_numbers.random((n, 9))},
        uns={"vitrail": '{"a": 1}', "share": 0.5},
    )
    return path


@pytest.fixture
def sealed(unsealed):
    seal(unsealed)
    return unsealed


def flip(path, place, bits=0xFF):
    with open(path, "r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ bits]))


def test_anndata_reads_a_sealed_file_as_it_was(unsealed, tmp_path):
    before = anndata.read_h5ad(unsealed)
    length = unsealed.stat().st_size
    shutil.copy(unsealed, tmp_path / "sealed.h5ad")
    seal(tmp_path / "sealed.h5ad")
    assert (tmp_path / "sealed.h5ad").stat().st_size == length + LENGTH
    after = anndata.read_h5ad(tmp_path / "sealed.h5ad")
    assert (before.X != after.X).nnz == 0
    assert before.obs.equals(after.obs)
    assert np.array_equal(before.obsm["spatial"], after.obsm["spatial"])
    assert after.uns["share"] == 0.5


def test_a_flipped_byte_anywhere_is_found(sealed):
    places = random.Random(0)
    length = sealed.stat().st_size - LENGTH
    assert broken_seal(sealed) is None
    for _ in range(FLIPS):
        place, bits = places.randrange(length), 1 << places.randrange(8)
        flip(sealed, place, bits)
        assert broken_seal(sealed) == "its bytes do not have their checksum", place
        flip(sealed, place, bits)
    assert broken_seal(sealed) is None


def test_without_the_seal_such_a_byte_is_read(unsealed):
    """What the seal is for: HDF5 by itself reads small arrays and text as they are."""
    with h5py.File(unsealed) as file:
        place = file["obs/area"].id.get_offset()
    flip(unsealed, place + 6)
    assert first_unreadable([unsealed]) is None
    assert anndata.read_h5ad(unsealed).obs["area"].iloc[0] != 0.0


def test_a_file_that_is_edited_loses_its_seal(sealed):
    with h5py.File(sealed, "r+") as file:
        put(file["obsm"], "spatial", np.zeros((3000, 2)))
    content = sealed.read_bytes()
    assert broken_seal(sealed) is None
    seal(sealed)
    assert sealed.read_bytes()[:-LENGTH] == content
    assert broken_seal(sealed) is None


def test_a_file_is_sealed_once(sealed):
    content = sealed.read_bytes()
    seal(sealed)
    assert sealed.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"short", bytes(100)])
def test_other_files_have_no_seal(tmp_path, content):
    (tmp_path / "a.h5ad").write_bytes(content)
    assert broken_seal(tmp_path / "a.h5ad") is None


@pytest.mark.parametrize("place", range(-LENGTH, 0))
def test_a_flipped_byte_of_the_seal_breaks_nothing_but_its_checksum(sealed, place):
    is_checksum = place >= -4
    flip(sealed, sealed.stat().st_size + place)
    assert (broken_seal(sealed) is not None) == is_checksum


def test_a_broken_file_among_the_inputs_is_named(sealed):
    flip(sealed, 5000)
    assert first_unreadable([sealed]) == (str(sealed), "its bytes do not have their checksum")


def snakemake_of(cells, made):
    return SimpleNamespace(
        rule="copy",
        input=Named(cells=str(cells)),
        output=Named(cells=str(made)),
        params=Named(),
        wildcards=Named(),
        threads=1,
        log=[],
    )


def copy_cells(job):
    shutil.copy(job.input.cells, job.output.cells)
    with h5py.File(job.output.cells, "r+") as file:
        put(file["uns"], "made", job.provenance["stage"])


def test_a_job_seals_what_it_writes(sealed, tmp_path):
    job.run(copy_cells, snakemake_of(sealed, tmp_path / "b.h5ad"))
    flip(tmp_path / "b.h5ad", 9000)
    assert broken_seal(tmp_path / "b.h5ad")


def test_a_job_refuses_a_broken_file(sealed, tmp_path, caplog):
    flip(sealed, sealed.stat().st_size // 2)
    with pytest.raises(SystemExit):
        job.run(copy_cells, snakemake_of(sealed, tmp_path / "b.h5ad"))
    assert caplog.messages == [
        f"{sealed}: cannot be read (its bytes do not have their checksum); "
        "remove it and run again, to have it made anew."
    ]
    assert not (tmp_path / "b.h5ad").exists()
