import math

import numpy as np
import pytest
import shapely
from nests import CENTRE, RADIUS, depth, nest
from scipy import stats

from vitrail.errors import VitrailError
from vitrail.topography import COMPARTMENTS, pattern, phenotype, topography
from vitrail.topography.across import across
from vitrail.topography.classes import border_ratio, spatial_distribution, statuses

INSIDE, RIM, OUTSIDE = (-300, 0), (0, 60), (60, 600)
PLANTED = {
    ("inflamed", "infiltrated"): {INSIDE: 1500, RIM: 1500, OUTSIDE: 300},
    ("excluded", "excluded"): {INSIDE: 20, RIM: 3000, OUTSIDE: 300},
    ("desert", "desert"): {INSIDE: 20, RIM: 40, OUTSIDE: 20},
    # Few at the border as in the centre, but a stroma full of cells: the two schemes differ.
    ("inflamed", "excluded"): {INSIDE: 150, RIM: 300, OUTSIDE: 2500},
}
SETTINGS = {"margin_um": 60.0}


def measure(immune, **settings):
    xy, types = nest(immune)
    return topography(xy, types, ["tumour"], ["CD8"], **{**SETTINGS, **settings})


@pytest.mark.parametrize("wanted", PLANTED, ids=lambda names: "-".join(names))
def test_planted_classes(wanted):
    row = measure(PLANTED[wanted]).rows[0]
    assert (row["phenotype"], row["pattern"]) == wanted
    assert row["note"] is None


def test_planted_densities_areas_and_profile():
    immune = {(-300, -60): 400, (-60, 0): 800, (0, 60): 1600, (60, 900): 200}
    result = measure(immune, grid_um=5.0, bin_um=30.0, reach_um=120.0)
    row = result.rows[0]
    area = {
        "centre": math.pi * 240**2, "margin": math.pi * (360**2 - 240**2),
        "stroma": 1200**2 - math.pi * 360**2,
    }  # fmt: skip
    for where in COMPARTMENTS:
        assert row[f"area_{where}_mm2"] == pytest.approx(area[where] * 1e-6, rel=0.05)
    assert row["density_centre"] == pytest.approx(400, rel=0.15)
    assert row["density_stroma"] == pytest.approx(200, rel=0.15)
    inner, outer = math.pi * (300**2 - 240**2), math.pi * (360**2 - 300**2)
    mixed = (800 * inner + 1600 * outer) / (inner + outer)
    assert row["density_margin"] == pytest.approx(mixed, rel=0.1)
    assert sum(row[f"cells_{where}"] for where in COMPARTMENTS) == row["cells"]
    assert row["profile_from_um"] == [-120, -90, -60, -30, 0, 30, 60, 90]
    planted = [400, 400, 800, 800, 1600, 1600, 200, 200]
    # Bins that touch a planted step are blurred by the border's error of a few micrometres.
    for bin in (0, 3, 4, 7):
        assert row["profile_density"][bin] == pytest.approx(planted[bin], rel=0.25)
    for n, size, value in zip(
        row["profile_cells"], row["profile_area_mm2"], row["profile_density"], strict=True
    ):
        assert value == n / size


def test_cells_get_compartment_and_distance():
    xy, types = nest({RIM: 2000})
    result = topography(xy, types, ["tumour"], ["CD8"], **SETTINGS)
    assert np.corrcoef(result.distance, depth(xy))[0, 1] > 0.999
    # The tumour's edge lies between the outermost tumour cell and its neighbour.
    assert np.abs(result.distance - depth(xy)).max() < 20
    names = np.array(COMPARTMENTS)[result.compartment]
    assert (names[result.distance < -60] == "centre").all()
    assert (names[np.abs(result.distance) <= 60] == "margin").all()
    assert (names[result.distance > 60] == "stroma").all()


def test_outlines_take_the_place_of_the_tumour_cells():
    xy, types = nest(PLANTED["excluded", "excluded"])
    disc = shapely.Point(*CENTRE).buffer(RADIUS, quad_segs=64)
    by_hand = topography(xy, types, [], ["CD8"], outlines=[disc], **SETTINGS)
    by_cells = topography(xy, types, ["tumour"], ["CD8"], **SETTINGS)
    assert by_hand.rows[0]["phenotype"] == by_cells.rows[0]["phenotype"] == "excluded"
    assert np.allclose(by_hand.distance, depth(xy), atol=0.1)
    assert by_hand.rows[0]["density_margin"] == pytest.approx(
        by_cells.rows[0]["density_margin"], rel=0.1
    )


def test_flagged_cells_are_not_counted_but_placed():
    xy, types = nest(PLANTED["inflamed", "infiltrated"])
    used = ~((types == "CD8") & (depth(xy) < 0))
    result = topography(xy, types, ["tumour"], ["CD8"], used=used, **SETTINGS)
    assert result.rows[0]["cells"] == (used & (types == "CD8")).sum()
    assert (result.compartment >= 0).all()


def test_nothing_asked_for():
    xy, types = nest({})
    result = topography(xy, types, [], [])
    assert result.rows == []
    assert result.region is None
    assert (result.compartment == -1).all()
    assert np.isnan(result.distance).all()


