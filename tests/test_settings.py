import pytest

from vitrail import settings
from vitrail.errors import VitrailError

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["graph"],
    "properties": {
        "seed": {"type": "integer"},
        "graph": {
            "type": "object",
            "additionalProperties": False,
            "required": ["kind"],
            "properties": {
                "kind": {"enum": ["knn", "radius"]},
                "k": {"type": "integer", "minimum": 1},
                "radius": {"type": ["number", "null"], "exclusiveMinimum": 0},
            },
        },
    },
}


def sentence(config):
    with pytest.raises(VitrailError) as caught:
        settings.validate(config, SCHEMA, "config")
    return str(caught.value)


def test_a_valid_config_passes():
    settings.validate({"graph": {"kind": "knn", "k": 6, "radius": None}}, SCHEMA)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {"graph": {"kind": "knn", "kk": 6}},
            "config: unknown key 'graph.kk' (did you mean 'k'?).",
        ),
        (
            {"grpah": {"kind": "knn"}},
            "config: unknown key 'grpah' (did you mean 'graph'?).",
        ),
        ({"graph": {"k": 6}}, "config: key 'graph.kind' is missing."),
        (
            {"graph": {"kind": "knn", "k": "six"}},
            "config: key 'graph.k' is 'six', wanted a whole number.",
        ),
        ({"graph": {"kind": "knn", "k": 0}}, "config: key 'graph.k' is 0, wanted at least 1."),
        (
            {"graph": {"kind": "grid"}},
            "config: key 'graph.kind' is 'grid', wanted one of knn, radius.",
        ),
        (
            {"graph": {"kind": "knn", "radius": -1}},
            "config: key 'graph.radius' is -1, wanted more than 0.",
        ),
    ],
)
def test_bad_keys_are_one_sentence(config, expected):
    assert sentence(config) == expected


def test_texts_of_the_command_line_become_what_the_schema_wants():
    given = {"seed": "3", "graph": {"kind": "knn", "k": "8", "radius": "null"}}
    wanted = {"seed": 3, "graph": {"kind": "knn", "k": 8, "radius": None}}
    assert settings.typed(given, SCHEMA) == wanted
    with pytest.raises(VitrailError, match=r"key 'graph\.k' is 'six', wanted a whole number"):
        settings.validate(settings.typed({"graph": {"kind": "knn", "k": "six"}}, SCHEMA), SCHEMA)


def test_merge_lays_mappings_over_each_other_and_leaves_the_base():
    base = {"graph": {"kind": "knn", "k": 6}, "list": [1, 2]}
    merged = settings.merge(base, {"graph": {"k": 8}, "list": [3]})
    assert merged == {"graph": {"kind": "knn", "k": 8}, "list": [3]}
    assert base["graph"]["k"] == 6


def test_a_sample_overrides_its_own_stage_only():
    config = {"seed": 1, "graph": {"kind": "knn", "k": 6}, "tile": {"size": 1024}}
    row = {"overrides": {"graph.k": 8, "tile.size": 512}}
    assert settings.stage_settings(config, "graph", row) == {"kind": "knn", "k": 8}
    assert settings.stage_settings(config, "graph") == {"kind": "knn", "k": 6}


def test_stages_that_draw_get_the_seed():
    config = {"seed": 7, "portrait": {"windows": 4}, "compare": {"seed": 3}}
    assert settings.stage_settings(config, "portrait")["seed"] == 7
    assert settings.stage_settings(config, "compare")["seed"] == 3


def test_a_bad_override_names_the_row():
    rows = [{"row": 4, "sample": "B", "overrides": {"graph.k": -2}}]
    with pytest.raises(VitrailError) as caught:
        settings.check_overrides({"graph": {"kind": "knn"}}, rows, SCHEMA, "samples.tsv")
    assert str(caught.value) == (
        "samples.tsv, row 4 (sample B): key 'graph.k' is -2, wanted at least 1."
    )


@pytest.mark.parametrize("bad", [True, 0, "6"])
def test_each_kind_of_override_is_checked_however_often_the_others_occur(bad):
    rows = [{"row": n, "sample": f"S{n}", "overrides": {"graph.k": 1}} for n in range(2, 9)]
    rows.append({"row": 9, "sample": "S9", "overrides": {"graph.k": bad}})
    with pytest.raises(VitrailError, match=r"row 9 \(sample S9\): key 'graph\.k' is"):
        settings.check_overrides({"graph": {"kind": "knn"}}, rows, SCHEMA, "samples.tsv")
