import json
from base64 import b64decode
from html.parser import HTMLParser
from itertools import combinations

import imagecodecs
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cohort_files import write_cohort
from scipy import sparse

from vitrail.errors import VitrailError
from vitrail.report import (
    Settings,
    build_report,
    detail,
    distances,
    enrichment,
    local,
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
VOID = {"meta", "img", "br", "link", "hr", "input"}


class Page(HTMLParser):
    """Tags, attributes and text of a page; raises where tags do not close in order."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.text, self.open = [], [], [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.extend((tag, *pair) for pair in attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.extend((tag, *pair) for pair in attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def text_of(html):
    return " ".join(" ".join(Page(html).text).split())


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
    from vitrail.io.h5ad import write_h5ad

    path = tmp_path / "E.h5ad"
    obs = {"cell": np.zeros(0, np.int32), "qc_pass": np.zeros(0, bool)}
    obsm = {"spatial": np.zeros((0, 2))}
    write_h5ad(path, sparse.csr_matrix((0, 0)), obs, [], [], obsm=obsm)
    text = text_of(build_report([{"row": {"sample": "E", "condition": "c"}, "anndata": path}]))
    assert "No cells were found in E." in text
    assert "No cells were found on this slide." in text


# What divergence.parquet, pairs of genes and local patterns show


@pytest.fixture
def divergence(tmp_path):
    """Four samples of three units, one unit with two of them; a type is too rare in the last."""
    rows = []
    for graph, cell_type in (("types", None), ("tissue", None), ("type", "B <b>")):
        for a, b in combinations(range(4), 2):
            rare = graph == "type" and b == 3
            rows.append(
                {
                    "sample_a": f"s{a}", "sample_b": f"s{b}", "graph": graph,
                    "cell_type": cell_type, "cells_a": 100 + a, "cells_b": 4 if rare else 100 + b,
                    "distance": None if rare else 1.0 + a + b,
                    "raw": None if graph == "types" else 0.1 * (a + b),
                    "raw_error": 0.01 if graph == "tissue" else None,
                    "z": None if graph == "types" or rare else float(b - a),
                    "composition": 0.2 if graph == "types" else None,
                    "note": f"fewer than 30 cells of the type: s{b}" if rare else None,
                }
            )  # fmt: skip
    path = tmp_path / "divergence.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def test_measures_of_each_graph_are_read(divergence):
    types, tissue, b_cells = distances.read_distances(divergence, ["s0", "s1", "s2", "s3"])
    assert (types.name, b_cells.name, b_cells.of_type) == ("All cell types together", "B <b>", True)
    assert list(types.measures) == ["composition"]
    assert list(tissue.measures) == ["raw", "raw_error", "z"]
    assert tissue.measures["raw"][1, 2] == tissue.measures["raw"][2, 1] == pytest.approx(0.3)
    assert np.isnan(tissue.measures["raw"][0, 0])
    assert tissue.matrix[3].tolist() == [4.0, 5.0, 6.0, 0.0]
    assert b_cells.cells.tolist() == [100, 101, 102, 4]
    # The names of samples do not make another reason of each pair.
    assert b_cells.notes == {"fewer than 30 cells of the type": 3}
    assert not tissue.notes


def test_rare_types_are_counted(divergence):
    graphs = distances.read_distances(divergence, ["s0", "s1", "s2", "s3"])
    (row,) = distances.type_numbers(graphs)
    assert (row["name"], row["samples"], row["median"]) == ("B <b>", 4, 100.5)
    assert (row["smallest"], row["largest"], row["left_out"]) == (4, 102, 1)
    assert row["reasons"] == ["fewer than 30 cells of the type"]


def test_means_within_and_between_are_over_pairs_of_units(divergence):
    graphs = distances.read_distances(divergence, ["s0", "s1", "s2", "s3"])
    # s0 and s1 are one unit: its own pair counts nowhere, its pairs with others are averaged.
    rows = distances.summaries(graphs, ["p", "p", "q", "r"], ["A", "A", "A", "B"])
    within, between = rows[1]["raw"]
    assert within == pytest.approx((0.2 + 0.3) / 2)
    assert between == pytest.approx(((0.3 + 0.4) / 2 + 0.5) / 2)
    assert np.isnan(rows[0]["raw"]).all()
    assert rows[2]["z"][0] == pytest.approx(1.5)
    assert np.isnan(rows[2]["z"][1])
    # A unit of both conditions is not compared with itself.
    paired = distances.summaries(graphs, ["p", "q", "p", "q"], ["A", "A", "B", "B"])
    assert paired[1]["raw"] == pytest.approx(((0.1 + 0.5) / 2, (0.3 + 0.3) / 2))


def test_distances_are_shown_with_their_nulls(divergence, cohort):
    files = [{**entry, "row": {**entry["row"], "sample": f"s{i}"}}
             for i, entry in enumerate(cohort["files"])]  # fmt: skip
    html = build_report(files, divergence=divergence)
    text = text_of(html)
    for part in ("How far apart samples are", "its standard error", "How much of it is composition",
                 "beyond abundance, as z-score", "Cells of each type"):  # fmt: skip
        assert part in text
    assert "In windows" not in text  # the table has no such column
    assert "B <b>: 3 pairs of samples fewer than 30 cells of the type" in text
    assert "B &lt;b&gt;" in html


@pytest.fixture(scope="module")
def patterned(tmp_path_factory):
    """Two units, the first with two samples; pairs, local statistics and co-occurrence."""
    from vitrail.io.h5ad import Categorical, write_h5ad

    folder = tmp_path_factory.mktemp("patterned")
    files = []
    for i, (unit, value) in enumerate((("p", 0.1), ("p", 0.3), ("q", 0.6))):
        n = 20
        obs = {
            "cell": np.arange(n, dtype=np.int32), "qc_pass": np.ones(n, bool),
            "cell_type": Categorical.of(["a", "b"] * (n // 2)), "border": np.arange(n) < 5,
        }  # fmt: skip
        quadrant = np.array([[1], [1], [2], [3], [4]] * 4, np.int8)
        fdr = np.where(np.arange(n) < 10, 0.01, np.nan)[:, None]
        occ = np.full((2, 2, 3), 1.0 + i)
        uns = {
            "bivariate_moran": {
                "x": np.array(["L <i>", "L <i>"], dtype=object),
                "y": np.array(["R", "S"], dtype=object),
                "I": np.array([value, np.nan]), "fdr": np.array([0.04 * (i + 1), np.nan]),
            },
            "local_moran": {"genes": np.array(["L <i>"], dtype=object)},
            "cell_type_co_occurrence": {"occ": occ, "interval": np.array([0.0, 10, 20, 30])},
            "spatial_neighbors": {"params": {"kind": "knn", "k": 6, "cells": 20, "edges": 60}},
            "portraits": {"meta": json.dumps({"estimator": "sampled", "sources": 4096})},
        }  # fmt: skip
        obsm = {
            "spatial": np.random.default_rng(i).random((n, 2)) * 100,
            "local_moran_quadrant": quadrant, "local_moran_fdr": fdr,
        }  # fmt: skip
        path = folder / f"{i}.h5ad"
        names = [str(cell) for cell in range(n)]
        write_h5ad(path, sparse.csr_matrix((n, 0)), obs, names, [], obsm=obsm, uns=uns)
        row = {"sample": f"s{i}", "unit": unit, "condition": "A" if unit == "p" else "B"}
        files.append({"row": row, "anndata": path})
    return files


def test_pairs_of_genes_are_averaged_over_units(patterned):
    facts = [read_facts(entry) for entry in patterned]
    found, missing = local.gene_pairs(facts, ["A", "B"], 0.05)
    assert (found["x"], found["y"], found["samples"], found["found"]) == ("L <i>", "R", 3, 1)
    assert found["by_condition"] == pytest.approx({"A": 0.2, "B": 0.6})
    assert (found["mean"], found["low"], found["high"]) == pytest.approx((0.4, 0.1, 0.6))
    assert (missing["samples"], missing["found"]) == (0, 0)
    assert np.isnan(missing["mean"])


def test_local_patterns_count_what_is_significant(patterned):
    facts = [read_facts(entry) for entry in patterned]
    found = {sample.name: local.local_genes(sample, 0.05) for sample in facts}
    assert found["s0"]["L <i>"].tolist() == [1, 1, 2, 3, 4] * 2 + [0] * 10
    first, second = local.local_shares(facts, found, ["A", "B"])
    assert (first["condition"], first["samples"], second["samples"]) == ("A", 2, 1)
    assert first["high among high"] == pytest.approx(0.2)
    assert second["low among low"] == pytest.approx(0.1)


def test_patterns_graphs_and_co_occurrence_are_shown(patterned):
    html = build_report(patterned)
    text = text_of(html)
    for part in ("Pairs of genes", "local Moran's I", "By distance", "Spatial graphs", "25.0 %",
                 "knn, k 6"):  # fmt: skip
        assert part in text
    assert "L &lt;i&gt;" in html
    assert "L <i>" not in html
    assert html.count('class="lines"') == 4
    assert "estimated from" not in text  # there is no table of divergences to say it of


def test_co_occurrence_is_the_mean_over_units(patterned):
    facts = [read_facts(entry) for entry in patterned]
    rows = enrichment.by_distance(facts, {"a": "#000000"})
    assert [row.name for row in rows] == ["a", "b"]
    # Means are 1.5 of the two samples of p, and 3 of q: the axis ends at the larger.
    assert [(condition, units) for condition, units, _ in rows[0].charts] == [("A", 1), ("B", 1)]
    assert ">3</text>" in rows[0].charts[0][2]


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
