"""Names that users choose: they leave the results folder by no path, reach no shell, run no script.

Names of samples become folders and are refused where they are not plain; all others (genes,
channels, cell types, conditions, units, files) are data, and go through the whole workflow as such.
"""

import csv
import json
import shutil
import subprocess
from html.parser import HTMLParser

import anndata
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile
import yaml
import zarr

from vitrail.errors import VitrailError
from vitrail.sheet import read_sheet

HARMFUL = [
    "<script>document.title='run'</script>",
    "<img src=x onerror=\"document.title='run'\">",
    "\"'><svg onload=document.title='run'>",
    "</style></title><script>document.title='run'</script>",
    "javascript:document.title='run'",
    "$(touch harm)",
    "`touch harm`",
    "; touch harm #",
    "'; touch harm; '",
    "| touch harm &",
    "../../../harm",
    "/harm/er",
    "back\\slash",
    "{sample} {{ 7 * 7 }} {% raw %}",
    "%s %(name)s ${HOME}",
    "-rf",
    "µ, 漢 and \u202eright to left",
]
CHANNELS = ["DAPI <script>document.title='run'</script>", '../../$(touch harm)/"poly\'T"']
TYPES = {"T cell": "T cell <img src=x onerror=\"document.title='run'\"> $(touch harm)"}
CONDITIONS = {
    "infiltrated": "<script>document.title='run'</script>",
    "excluded": "../$(touch harm)",
}
RAW = "raw files | touch harm & $(touch harm) 'n' \"more\" & %s"
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


@pytest.mark.parametrize(
    "name",
    [*HARMFUL, "..", ".", ".hidden", "a/b", "a b", "a\\b", 'a"b', "a'b", "a\u00e4", "a*", "~root"],
)
def test_a_sample_is_a_plain_name(tmp_path, name):
    sheet = tmp_path / "samples.tsv"
    sheet.write_text(f"sample\timage\n{name.replace(chr(34), chr(39))}\ta.tif\n", encoding="utf-8")
    with pytest.raises(VitrailError, match=r"samples.tsv, row 2: sample name .* is not usable"):
        read_sheet(sheet, ("segment",))


@pytest.fixture(scope="module")
def harmed(finished, tmp_path_factory):
    """The small cohort with harmful names in all its files, run; the entries that it added."""
    folder = tmp_path_factory.mktemp("names")
    deployment = finished.copy(folder / "run")
    raw = deployment.folder / RAW
    for slide in ("P1", "P2"):
        rename(deployment.folder / "results/synthetic" / slide, raw / slide)
    shutil.rmtree(deployment.folder / "results")
    shutil.rmtree(deployment.folder / ".snakemake")
    rename_types(deployment.folder / "config/demo/markers.yaml")
    deployment.set("segment.channels", {"nucleus": 0, "cytoplasm": 1, "membrane": None})
    write_sheet(deployment.folder / "config/samples.tsv")
    before = entries(folder)
    deployment.run()
    return deployment, entries(folder) - before


def write_sheet(path):
    """The sheet with harmful conditions, units, types and paths."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for number, row in enumerate(rows):
        row["condition"] = CONDITIONS[row["condition"]]
        row["unit"] = HARMFUL[number + 1]
        row["topography.target_types"] = json.dumps([TYPES["T cell"]])
        for column in ("image", "transcripts"):
            row[column] = row[column].replace("results/synthetic", RAW)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)


def entries(folder):
    """All below a folder, but for what is in the places where a run may write."""
    free = (folder / "run/results", folder / "run/.snakemake")
    return {path for path in folder.rglob("*") if not any(f in (path, *path.parents) for f in free)}


def rename(source, target):
    """Copy a slide's files with harmful names of genes and channels."""
    target.mkdir(parents=True)
    with tifffile.TiffFile(source / "image.ome.tif") as file:
        pixels = file.asarray()
    channels = {"axes": "CYX", "Channel": {"Name": CHANNELS}}
    tifffile.imwrite(target / "image.ome.tif", pixels, ome=True, metadata=channels)
    table = pq.read_table(source / "transcripts.parquet")
    names = {f"GENE{number:03d}": name for number, name in enumerate(HARMFUL, start=1)}
    genes = [names.get(gene, gene) for gene in table["gene"].to_pylist()]
    column = table.schema.get_field_index("gene")
    table = table.set_column(column, "gene", pa.array(genes))
    pq.write_table(table, target / "transcripts.parquet")


def rename_types(path):
    markers = yaml.safe_load(path.read_text())
    path.write_text(
        yaml.safe_dump({TYPES.get(name, name): genes for name, genes in markers.items()})
    )


def test_nothing_is_written_outside_of_the_results(harmed):
    deployment, added = harmed
    assert added == set()
    assert [path for path in deployment.folder.rglob("harm*") if RAW not in str(path)] == []


def test_names_come_out_as_they_went_in(harmed):
    deployment, _ = harmed
    cells = anndata.read_h5ad(deployment.folder / "results/A/A.h5ad")
    assert set(HARMFUL) <= set(cells.var_names)
    assert TYPES["T cell"] in set(cells.obs["cell_type"])
    store = zarr.open_group(str(deployment.folder / "results/A/A.zarr"), mode="r")
    labels = [
        entry["label"] for entry in dict(store["images/image"].attrs)["ome"]["omero"]["channels"]
    ]
    assert labels == CHANNELS


class Tags(HTMLParser):
    """Tags of a page, and attributes that would run something."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.running = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.running += [
            (tag, name, value)
            for name, value in attrs
            if name.startswith("on") or (value or "").lower().startswith("javascript:")
        ]


def runs_nothing(html):
    page = Tags(html)
    assert len(page.tags) > 100
    assert page.tags.count("script") == 0
    assert page.running == []


def test_the_report_has_no_script(harmed):
    deployment, _ = harmed
    html = (deployment.folder / "results/cohort/report.html").read_text(encoding="utf-8")
    runs_nothing(html)
    assert "&lt;script&gt;document.title=" in html


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium; the test above reads the page's text")
def test_the_report_runs_nothing_in_a_browser(harmed, tmp_path):
    deployment, _ = harmed
    report = deployment.folder / "results/cohort/report.html"
    planted = tmp_path / "planted.html"
    planted.write_text(f"<title>quiet</title>{HARMFUL[0]}{HARMFUL[1]}")
    assert "<title>run</title>" in opened(planted, tmp_path), "the browser runs no script at all"
    document = opened(report, tmp_path)
    assert "<title>run</title>" not in document
    runs_nothing(document)


def opened(path, folder):
    """What a page has become after Chromium has opened it."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    options += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=3000", "--dump-dom"]
    command = [CHROMIUM, *options, path.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=180).stdout


def test_a_sheet_cannot_name_a_place_to_write_to(finished, tmp_path):
    """A path that begins where the workflow makes files and leads elsewhere is not made."""
    deployment = finished.copy(tmp_path / "run")
    sheet = deployment.folder / "config/samples.tsv"
    away = "results/synthetic/../../../away/P1"
    sheet.write_text(sheet.read_text().replace("results/synthetic/P1", away))
    result = deployment.snakemake()
    assert result.returncode != 0
    assert f"image '{away}/image.ome.tif' does not exist" in result.stdout
    assert not (tmp_path / "away").exists()
