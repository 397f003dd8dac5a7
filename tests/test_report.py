import json
from base64 import b64decode

import imagecodecs
import numpy as np
import pytest
from cohort_files import write_cohort
from report_page import Page, text_of

from vitrail.errors import VitrailError
from vitrail.report import (
    Settings,
    build_report,
    detail,
    distances,
    overview,
    pictures,
    read_facts,
    svg,
    tables,
    type_colours,
    words,
)
from vitrail.report.page import as_text
from vitrail.report.palette import rgb, shade

NASTY = "<script>alert(1)</script>"
QUOTED = "\"><img src=x onerror='alert(2)'>"


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="module")
def html(cohort):
    return build_report(**cohort, config={"segment": {"backend": "watershed"}, "seed": 1})


@pytest.fixture(scope="module")
def tables_only(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("tables"), with_slide=False, n=6, size=100)


def test_page_loads_nothing_and_runs_nothing(html):
    page = Page(html)
    assert not {"script", "link", "iframe", "object", "embed"} & set(page.tags)
    for tag, name, value in page.attributes:
        assert not name.startswith("on")
        if name in ("src", "href", "xlink:href"):
            assert value.startswith(("data:image/webp;base64,", "#")), (tag, value[:60])
    assert "url(" not in html


def test_same_bits_again(cohort, html):
    config = {"segment": {"backend": "watershed"}, "seed": 1}
    assert build_report(**cohort, config=config) == html


def test_every_part_is_there(html):
    text = text_of(html)
    for part in ("What came out", "Comparison between", "Slides", "Composition", "Spatial genes"):
        assert part in text
    for name in ("S1", "S2", "S3", "S4", "Tumour", "T cell", "Stroma", "GeneA", "backend"):
        assert name in text
    assert html.count("data:image/webp") == 4 * (1 + 2 + 3)


def test_summary_says_what_the_table_says(html):
    text = text_of(html)
    assert "The arrangement of the cell types differs between infiltrated and excluded" in text
    assert "exact permutation test over 2 + 2 independent units" in text
    assert "was not found to differ" in text


def test_untested_type_is_listed_with_its_reason(html):
    text = text_of(html)
    assert "too few cells of the type in most samples" in text
    assert "Stroma: 3 pairs of samples fewer than 50 cells of the type" in text


@pytest.mark.parametrize("name", [NASTY, QUOTED, "{{ 7 * 7 }}", "a & b < c"])
def test_names_of_users_are_text(name, tmp_path):
    cohort = write_cohort(
        tmp_path,
        n=2,
        size=100,
        conditions=(name, "other"),
        types=(name, "T cell"),
        genes=(name, "g2"),
        names=[name, "S2"],
    )
    html = build_report(**cohort, settings=Settings(title=name), config={name: {name: name}})
    page = Page(html)
    assert "script" not in page.tags
    assert not [a for a in page.attributes if a[1].startswith("on")]
    assert all(value.startswith("data:") for tag, key, value in page.attributes if key == "src")
    assert name in "".join(page.text)
    assert "49" not in "".join(page.text).split("Slides")[0] or name != "{{ 7 * 7 }}"


def test_cohort_of_tables_states_what_it_lacks(tables_only):
    text = text_of(build_report(**tables_only))
    assert "No sample has genes, so there are no spatial genes to show." in text
    assert "No sample was segmented here" in text
    assert "No sample has an account of transcripts." in text
    assert "Without its image: all samples" in text


def test_files_alone_make_a_page(cohort):
    files = [{"row": {"sample": "S1"}, "anndata": cohort["files"][0]["anndata"]}]
    text = text_of(build_report(files))
    assert "Nothing was compared" in text
    assert "There is no table of distances" in text
    assert "S1 the sample sheet names no condition" in text


def test_many_slides_are_shown_small_and_some_large(tables_only):
    html = build_report(**tables_only, settings=Settings(detailed_slides=2))
    assert html.count("<article") == 2
    text = text_of(html)
    assert "S1 (infiltrated)" in text
    assert "S4 (excluded)" in text
    assert html.count("data:image/webp") == 6 + 2


def test_account_that_does_not_add_up_is_called_out(cohort, tmp_path):
    files = [dict(entry) for entry in cohort["files"]]
    account = json.loads(files[0]["account"].read_text())
    account["genes_in_cells"] += 1
    files[0]["account"] = tmp_path / "assignment.json"
    files[0]["account"].write_text(json.dumps(account))
    assert "The account of transcripts does not add up in S1." in text_of(build_report(files))
    assert "does not add up" not in text_of(build_report(cohort["files"]))


def test_sample_without_cells_is_stated(tmp_path):
    from scipy import sparse

    from vitrail.io.h5ad import write_h5ad

    path = tmp_path / "E.h5ad"
    obs = {"cell": np.zeros(0, np.int32), "qc_pass": np.zeros(0, bool)}
    obsm = {"spatial": np.zeros((0, 2))}
    write_h5ad(path, sparse.csr_matrix((0, 0)), obs, [], [], obsm=obsm)
    text = text_of(build_report([{"row": {"sample": "E", "condition": "c"}, "anndata": path}]))
    assert "No cells were found in E." in text
    assert "No cells were found on this slide." in text


# Pictures


def decoded(picture):
    return imagecodecs.webp_decode(b64decode(picture.uri.split(",")[1]))


def test_overview_has_each_cell_in_its_colour(cohort):
    facts = read_facts(cohort["files"][0])
    colours = type_colours({"Tumour": 3, "T cell": 2, "Stroma": 1})
    picture = decoded(overview(facts, colours, 900))
    assert picture.shape == (200, 200, 3)
    x, y = ((facts.xy - [100, 40]) / 0.5).astype(int).T
    shown = facts.passed & (facts.codes >= 0)
    wanted = np.array([rgb(colours[name]) for name in facts.types])[facts.codes[shown]]
    assert (picture[y[shown], x[shown]] == wanted).all()


