"""Counts equal counting by hand, however the transcripts arrive."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrail.matrix import counts as module
from vitrail.matrix.counts import Accumulator, check, count, panel

GENES, CONTROLS = ["a", "b", "c"], ["x"]
NAMES = [*CONTROLS, *GENES]


def batch(rows):
    """One batch; its dictionaries hold only what occurs, in order of occurrence."""
    gene, cell, compartment, status = zip(*rows, strict=True) if rows else ((),) * 4
    return pa.RecordBatch.from_arrays(
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


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 80), st.integers(1, 6), st.integers(1, 30))
def test_equals_counting_by_hand(seed, n, n_cells, waiting):
    rows = transcripts(seed, n, n_cells)
    expected = np.zeros((2, n_cells, 4), dtype=int)
    for gene, cell, compartment, _ in rows:
        if cell:
            expected[0, cell - 1, [*GENES, *CONTROLS].index(gene)] += 1
            if compartment == "nucleus":
                expected[1, cell - 1, [*GENES, *CONTROLS].index(gene)] += 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "WAITING_ROWS", waiting)
        found = count([batch(rows[i : i + 7]) for i in range(0, n, 7)], GENES, CONTROLS, n_cells)
    assert np.array_equal(found.X.toarray(), expected[0, :, :3])
    assert np.array_equal(found.nucleus.toarray(), expected[1, :, :3])
    assert np.array_equal(found.controls.toarray(), expected[0, :, 3:])
    for matrix in (found.X, found.nucleus, found.controls):
        assert matrix.has_canonical_format
        assert (matrix.data > 0).all()
        assert (matrix.dtype, matrix.indices.dtype, matrix.indptr.dtype) == (np.int32,) * 3


def test_genes_are_sorted_and_controls_apart():
    assert panel(["b", "x", "a", "Z"], ["x"]) == (["Z", "a", "b"], ["x"])


def test_cells_that_do_not_exist_are_refused():
    sums = Accumulator(2, 1)
    with pytest.raises(ValueError, match="cells must be between 1 and 2"):
        sums.add(np.array([3], np.int32), np.zeros(1, np.int32), np.zeros(1, bool))


def test_counts_that_differ_from_the_account_stop_the_stage():
    found = count(
        [batch([("a", 1, "nucleus", "cell"), ("b", 1, "cytoplasm", "cell")])], GENES, [], 1
    )
    account = {
        "genes_in_cells": 2,
        "genes_in_nuclei": 1,
        "controls_in_cells": 0,
        "by_gene": {"a": {"cell": 1}, "b": {"cell": 1}, "c": {}},
    }
    check(found, GENES, account)
    with pytest.raises(AssertionError, match="holds 1, genes_in_nuclei in the account is 2"):
        check(found, GENES, account | {"genes_in_nuclei": 2})
    swapped = {"a": {"cell": 2}, "b": {}, "c": {}}
    with pytest.raises(AssertionError, match="transcripts of a are not conserved: 1 in the matrix"):
        check(found, GENES, account | {"by_gene": swapped})
