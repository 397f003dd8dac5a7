from pathlib import Path

import pytest
import yaml

from vitrail.errors import VitrailError
from vitrail.synthesize import find_slide, read_spec, sample_sheet, slides

DEMO = Path(__file__).parents[2] / "config" / "demo"


def test_one_slide_a_patient():
    spec = read_spec(DEMO / "cohort.yaml")
    found = slides(spec)
    assert [s.name for s in found] == [f"P{i}" for i in range(1, 9)]
    assert [s.condition for s in found] == ["infiltrated"] * 4 + ["excluded"] * 4
    assert len({s.unit for s in found}) == 8


def test_several_slides_share_a_patient(make_spec):
    found = slides(make_spec(patients=1, slides_per_patient=2))
    assert [s.name for s in found] == ["P1_1", "P1_2", "P2_1", "P2_2"]
    assert [s.unit for s in found] == ["patient1", "patient1", "patient2", "patient2"]


def test_an_unknown_slide_is_named(make_spec):
    with pytest.raises(VitrailError, match=r"no slide 'P9'; its slides are P1, P2$"):
        find_slide(make_spec(patients=1), "P9")


def test_the_demo_sheet_and_markers_are_those_of_the_spec():
    spec = read_spec(DEMO / "cohort.yaml")
    given = (DEMO / "samples.tsv").read_text().splitlines()
    wanted = sample_sheet(spec).splitlines()
    columns = wanted[0].count("\t") + 1
    assert ["\t".join(line.split("\t")[:columns]) for line in given] == wanted
    markers = yaml.safe_load((DEMO / "markers.yaml").read_text())
    assert markers == {name: list(t.markers) for name, t in spec.types.items()}