def test_detail_shows_the_image_and_its_outlines(cohort):
    facts = read_facts(cohort["files"][0])
    plain, outlined = detail(facts, type_colours(facts.type_counts()), 50)
    assert decoded(plain).shape == decoded(outlined).shape == (600, 600, 3)
    assert plain.scale_bar == (10.0, 0.2)


def test_cells_are_drawn_where_they_are():
    xy = np.array([[0.0, 0.0], [99.0, 49.0]])
    colours = np.array([[255, 0, 0], [0, 0, 255]], np.uint8)
    picture = pictures.draw_cells(xy, colours, pictures.Extent(0, 0, 100, 50), 200)
    assert picture.shape == (100, 200, 3)
    assert (picture[0, 0] == colours[0]).all()
    assert (picture[98, 198] == colours[1]).all()
    assert (picture[50, 100] == 255).all()


def test_borders_lie_on_both_sides():
    labels = np.array([[1, 1, 2], [1, 1, 2], [0, 0, 0]])
    assert pictures.borders(labels).tolist() == [
        [False, True, True],
        [True, True, True],
        [True, True, True],
    ]


def test_densest_box_holds_the_crowd():
    rng = np.random.default_rng(0)
    sparse_cells, crowd = rng.uniform(0, 100, (50, 2)), rng.uniform(60, 78, (200, 2))
    whole = pictures.Extent(0, 0, 100, 100)
    x, y = pictures.densest_box(np.concatenate([sparse_cells, crowd]), whole, 20)
    assert (x, y) == (60, 60)


def test_one_channel_is_grey():
    image = np.arange(100, dtype=np.uint16).reshape(1, 10, 10)
    picture = pictures.composite(image)
    assert (picture[..., 0] == picture[..., 1]).all()
    assert picture.max() == 255


# Colours, tables, words


def test_frequent_types_get_the_first_colours_and_all_differ():
    colours = type_colours({"rare": 1, "common": 9, **{f"t{i}": 5 for i in range(30)}})
    assert colours["common"] == "#0072b2"
    assert len(set(colours.values())) == 32


def test_chosen_colour_is_kept_and_given_to_no_other_type():
    colours = type_colours({"a": 2, "b": 1}, {"b": "#0072b2"})
    assert colours == {"a": "#e69f00", "b": "#0072b2"}


def test_colour_that_is_none_is_refused():
    with pytest.raises(VitrailError, match="the colour of 'a' is 'red', wanted #rrggbb"):
        type_colours({"a": 1}, {"a": "red"})


def test_ramp_ends_are_its_anchors():
    assert shade(0, 0, 1) == "#f7fbff"
    assert shade(5, 0, 1) == "#08306b"
    assert shade(0, 0, 0) == "#f7fbff"


def test_distances_between_units_average_their_samples():
    matrix = np.array([[0, 1, 2, 4], [1, 0, 4, 6], [2, 4, 0, 8], [4, 6, 8, 0]], float)
    groups = distances.between_units(matrix, ["p", "p", "q", "r"], ["A", "A", "B", "B"])
    assert groups == {"within B": [8.0], "A against B": [3.0, 5.0]}


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0499, "0.050"), (0.00012, "0.0001"), (None, "–"), (float("nan"), "–"), (1.0, "1.000")],
)
def test_p_values_are_never_zero(value, shown):
    assert words.p_value(value) == shown


@pytest.mark.parametrize(
    ("units", "p"), [((3, 3), 0.1), ((4, 4), 2 / 70), ((3, 5), 1 / 56), ((2, 2, 2), 6 / 90)]
)
def test_smallest_p_of_an_exact_test(units, p):
    assert words.smallest_p(units) == pytest.approx(p)


def test_too_few_units_are_said_to_say_nothing():
    row = {"graph": "types", "p": 0.1, "exact": True, "permutations": 20, "effect": None}
    groups = [{"condition": c, "units": 3} for c in "AB"]
    sentences = words.outcome(tables.Test("All cell types together", row, groups), 0.05)
    assert "cannot give a p value below 0.100" in sentences[-1]
    groups = [{"condition": c, "units": 8} for c in "AB"]
    sentences = words.outcome(tables.Test("All cell types together", row, groups), 0.05)
    assert "does not show that the conditions are alike" in sentences[-1]


def test_spread_is_named_where_it_may_explain_the_difference():
    row = {
        "graph": "tissue", "p": 0.01, "exact": False, "permutations": 9999, "effect": None,
        "dispersion_p": 0.02,
    }  # fmt: skip
    groups = [{"condition": "A", "units": 5}, {"condition": "B", "units": 6}]
    sentences = words.outcome(tables.Test("Whole tissue", row, groups), 0.05)
    assert "9,999 random permutations over 5 + 6 independent units" in sentences[0]
    assert "spread differently" in sentences[1]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1897.4, "1,897"), (-12345.6, "-12,346"), (999.4, "999"), (0.01234, "0.0123"), (7, "7")],
)
def test_numbers_are_written_for_reading(value, shown):
    assert words.number(value) == shown


def test_heat_map_of_many_samples_stays_small():
    n = 140
    matrix = np.random.default_rng(0).random((n, n))
    chart = svg.heat_map(matrix, [f"s{i}" for i in range(n)], ["a"] * 70 + ["b"] * 70, "d", 1.0)
    assert len(chart) < 60_000


def test_configuration_is_printed_as_it_nests():
    assert as_text({"a": {"b": 1, "c": []}, "d": "x"}) == 'a:\n  b: 1\n  c: []\nd: "x"'
