"""Bad input as the user of a run sees it: one sentence, and nothing computed is lost."""

import pytest
import yaml


@pytest.fixture
def deployment(finished, tmp_path):
    return finished.copy(tmp_path / "run")


def sentence_of(deployment, *arguments):
    result = deployment.snakemake(*arguments)
    assert result.returncode != 0
    return result.stdout


def edit_sheet(deployment, old, new):
    sheet = deployment.folder / "config/samples.tsv"
    sheet.write_text(sheet.read_text().replace(old, new))


def test_an_unknown_key(deployment):
    config = deployment.folder / "config/config.yaml"
    settings = yaml.safe_load(config.read_text())
    settings["graph"]["neighbours"] = 6
    config.write_text(yaml.safe_dump(settings))
    known = "known keys are edge_um, k, kind, "
    output = sentence_of(deployment)
    assert f"config: unknown key 'graph.neighbours' ({known}" in output
    assert "rule " not in output


def test_a_key_on_the_command_line(deployment):
    output = sentence_of(deployment, "--config", "graph={k: none}")
    assert "config: key 'graph.k' is 'none', wanted a whole number." in output


def test_a_sample_listed_twice(deployment):
    edit_sheet(deployment, "B\t", "A\t")
    assert (
        "config/samples.tsv: sample 'A' is listed twice, in rows 2 and 3; wanted each sample once."
    ) in sentence_of(deployment)


def test_a_missing_file(deployment):
    edit_sheet(deployment, "results/synthetic/P2/image.ome.tif", "nowhere.tif")
    assert (
        "config/samples.tsv, row 3 (sample B): image 'nowhere.tif' does not exist, "
        "wanted a readable file or folder."
    ) in sentence_of(deployment)


def test_an_unknown_format(deployment):
    edit_sheet(deployment, "patient2\tsynthetic", "patient2\txenium9")
    assert (
        "config/samples.tsv, row 3 (sample B): format 'xenium9' is unknown, wanted one of the "
        "config's 'formats': cosmx, generic, imc, merscope, phenocycler, synthetic, visium_hd, "
        "xenium."
    ) in sentence_of(deployment)


def test_a_truncated_image_stops_its_sample_and_no_other(deployment):
    image = deployment.folder / "results/synthetic/P2/image.ome.tif"
    broken = deployment.folder / "broken.ome.tif"
    content = image.read_bytes()
    broken.write_bytes(content[: len(content) // 2])
    edit_sheet(deployment, "results/synthetic/P2/image.ome.tif", "broken.ome.tif")
    before = (deployment.folder / "results/A/A.h5ad").stat().st_mtime_ns
    output = sentence_of(deployment, "ingest")
    assert "ingest: broken.ome.tif" in output
    assert "Traceback" not in output.split("ingest: broken.ome.tif")[1].splitlines()[0]
    assert not (deployment.folder / "results/B/slide.json").exists()
    assert (deployment.folder / "results/A/A.h5ad").stat().st_mtime_ns == before


def test_transcripts_without_a_gene_column(deployment):
    deployment.set("formats.synthetic.transcripts.columns", {"gene": "feature"})
    output = sentence_of(deployment, "ingest")
    assert "has no column 'feature'" in output
    assert "found x, y, gene, quality" in output
