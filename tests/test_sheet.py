import re

import pytest

from vitrail.errors import VitrailError
from vitrail.sheet import check_cohort_name, check_files, raw_megabytes, read_sheet

SECTIONS = ("tile", "graph", "segment")


def write(tmp_path, *lines):
    path = tmp_path / "samples.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path


def sentence(tmp_path, *lines):
    path = write(tmp_path, *lines)
    with pytest.raises(VitrailError) as caught:
        read_sheet(path, SECTIONS)
    return str(caught.value).replace(f"{path}", "samples.tsv")


def test_a_full_row(tmp_path, monkeypatch):
    monkeypatch.setenv("SLIDES", "/slides")
    path = write(
        tmp_path,
        "# the pilot study",
        "sample\tcondition\timage\ttranscripts\tpixel_size\tregion\tshards\tgraph.k",
        "A\ttreated\t${SLIDES}/a_z0.tif;${SLIDES}/a_z1.tif\ta.csv\t0.5\t0,10,100,200.5\t3\t8",
    )
    (row,) = read_sheet(path, SECTIONS)
    assert row["image"] == ["/slides/a_z0.tif", "/slides/a_z1.tif"]
    assert row["pixel_size"] == 0.5
    assert row["region"] == [0.0, 10.0, 100.0, 200.5]
    assert row["overrides"] == {"graph.k": 8, "tile.shards": 3}
    assert row["unit"] is None
    assert row["row"] == 3


def test_a_comma_separated_sheet(tmp_path):
    path = tmp_path / "samples.csv"
    path.write_text("sample,table\nA,a.h5ad\n")
    assert read_sheet(path, SECTIONS)[0]["table"] == ["a.h5ad"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            ["sample\timage", "A\ta.tif", "B\tb.tif", "A\tc.tif"],
            "samples.tsv: sample 'A' is listed twice, in rows 2 and 4; wanted each sample once.",
        ),
        (
            ["sample\timage"],
            "samples.tsv: lists no sample, wanted one row a sample below the header.",
        ),
        (
            ["smaple\timage", "A\ta.tif"],
            "samples.tsv: the header has no column 'sample' (found smaple, image); "
            "wanted tab-separated columns.",
        ),
        (
            ["sample\timage\tconditon", "A\ta.tif\tx"],
            "samples.tsv: unknown column 'conditon' (did you mean 'condition'?; "
            "a column 'section.key' sets a config key for single samples).",
        ),
        (
            ["sample\timage\tpixel_size", "A\ta.tif\t-0.5"],
            "samples.tsv, row 2 (sample A): pixel_size is '-0.5', "
            "wanted a number of micrometres above 0.",
        ),
        (
            ["sample\timage\tregion", "A\ta.tif\t0,0,100"],
            "samples.tsv, row 2 (sample A): region is '0,0,100', "
            "wanted 'x0,y0,x1,y1' in micrometres with x0 < x1 and y0 < y1.",
        ),
        (
            ["sample\timage", "../A\ta.tif"],
            "samples.tsv, row 2: sample name '../A' is not usable, wanted letters, digits, "
            "'.', '_' and '-', with a letter or digit first.",
        ),
        (
            ["sample\timage", "cohort\ta.tif"],
            "samples.tsv, row 2: sample name 'cohort' is taken by a folder of the results.",
        ),
        (
            ["sample\timage\tsegment.channels", "A\ta.tif\t[a, b"],
            "samples.tsv, row 2: segment.channels is '[a, b', wanted a value as the config has it "
            "(YAML; text with brackets, quotes or colons in quotes).",
        ),
        (
            ["sample\timage", "Training\ta.tif"],
            "samples.tsv, row 2: sample name 'Training' is taken by a folder of the results.",
        ),
        (
            ["sample\ttranscripts", "A\ta.csv"],
            "samples.tsv, row 2 (sample A): has transcripts, "
            "wanted a vendor's folder, an image, labels, boundaries or a table.",
        ),
        (
            ["sample\ttable\timage", "A\ta.csv\ta.tif"],
            "samples.tsv, row 2 (sample A): has a table and image, "
            "wanted a table alone or files of a slide.",
        ),
        (
            ["sample\timage", "A\t${NOWHERE_SET}/a.tif"],
            "samples.tsv, row 2: the environment variable NOWHERE_SET in "
            "'${NOWHERE_SET}/a.tif' is not set.",
        ),
        (["sample\timage", "A\ta.tif\tx"], "samples.tsv, row 2: has 3 cells, the header has 2."),
    ],
)
def test_bad_sheets_are_one_sentence(tmp_path, lines, expected):
    assert sentence(tmp_path, *lines) == expected


