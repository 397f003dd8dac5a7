"""Counts equal counting by hand, however the transcripts arrive."""

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from vitrail.io import h5_rows
from vitrail.io.h5ad import read_h5ad, write_h5ad
from vitrail.io.h5ad_counts import write_counts
from vitrail.matrix import blocks as module
from vitrail.matrix.blocks import RowBlocks
from vitrail.matrix.counts import Sums, collect, count, panel

GENES, CONTROLS = ["a", "b", "c"], ["x"]
NAMES = [*CONTROLS, *GENES]


def table(rows):
    """One unit; its dictionaries hold only what occurs, in order of occurrence."""
    gene, cell, compartment, status = zip(*rows, strict=True) if rows else ((),) * 4
    return pa.Table.from_arrays(
        [
            pa.array(gene, pa.string()).dictionary_encode(),
            pa.array(cell, pa.int32()),
            pa.array(compartment, pa.string()).dictionary_encode(),
            pa.array(status, pa.string()).dictionary_encode(),
        ],
        ["gene", "cell", "compartment", "status"],
    )


def transcripts(seed, n, n_cells):
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        gene, cell = NAMES[rng.integers(4)], int(rng.integers(0, n_cells + 1))
        if cell == 0:
            rows.append((gene, 0, "none", "background"))
        else:
            compartment = ("nucleus", "cytoplasm")[rng.integers(2)]
            rows.append((gene, cell, compartment, "control" if gene == "x" else "cell"))
    return rows


def units(rows, size=7):
    return [partial(table, rows[i : i + size]) for i in range(0, len(rows), size)]


def by_hand(rows, n_cells):
    expected = np.zeros((2, n_cells, 4), dtype=int)
    for gene, cell, compartment, _ in rows:
        if cell:
            expected[0, cell - 1, [*GENES, *CONTROLS].index(gene)] += 1
            if compartment == "nucleus":
                expected[1, cell - 1, [*GENES, *CONTROLS].index(gene)] += 1
    return expected


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 80),
    st.integers(1, 6),
    st.integers(1, 4),
    st.integers(1, 20),
    st.booleans(),
)
def test_equals_counting_by_hand(seed, n, n_cells, per_block, sort_at_once, spill):
    rows = transcripts(seed, n, n_cells)
    expected = by_hand(rows, n_cells)
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(module, "CELLS_PER_BLOCK", per_block)
        patch.setattr(module, "SORT_AT_ONCE", sort_at_once)
        patch.setattr(module, "HOLD_BYTES", 30)
        if spill:
            sums = collect(units(rows), GENES, CONTROLS, n_cells, Path(folder), threads=2)
            total, nucleus = sums.matrices(threads=2)
            assert list(Path(folder).iterdir()) == []
        else:
            found = count(units(rows), GENES, CONTROLS, n_cells)
            total, nucleus = sparse.hstack([found.X, found.controls], "csr"), found.nucleus
    assert np.array_equal(total.toarray(), expected[0])
    assert np.array_equal(nucleus.toarray()[:, :3], expected[1, :, :3])
    for matrix in (total, nucleus):
        assert matrix.has_canonical_format
        assert (matrix.data > 0).all()
        assert (matrix.dtype, matrix.indices.dtype, matrix.indptr.dtype) == (np.int32,) * 3


def test_the_file_holds_the_same_however_it_is_cut_into_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(h5_rows, "CHUNK_VALUES", 16)
    rows = transcripts(3, 2000, 40)
    expected = by_hand(rows, 40)
    files = []
    for name, per_block, size, threads in (("a", 40, 7, 1), ("b", 3, 300, 1), ("c", 3, 11, 3)):
        monkeypatch.setattr(module, "CELLS_PER_BLOCK", per_block)
        path = tmp_path / f"{name}.h5ad"
        write_h5ad(path, None, {}, [str(i) for i in range(40)], GENES)
        sums = collect(units(rows, size), GENES, CONTROLS, 40, threads=threads)
        write_counts(path, sums.blocks(threads), sums.shape, 3, threads)
        files.append(path.read_bytes())
        found = read_h5ad(path)
        assert np.array_equal(found.X.toarray(), expected[0, :, :3])
        assert np.array_equal(found.layers["nucleus"].toarray(), expected[1, :, :3])
        assert np.array_equal(found.obsm["controls"].toarray(), expected[0, :, 3:])
    assert files[1] == files[2]


def test_genes_are_sorted_and_controls_apart():
    assert panel(["b", "x", "a", "Z"], ["x"]) == (["Z", "a", "b"], ["x"])


def test_cells_that_do_not_exist_are_refused():
    sums = RowBlocks(2, 1)
    with pytest.raises(ValueError, match=r"cells must be between 0 \(none\) and 2"):
        sums.add(np.array([3], np.int32), np.zeros(1, np.int32), np.zeros(1, bool))


def test_counts_that_differ_from_the_account_stop_the_stage():
    rows = [("a", 1, "nucleus", "cell"), ("b", 1, "cytoplasm", "cell")]
    sums = Sums(3)
    assert len(list(sums.watch(collect(units(rows), GENES, [], 1).blocks()))) == 1
    account = {
        "genes_in_cells": 2,
        "genes_in_nuclei": 1,
        "controls_in_cells": 0,
        "by_gene": {"a": {"cell": 1}, "b": {"cell": 1}, "c": {}},
    }
    sums.check(GENES, account)
    with pytest.raises(AssertionError, match="holds 1, genes_in_nuclei in the account is 2"):
        sums.check(GENES, account | {"genes_in_nuclei": 2})
    swapped = {"a": {"cell": 2}, "b": {}, "c": {}}
    with pytest.raises(AssertionError, match="transcripts of a are not conserved: 1 in the matrix"):
        sums.check(GENES, account | {"by_gene": swapped})
