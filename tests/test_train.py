"""`snakemake train` and `snakemake evaluate`, from a table to weights, card and scores."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
from once import once

from vitrail.segmentation import load
from vitrail.segmentation.network import load_weights

ROOT = Path(__file__).parents[1]
SMALL = {"width": 4, "depth": 2, "crop": 32, "batch": 2, "steps": 30, "decay": 10, "warmup": 2}
SHEET = "sample\tcondition\tunit\tformat\timage\ttranscripts\tpixel_size\n"


def write_examples(folder):
    """Bright discs of 12 pixels: three images to train on, one held out."""
    y, x = np.indices((72, 72))
    lines = ["image\tlabels\tdomain\tsplit"]
    for number, split in enumerate(["train", "train", "train", "validation"]):
        rng = np.random.default_rng(number)
        labels = np.zeros((72, 72), np.uint16)
        for place in range(9):
            cy, cx = 12 + 24 * (place // 3), 12 + 24 * (place % 3)
            cy, cx = cy + rng.integers(-4, 5), cx + rng.integers(-4, 5)
            labels[(y - cy) ** 2 + (x - cx) ** 2 < 36] = place + 1
        image = rng.normal(200 + 800 * (labels > 0), 15).astype(np.uint16)
        tifffile.imwrite(folder / f"i{number}.tif", image)
        tifffile.imwrite(folder / f"l{number}.tif", labels)
        lines.append(f"i{number}.tif\tl{number}.tif\tdiscs-{number % 2}\t{split}")
    (folder / "table.tsv").write_text("\n".join(lines) + "\n")


def snakemake(folder, *arguments, config="extra.yaml"):
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    command += ["--snakefile", str(ROOT / "workflow/Snakefile"), "--configfile", config]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with one image of a sheet that no target needs, trained and evaluated."""
    return once(tmp_path_factory, "training", run)


def run(folder):
    folder.mkdir()
    write_examples(folder)
    (folder / "samples.tsv").write_text(SHEET + f"a\tx\tu\tgeneric\t{folder / 'i0.tif'}\t\t0.5\n")
    config = {
        "samples": "samples.tsv",
        "segment": {"segmenter": "watershed"},
        "train": {
            **SMALL,
            "table": "table.tsv",
            "name": "discs",
            "diameter": 12.0,
            "checkpoint": 10,
            "threads": 1,
            "about": {"licence": "CC0", "sources": {"discs": "made up"}, "notes": ["a note"]},
        },
        "evaluate": {
            "table": "table.tsv",
            "split": None,
            "resamples": 20,
            "segmenters": {
                "watershed": {},
                "wide": {"watershed": {"expansion_um": 3.0, "extent": "expansion"}},
            },
        },
    }
    (folder / "extra.yaml").write_text(yaml.safe_dump(config))
    done = snakemake(folder, "train", "evaluate")
    assert done.returncode == 0, done.stderr


def test_the_weights_are_a_segmenter(finished):
    path = finished / "results/training/discs.pt"
    network, facts = load_weights(path)
    assert (network.width, network.depth) == (4, 2)
    assert (facts.kind, facts.diam_mean) == ("nuclei", 12)
    assert facts.size is not None
    found = load(str(path)).segment(tifffile.imread(finished / "i3.tif"))
    assert found.shape == (72, 72)


def test_the_card_says_what_the_weights_were_made_from(finished):
    card = json.loads((finished / "results/training/discs.json").read_text())
    _, facts = load_weights(finished / "results/training/discs.pt")
    assert card["file"]["sha256"] == facts.sha256
    assert card["settings"]["steps"] == 30
    assert card["settings"]["seed"] == card["provenance"]["settings"]["seed"] == 1
    assert [entry["step"] for entry in card["curve"]] == [10, 20, 30]
    assert {(e["domain"], e["split"], e["images"]) for e in card["images"]} == {
        ("discs-0", "train", 2),
        ("discs-1", "train", 1),
        ("discs-1", "validation", 1),
    }
    assert {row["set"] for row in card["scores"]} == {"discs"}
    page = (finished / "results/training/discs.md").read_text()
    for text in ("# discs", "Licence: CC0", "discs: made up", "a note", facts.sha256, "F1 by IoU"):
        assert text in page


def test_progress_names_losses_and_the_time_left(finished):
    log = (finished / "results/logs/train.log").read_text()
    assert "training step 20 of 30: loss" in log
    assert "min to go" in log


def test_scores_have_a_line_a_segmenter_and_metric(finished):
    lines = (finished / "results/evaluation/scores.tsv").read_text().splitlines()
    header = lines[0].split("\t")
    rows = [dict(zip(header, line.split("\t"), strict=True)) for line in lines[1:]]
    f1 = {r["segmenter"]: r for r in rows if (r["metric"], r["threshold"]) == ("f1", "0.5")}
    assert set(f1) == {"watershed", "wide"}
    assert f1["watershed"]["objects"] == "36"
    # Plain bright discs, which the larger outlines no longer fit.
    assert float(f1["watershed"]["value"]) > 0.9
    assert float(f1["wide"]["value"]) < float(f1["watershed"]["value"])
    images = (finished / "results/evaluation/images.tsv").read_text().splitlines()
    assert len(images) == 1 + 2 * 4
    assert "<svg" in (finished / "results/evaluation/curves.svg").read_text()


@pytest.mark.parametrize(
    ("target", "table", "sentence"),
    [
        ("train", None, "train.table is empty"),
        ("train", "no.tsv", "no.tsv does not exist"),
        ("evaluate", None, "evaluate.table is empty"),
    ],
)
def test_without_a_table_the_run_stops_with_one_sentence(
    finished, tmp_path, target, table, sentence
):
    config = yaml.safe_load((finished / "extra.yaml").read_text())
    config[target]["table"] = table
    (tmp_path / "without.yaml").write_text(yaml.safe_dump(config))
    done = snakemake(
        finished, target, "--dry-run", "--forceall", config=str(tmp_path / "without.yaml")
    )
    assert done.returncode != 0
    assert sentence in done.stderr + done.stdout
