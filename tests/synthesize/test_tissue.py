import numpy as np
import pytest
from scipy.spatial import cKDTree

from vitrail.errors import VitrailError
from vitrail.synthesize import cohort_tables, slides
from vitrail.synthesize.tissue import place_cells, type_counts


def test_every_slide_has_the_same_numbers_of_cells_and_types(make_spec):
    spec = make_spec()
    wanted = type_counts(spec, round(spec.tissue.density * 1e-6 * 300 * 350))
    for table in cohort_tables(spec):
        found = [int((table.types == name).sum()) for name in spec.types]
        assert found == wanted


def test_type_counts_are_shares_by_largest_remainder(make_spec):
    # 0.44, 0.26, 0.14, 0.09, 0.07 of ten
    assert type_counts(make_spec(), 10) == [4, 3, 1, 1, 1]


def test_no_two_centres_are_nearer_than_the_densest_spacing(make_spec):
    spec = make_spec()
    sites = place_cells(spec, slides(spec)[0])
    xy = np.column_stack([sites.x, sites.y])
    assert cKDTree(xy).query(xy, k=2)[0][:, 1].min() >= min(spec.tissue.spacing)
    assert xy.min() >= 0
    assert sites.x.max() < 350
    assert sites.y.max() < 300


def test_centres_and_patients_do_not_depend_on_the_condition(make_spec):
    spec = make_spec()
    swapped = make_spec(conditions={"infiltrated": "border", "excluded": "inside"})
    for one, other in zip(slides(spec), slides(swapped), strict=True):
        a, b = place_cells(spec, one), place_cells(swapped, other)
        np.testing.assert_array_equal(a.x, b.x)
        assert (a.type != b.type).any()


def test_without_effect_the_condition_changes_nothing(make_spec):
    spec = make_spec(effect=0)
    swapped = make_spec(effect=0, conditions={"infiltrated": "border", "excluded": "inside"})
    for one, other in zip(cohort_tables(spec), cohort_tables(swapped), strict=True):
        np.testing.assert_array_equal(one.types, other.types)


def test_immune_cells_follow_the_arrangement(make_spec):
    spec = make_spec(shape=[1500, 1500])
    immune = list(spec.types).index("T cell")
    for slide in slides(spec):
        sites = place_cells(spec, slide)
        nest = sites.nest[sites.type == immune]
        if slide.condition == "infiltrated":
            assert (nest > 0).mean() > 0.85
        else:
            rim = (nest <= 0) & (nest > -spec.tissue.border)
            assert rim.mean() > 0.7


def test_tumour_cells_fill_the_nests(make_spec):
    spec = make_spec(shape=[1500, 1500])
    sites = place_cells(spec, slides(spec)[5])
    tumour = sites.type == list(spec.types).index("tumour")
    assert sites.nest[tumour].mean() > 0
    assert (sites.nest[tumour] > -10).mean() > 0.9


def test_patients_differ(make_spec):
    first, second = cohort_tables(make_spec(patients=1))
    assert not np.array_equal(first.xy[:10], second.xy[:10])


def test_too_many_cells_for_the_spacing(make_spec):
    spec = make_spec(tissue={"density": 30000}, shape=[300, 300])
    with pytest.raises(VitrailError) as error:
        place_cells(spec, slides(spec)[0])
    assert "asks for 675 cells on slide P1 (tissue.density 30000) but only" in str(error.value)
    assert str(error.value).endswith("fit at tissue.spacing [6.6, 13.0]; lower one of the two")
