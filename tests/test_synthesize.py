"""The stage synthesize as a whole: script in, files out."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import tifffile
import yaml

from vitrail.coordinates import pixel_index
from vitrail.io.synthetic import SlideFiles, write_slide
from vitrail.synthesize import parse_spec

ROOT = Path(__file__).parents[1]
NAMES = {
    "image": "image.ome.tif",
    "transcripts": "transcripts.parquet",
    "labels": "labels.tif",
    "nuclei": "nuclei.tif",
    "cells": "cells.parquet",
    "genes": "genes.parquet",
    "truth": "truth.parquet",
}


def content():
    demo = yaml.safe_load((ROOT / "config" / "demo" / "cohort.yaml").read_text())
    return demo | {"shape": [700, 1100]}


def write(folder, window=1024, threads=1):
    folder.mkdir()
    files = {key: str(folder / name) for key, name in NAMES.items()}
    write_slide(
        parse_spec(content()), "P6", SlideFiles(**files), {"stage": "test"}, window, threads
    )
    return {key: Path(path) for key, path in files.items()}


class Named(SimpleNamespace):
    """Named items as Snakemake gives them to a script."""

    def __iter__(self):
        return iter(vars(self).values())

    def items(self):
        return vars(self).items()

    def get(self, key):
        return getattr(self, key, None)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Files of one slide, made by the stage's script."""
    folder = tmp_path_factory.mktemp("slide")
    (folder / "spec.yaml").write_text(yaml.safe_dump(content(), sort_keys=False))
    files = {key: str(folder / name) for key, name in NAMES.items()}
    snakemake = SimpleNamespace(
        input=Named(spec=str(folder / "spec.yaml")),
        output=Named(**files),
        params=Named(settings={"spec": "spec.yaml"}),
        wildcards=Named(slide="P6"),
        threads=1,
        log=[],
        rule="synthesize",
    )
    runpy.run_path(str(ROOT / "scripts" / "synthesize.py"), {"snakemake": snakemake})
    return {key: Path(path) for key, path in files.items()}


def test_the_image_is_a_tiled_ome_tiff(made):
    with tifffile.TiffFile(made["image"]) as file:
        assert file.is_ome
        assert file.series[0].axes == "CYX"
        assert file.series[0].shape == (2, 700, 1100)
        assert file.pages[0].is_tiled
        assert file.pages[0].dtype == np.uint16
        pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
    assert pixels["PhysicalSizeX"] == pixels["PhysicalSizeY"] == 0.5
    assert [c["Name"] for c in pixels["Channel"]] == ["DAPI", "polyT"]


def test_the_transcripts_do_not_hold_the_truth(made):
    table = pq.read_table(made["transcripts"])
    assert table.column_names == ["x", "y", "gene", "quality"]
    assert pq.read_metadata(made["truth"]).num_rows == table.num_rows


def test_truth_and_labels_agree_row_by_row(made):
    labels, nuclei = (tifffile.imread(made[key]) for key in ("labels", "nuclei"))
    table, truth = (pq.read_table(made[key]) for key in ("transcripts", "truth"))
    row = pixel_index(table["y"].to_numpy(), 0.5)
    column = pixel_index(table["x"].to_numpy(), 0.5)
    np.testing.assert_array_equal(labels[row, column], truth["cell"].to_numpy())
    names = np.array(truth["compartment"].to_pylist())
    np.testing.assert_array_equal(names == "nucleus", nuclei[row, column] > 0)
    np.testing.assert_array_equal(names == "none", labels[row, column] == 0)


def test_the_cell_table_describes_the_labels(made):
    labels = tifffile.imread(made["labels"])
    cells = pq.read_table(made["cells"]).to_pandas()
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(cells["cell"], np.arange(1, labels.max() + 1))
    np.testing.assert_array_equal(cells["area_um2"], np.bincount(labels.ravel())[1:] * 0.25)
    i = len(cells) // 2
    y, x = np.nonzero(labels == cells["cell"][i])
    assert cells["x"][i] == pytest.approx((x.mean() + 0.5) * 0.5)
    assert cells["y"][i] == pytest.approx((y.mean() + 0.5) * 0.5)
    assert set(cells["condition"]) == {"excluded"}
    assert set(cells["unit"]) == {"patient6"}


def test_the_gene_table_counts_what_was_planted(made):
    genes = pq.read_table(made["genes"]).to_pandas().set_index("gene")
    table, truth = (pq.read_table(made[key]).to_pandas() for key in ("transcripts", "truth"))
    found = table["gene"][truth["cell"] > 0].value_counts()
    assert found.to_dict() == {g: n for g, n in genes["transcripts_in_cells"].items() if n}
    assert set(genes["kind"]) == {"null", "spatial", "confounded", "marker", "control"}


def test_no_bit_depends_on_window_and_threads(tmp_path):
    one, other = write(tmp_path / "one", 512, threads=3), write(tmp_path / "other", 2048)
    for key, path in one.items():
        assert path.read_bytes() == other[key].read_bytes(), key


def test_row_groups_do_not_depend_on_the_pieces(tmp_path, monkeypatch, made):
    monkeypatch.setattr("vitrail.io.synthetic.ROW_GROUP", 10_000)
    small = write(tmp_path / "small")
    assert pq.read_metadata(small["transcripts"]).num_row_groups > 2
    assert pq.read_table(small["transcripts"]).equals(pq.read_table(made["transcripts"]))
