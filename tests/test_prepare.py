"""Stage prepare: what a segmenter measures once a slide, in the library and by its script."""

import json

import pytest
from stage_files import run_script, write_slide
from test_segment import noisy_tissue, slide_of

from vitrail.prepare import prepare
from vitrail.tile import divide

# What the tests' tissue is drawn with: nuclei and cells of so many pixels.
NUCLEUS_PX, CELL_PX = 14, 20


@pytest.fixture(scope="module")
def settings(tiny_weights):
    nuclei, cells = (str(tiny_weights / f"{kind}.pt") for kind in ("nuclei", "cells"))
    options = {"nuclei_weights": nuclei, "cell_weights": cells}
    return {"segmenter": "flows", "flows": options}


def test_the_script_writes_what_the_library_measures_whatever_the_tiles(settings, tmp_path):
    image, *_ = noisy_tissue((300, 320), seed=29)
    slide = write_slide(
        tmp_path, image.shape[1:], image=image, channels=["DAPI", "polyT"], chunks=(128, 128)
    )
    tiled = {"tiles": tmp_path / "tiles.parquet", "normalization": tmp_path / "normalization.json"}
    run_script("tile", slide, tiled, {"size_px": 160})
    prepared = {"prepared": tmp_path / "prepared.json"}
    run_script("prepare", slide | tiled, prepared, settings)
    written = json.loads(prepared["prepared"].read_text())
    assert written["provenance"]["stage"] == "prepare"
    _, normalization = divide(slide_of(image), size_px=64)
    assert written["values"] == prepare(slide_of(image), normalization, settings)
    measured = written["values"]["flows"]
    assert measured["nuclei"]["diameter_px"] == pytest.approx(NUCLEUS_PX, rel=0.3)
    assert measured["cells"]["diameter_px"] == pytest.approx(CELL_PX, rel=0.5)


def test_a_segmenter_that_measures_nothing_needs_no_value():
    image, *_ = noisy_tissue((120, 130), seed=30)
    _, normalization = divide(slide_of(image), size_px=64)
    assert prepare(slide_of(image), normalization, {"segmenter": "watershed"}) == {}