@pytest.mark.parametrize(
    ("types", "settings", "note"),
    [
        ("stroma", {}, "no tumour region was found"),
        ("tumour", {}, "the tumour has no border with other tissue"),
        (None, {}, "no tumour region was found"),
        ("nest", {"margin_um": 400.0}, "too little tissue with a margin of 400 um"),
    ],
)
def test_why_there_is_no_phenotype(types, settings, note):
    xy, planted = nest(PLANTED["inflamed", "infiltrated"])
    named = planted if types == "nest" else np.full(len(xy), types, dtype=object)
    row = topography(xy, named, ["tumour"], ["CD8"], **settings).rows[0]
    assert row["phenotype"] is None
    assert row["note"].startswith(note)


def test_empty_sample():
    row = topography(np.zeros((0, 2)), [], ["tumour"], ["CD8"]).rows[0]
    assert row["note"] == "no cells"
    assert row["cells"] == 0


def test_a_type_that_is_not_there_is_a_desert():
    xy, types = nest({})
    row = topography(xy, types, ["tumour"], ["CD8"], **SETTINGS).rows[0]
    assert (row["cells"], row["phenotype"], row["pattern"]) == (0, "desert", "desert")


@pytest.mark.parametrize(("targets", "found"), [([], "no type"), (["tumour"], "tumour's type")])
def test_bad_target_types(targets, found):
    xy, types = nest({})
    with pytest.raises(VitrailError, match=found):
        topography(xy, types, ["tumour"], targets)


def test_phenotype_thresholds():
    assert phenotype(100, 1000) == "inflamed"  # exactly ten times is not more than ten times
    assert phenotype(100, 1001) == "excluded"
    assert phenotype(0, 500) == "excluded"
    assert phenotype(99, 99) == "desert"
    assert phenotype(0, 0, desert_density=0) == "desert"
    assert phenotype(100, 0) == "inflamed"
    assert phenotype(math.nan, 500) is None
    assert phenotype(100, 450, excluded_ratio=4) == "excluded"


def test_pattern_thresholds():
    assert spatial_distribution(300, 100) == 0.75
    assert math.isnan(spatial_distribution(0, 0))
    assert pattern(100, 0.25) == "infiltrated"
    assert pattern(100, 0.24) == "excluded"
    assert pattern(99.9, 0.9) == "desert"
    assert pattern(math.nan, 0.5) is None
    assert pattern(500, math.nan) is None
    assert math.isnan(border_ratio(0, 0))


def test_high_and_low():
    assert statuses([1, 2, math.nan, 5]) == (["low", "low", None, "high"], 2)
    assert statuses([1, 2, 3, 9]) == (["low", "low", "high", "high"], 2.5)
    assert statuses([1, 2], 0.5) == (["high", "high"], 0.5)
    assert math.isnan(statuses([math.nan])[1])


@pytest.fixture(scope="module")
def cohort():
    rows, units, conditions = {}, {}, {}
    for condition, key in (("in", ("inflamed", "infiltrated")), ("out", ("excluded", "excluded"))):
        for patient in range(4):
            # Two images of the first patient: they are one unit.
            for image in range(2 if patient == 0 else 1):
                name = f"{condition}{patient}{image}"
                xy, types = nest(PLANTED[key], seed=[patient, image])
                result = topography(xy, types, ["tumour"], ["CD8"], **SETTINGS)
                rows[name], units[name] = result.rows, f"{condition}{patient}"
                conditions[name] = condition
    return rows, units, conditions


def test_conditions_are_tested_over_units(cohort):
    samples, tests = across(*cohort)
    assert len(samples) == 10
    row = tests.set_index("measure").loc["border_share"]
    assert (row["units_in"], row["units_out"]) == (4, 4)
    assert row["exact"]
    assert row["permutations"] == 70
    assert row["p"] == pytest.approx(2 / 70)
    assert row["difference"] > 0.3
    by_unit = samples.groupby(["condition", "unit"])["border_share"].mean()
    wanted = stats.f_oneway(by_unit["in"], by_unit["out"]).statistic
    assert row["F"] == pytest.approx(wanted)
    assert row["r2"] == pytest.approx(wanted / (wanted + 6))
    assert 0.3 < row["difference_low"] < row["difference"] < row["difference_high"] < 1
    without = across(*cohort, bootstraps=0).tests
    assert without["difference_low"].isna().all()
    assert without["p"].tolist() == tests["p"].tolist()


def test_high_and_low_of_the_cohort(cohort):
    samples, _ = across(*cohort)
    centre = samples.groupby("condition")["status_centre"].unique()
    assert centre["in"].tolist() == ["high"]
    assert centre["out"].tolist() == ["low"]
    assert (samples["cut_off_centre"] == samples["density_centre"].median()).all()


def test_cohort_without_topography_and_with_gaps(cohort):
    samples, tests = across({}, {}, {"a": "x", "b": "y"})
    assert samples.empty
    assert tests.empty
    assert "mean_x" in tests
    rows, units, conditions = cohort
    rows = {**rows, "out30": [{**rows["out30"][0], "density_centre": math.nan}]}
    row = across(rows, units, conditions).tests.set_index("measure").loc["density_centre"]
    assert row["units_out"] == 3
    assert row["note"] == "not known in 1 of 10 samples"
