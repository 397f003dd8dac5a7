"""The report's section on immune topography."""

import math

import numpy as np
import pytest
from cohort_files import write_cohort
from nests import nest

from vitrail.io.tables import write_table
from vitrail.report import build_report, svg
from vitrail.report.topography import unit_profiles
from vitrail.topography import topography
from vitrail.topography.across import across

PLANTED = {
    "infiltrated": {(-300, 0): 1500, (0, 60): 1500},
    "excluded": {(0, 60): 3000, (60, 600): 300},
}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    cohort = write_cohort(folder, with_slide=False, size=100)
    rows, units, conditions = {}, {}, {}
    for seed, sample in enumerate(file["row"] for file in cohort["files"]):
        xy, types = nest(PLANTED[sample["condition"]], seed)
        result = topography(xy, types, ["tumour"], ["CD8"], margin_um=60)
        name = sample["sample"]
        rows[name], units[name] = result.rows, sample["unit"]
        conditions[name] = sample["condition"]
    # One cell type's name is not to be trusted, and one sample has nothing to show.
    rows["S4"][0] |= {"phenotype": None, "note": "no tumour region was found"}
    for row in (row for own in rows.values() for row in own):
        row["cell_type"] = "CD8 <b>"
    tables = across(rows, units, conditions)
    paths = {"places": folder / "places.parquet", "place_tests": folder / "place_tests.parquet"}
    for path, table in zip(paths.values(), tables, strict=True):
        write_table(path, table, {})
    return build_report(**cohort, **paths), cohort


def test_phenotypes_profiles_and_tests_are_shown(page):
    html, _ = page
    assert 'href="#topography"' in html
    assert "CD8 &lt;b&gt;" in html
    assert "CD8 <b>" not in html
    assert (
        "samples are, in infiltrated: 2 inflamed; in excluded: 1 excluded and 1 without a phenotype"
        in html
    )
    assert 'class="curves"' in html
    assert "no tumour region was found" in html
    assert "∞" in html  # no cell in the centre of the excluded samples
    for words in ("Density in the centre", "Margin / (margin + centre)"):
        assert f">{words}</th>" in html


def test_without_topography_there_is_no_section(page):
    html = build_report(**page[1])
    assert "topography" not in html


def test_profiles_pool_the_samples_of_a_unit():
    def row(unit, cells, area):
        return {
            "unit": unit, "profile_cells": cells, "profile_area_mm2": area,
            "profile_density": [n / a if a else None for n, a in zip(cells, area, strict=True)],
        }  # fmt: skip

    rows = [row("a", [1, 4], [1.0, 1.0]), row("a", [5, 9], [2.0, 0.0]), row("b", [0, 0], [0.0, 2])]
    profiles = unit_profiles(rows)
    assert profiles[0].tolist() == [2.0, 4.0]
    assert math.isnan(profiles[1, 0])
    assert profiles[1, 1] == 0


def test_curves_without_values_are_nothing():
    chart = svg.curves(np.arange(3.0), {"a": np.full((1, 2), np.nan)}, ["#000000"], "x", ("a", "b"))
    assert chart == ""