def test_a_missing_sheet(tmp_path):
    path = tmp_path / "none.tsv"
    with pytest.raises(VitrailError, match=r"the sample sheet does not exist \(config key"):
        read_sheet(path, SECTIONS)


def test_files_that_are_not_there(tmp_path):
    path = write(tmp_path, "sample\timage", f"A\t{tmp_path}/a.tif")
    rows = read_sheet(path, SECTIONS)
    with pytest.raises(VitrailError) as caught:
        check_files(rows, "samples.tsv", "results/synthetic")
    assert str(caught.value) == (
        f"samples.tsv, row 2 (sample A): image '{tmp_path}/a.tif' does not exist, "
        "wanted a readable file or folder."
    )


def test_a_path_out_of_the_folder_that_the_workflow_makes_is_looked_for(tmp_path):
    row = "A\tresults/synthetic/../../away/A/image.ome.tif"
    rows = read_sheet(write(tmp_path, "sample\timage", row), SECTIONS)
    with pytest.raises(VitrailError, match=r"away/A/image\.ome\.tif' does not exist"):
        check_files(rows, "samples.tsv", "results/synthetic")


@pytest.mark.parametrize("name", ["a{sample}.tif", "a<b>.tif"])
def test_a_file_name_that_snakemake_would_fill_in(tmp_path, name):
    rows = read_sheet(write(tmp_path, "sample\timage", f"A\t{name}"), SECTIONS)
    sentence = re.escape(f"image '{name}' has braces or angle brackets in its name")
    with pytest.raises(VitrailError, match=sentence):
        check_files(rows, "samples.tsv", "results/synthetic")


def test_files_that_the_workflow_makes_are_not_looked_for(tmp_path):
    path = write(tmp_path, "sample\timage", "A\tresults/synthetic/A/image.ome.tif")
    check_files(read_sheet(path, SECTIONS), "samples.tsv", "results/synthetic")


@pytest.mark.parametrize(
    ("name", "folder"),
    [("b", "sample 'B'"), ("logs", "other results"), ("synthetic", "other results")],
)
def test_a_cohort_needs_a_folder_of_its_own(name, folder):
    rows = [{"sample": "A"}, {"sample": "B"}]
    with pytest.raises(VitrailError) as caught:
        check_cohort_name(name, rows)
    assert str(caught.value) == (
        f"config: key 'cohort_name' is '{name}', which is the folder of {folder}; "
        "wanted a name of its own."
    )
    for free in ("cohort", "responders"):
        check_cohort_name(free, rows)


def test_the_size_of_raw_files(tmp_path):
    (tmp_path / "folder/deep").mkdir(parents=True)
    for name, size in (("a.tif", 1_500_000), ("folder/x", 250_000), ("folder/deep/y", 250_000)):
        (tmp_path / name).write_bytes(bytes(size))
    files = [str(tmp_path / "a.tif"), str(tmp_path / "absent.tif"), "s3://bucket/b.tif"]
    row = {"image": files, "labels": [str(tmp_path / "folder")], "transcripts": None}
    assert raw_megabytes(row) == 2.0
