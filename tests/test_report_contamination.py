"""What the report says of ambient transcripts, spill-over and controls, on hand-made numbers."""

import json

import numpy as np
import pytest
from report_page import text_of
from scipy import sparse

from vitrail.io.h5ad import write_h5ad
from vitrail.report import build_report, contamination, read_facts

GENES = ["CD3D", "EPCAM", "KRT8"]


def write(folder, name, *, ground=2000.0, spilled=30, with_all=True):
    """Two cells of 50 square micrometres; 100 transcripts of each gene but KRT8 in each."""
    counts = np.array([[100, 0, 2], [0, 100, 0]], dtype=np.int32)
    obs = {
        "cell": np.arange(1, 3, dtype=np.int32),
        "area_um2": np.array([50.0, 50.0]),
        "total_counts": counts.sum(axis=1),
        "qc_pass": np.array([True, True]),
    }
    var, uns = {}, {}
    if with_all:
        ambient = np.array([200, 20, 2]) if ground else np.zeros(3, dtype=np.int64)
        density = ambient / ground if ground else np.full(3, np.nan)
        in_cells = counts.sum(axis=0)
        var = {
            "ambient_counts": ambient,
            "ambient_density": density,
            "ambient_share": density * 100 / in_cells,
        }
        obs["control_probe_counts"] = np.array([3, 0])
        obs["blank_counts"] = np.array([0, 1])
        obs["exclusive_pairs"] = np.array([1, 0], dtype=np.int32)
        total = int(ambient.sum())
        uns["ambient"] = {"area_um2": ground, "transcripts": total, "guard_um": 3.0}
        uns["spillover"] = {
            "observed": spilled,
            "expected": 40.0,
            "ratio": spilled / 40.0,
            "pairs": {
                "gene_a": np.array(["CD3D", "CD3D"], dtype=object),
                "gene_b": np.array(["EPCAM", "KRT8"], dtype=object),
                "observed": np.array([spilled - 4, 4]),
                "expected": np.array([36.0, 4.0]),
            },
        }
    path, account = folder / f"{name}.h5ad", folder / f"{name}.json"
    xy = np.array([[0.0, 0.0], [20.0, 5.0]])
    write_h5ad(
        path,
        sparse.csr_matrix(counts),
        obs,
        ["a", "b"],
        GENES,
        var=var,
        obsm={"spatial": xy},
        uns=uns,
    )
    known = {
        "transcripts_in": 206,
        "genes_in_cells": 202,
        "controls_in_cells": 4,
        "unassigned": {},
        "controls": ["Blank-1", "Blank-2"] if with_all else [],
    }
    account.write_text(json.dumps(known))
    return {"row": {"sample": name}, "anndata": path, "account": account}


def test_numbers_of_a_sample(tmp_path):
    found = contamination.read(read_facts(write(tmp_path, "S")))
    # 222 transcripts on 2,000 square micrometres, 100 square micrometres of cells.
    assert found.expected == pytest.approx(11.1)
    assert found.share == pytest.approx(11.1 / 202)
    assert found.genes["CD3D"] == pytest.approx((10.0, 100.0))
    assert (found.observed, found.chance, found.ratio) == (30, 40.0, 0.75)
    assert found.affected == 0.5
    assert (found.probes, found.blanks) == (1.5, 0.5)
    # 4 calls of 2 controls, 202 of 3 genes.
    assert found.false_calls == pytest.approx(2 / (202 / 3))


def test_worst_genes_and_pairs_of_the_cohort(tmp_path):
    files = [write(tmp_path, name) for name in ("S1", "S2")]
    found = contamination.gather([read_facts(each) for each in files])
    # KRT8 has fewer than 50 transcripts in cells.
    assert [row[0] for row in found["genes"]] == ["CD3D", "EPCAM"]
    assert found["genes"][0][1:] == pytest.approx((20.0, 200.0))
    assert found["pairs"] == [
        (("CD3D", "KRT8"), 8.0, 8.0),
        (("CD3D", "EPCAM"), 52.0, 72.0),
    ]
    assert found["without"] == 0
    assert contamination.warnings(found) == [
        "Markers that exclude each other meet in one cell more than half as often as by chance in "
        "S1 and S2."
    ]


def test_the_page_tells_and_warns(tmp_path):
    page = text_of(build_report([write(tmp_path, "S1", ground=500.0, spilled=10)]))
    assert "Expected share of cells' counts" in page
    assert "22.0 %" in page
    assert "Ambient transcripts may be more than 20% of those in the cells of S1." in page
    assert "meet in one cell" not in page.split("Look at this first")[1][:300]
    clean = text_of(build_report([write(tmp_path, "S2", spilled=10)]))
    assert "Ambient transcripts may be" not in clean


def test_what_is_not_known_is_said(tmp_path):
    files = [write(tmp_path, "S1", ground=0.0), write(tmp_path, "S2", with_all=False)]
    page = text_of(build_report(files))
    assert "No ground lies between the cells of S1" in page
    assert "1 sample has none of these counts" in page
    page = text_of(build_report(files[1:]))
    assert "No sample has counts of ambient transcripts, exclusive markers or controls" in page
