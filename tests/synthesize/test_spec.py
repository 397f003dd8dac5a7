import copy

import pytest

from vitrail.errors import VitrailError
from vitrail.synthesize import parse_spec, read_spec


def test_reads_the_demo(demo_content, tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(str(demo_content))
    assert read_spec(path) == parse_spec(demo_content)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("sed", 1, "spec: key 'sed' is unknown; known are seed, conditions, patients, shape, "),
        ("seed", "x", "spec: key 'seed' is 'x'; it must be a whole number"),
        ("seed", -1, "spec: key 'seed' is -1; it must be at least 0"),
        ("effect", 1.5, "spec: key 'effect' is 1.5; it must be from 0 to 1"),
        ("shape", [100], "spec: key 'shape' is [100]; it must be a list of 2 values"),
        ("shape", [10, 100], "spec: key 'shape' is (10, 100); it must be at least 64"),
        ("patients", True, "spec: key 'patients' is True; it must be a whole number"),
        (
            "conditions",
            {"a": "outside"},
            "spec: key 'conditions.a' is 'outside'; it must be inside or border",
        ),
        (
            "tissue",
            {"density": "high"},
            "spec: key 'tissue.density' is 'high'; it must be a number",
        ),
    ],
)
def test_a_bad_key_is_one_sentence(demo_content, key, value, message):
    with pytest.raises(VitrailError) as error:
        parse_spec(demo_content | {key: value})
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_a_missing_key_is_named(demo_content):
    content = {k: v for k, v in demo_content.items() if k != "patients"}
    with pytest.raises(VitrailError, match=r"^spec: key 'patients' is missing$"):
        parse_spec(content)


def test_shares_must_sum_to_one(demo_content):
    content = copy.deepcopy(demo_content)
    content["types"]["tumour"]["share"] = 0.5
    with pytest.raises(VitrailError, match=r"shares that sum to 1\.06'; it must be a sum of 1"):
        parse_spec(content)


def test_a_marker_gene_marks_one_type(demo_content):
    content = copy.deepcopy(demo_content)
    content["types"]["stroma"]["markers"] = ["EPCAM"]
    with pytest.raises(VitrailError, match=r"\['EPCAM'\] twice"):
        parse_spec(content)


def test_broken_yaml_names_the_file_and_line(tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text("seed: 1\nshape: [1, 2\n")
    with pytest.raises(VitrailError, match=r"spec\.yaml: line 3 is not valid YAML$"):
        read_spec(path)
