"""Agreement with the vendor's cells."""

import numpy as np
import pyarrow as pa

from vitrail.assign import agreement
from vitrail.assign.agreement import Agreement, tally


def agreed(cell, vendor, sources=None, batches=1):
    result = Agreement()
    for part in np.array_split(np.arange(len(cell)), batches):
        names = pa.array([vendor[i] for i in part], pa.string())
        result.merge(tally(np.array(cell, dtype=np.int32)[part], names))
    return result.as_dict(sources)


CELL = [1, 1, 1, 2, 2, 0, 0, 3]
VENDOR = ["a", "a", "b", "b", "b", None, "b", None]


def test_by_the_given_names():
    found = agreed(CELL, VENDOR, ["a", "b", "c"])
    assert found == {
        "mapping": "source",
        "compared": 8,
        "agree": 5,  # two in a, two in b, one in none
        "share": 5 / 8,
        "in_vendor_cells": 6,
        "agree_in_vendor_cells": 4,
    }


def test_by_overlap_where_names_are_unknown():
    for sources in (None, [None] * 3, ["x", "y", "z"]):
        found = agreed(CELL, VENDOR, sources)
        assert (found["mapping"], found["agree"]) == ("overlap", 5)


def test_a_split_cell_counts_once():
    found = agreed([1, 1, 1, 2, 2], ["a"] * 5)
    assert found["agree"] == 3


def test_batches_do_not_matter(monkeypatch):
    monkeypatch.setattr(agreement, "COMPACT_FROM", 2)
    rng = np.random.default_rng(0)
    cell = rng.integers(0, 5, 200)
    vendor = [None if v == 0 else f"v{v}" for v in np.where(rng.random(200) < 0.8, cell, 0)]
    whole = agreed(cell, vendor)
    assert whole == agreed(cell, vendor, batches=17)
    assert whole["agree"] == sum((v or "v0") == f"v{c}" for c, v in zip(cell, vendor, strict=True))


def test_nothing_compared():
    assert agreed([], [])["share"] is None
