"""The weights that come with vitrail: what they are, and that they find what they are for."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from vitrail.segmentation import load, match, score, shipped_weights, weight_files
from vitrail.segmentation.contract import Context
from vitrail.segmentation.flows import TYPICAL_UM
from vitrail.segmentation.network import load_weights
from vitrail.segmentation.predictor import PLAUSIBLE, Estimate
from vitrail.synthesize import read_spec
from vitrail.training.synthetic import make_field

REPOSITORY = Path(__file__).resolve().parents[2]
MODELS = REPOSITORY / "resources/models"
NAMES = ("nuclei", "cells")
UNSEEN_SEED = 90210  # of a field that nothing was trained on


@pytest.fixture(scope="module")
def field():
    spec = read_spec(REPOSITORY / "config/demo/cohort.yaml")
    return make_field(replace(spec, shape=(640, 640)), UNSEEN_SEED)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", NAMES)
def test_the_card_describes_the_file(name):
    path, card = MODELS / f"{name}.pt", json.loads((MODELS / f"{name}.json").read_text())
    assert card["file"]["sha256"] == sha256(path)
    assert card["file"]["bytes"] == path.stat().st_size < 15e6
    assert card["kind"] == name
    assert card["file"]["sha256"] in (MODELS / f"{name}.md").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_they_have_a_size_model(name):
    _, facts = load_weights(MODELS / f"{name}.pt")
    assert facts.size is not None
    assert facts.size.low < facts.diam_mean < facts.size.high


def test_they_count_by_their_content_and_not_as_files_of_the_user():
    settings = {"segmenter": "flows", "flows": {}}
    assert weight_files(settings) == []
    assert shipped_weights(settings) == {f"{n}.pt": sha256(MODELS / f"{n}.pt") for n in NAMES}


def test_weights_of_the_user_are_files_of_the_user(tmp_path):
    own = tmp_path / "own.pt"
    own.write_bytes((MODELS / "nuclei.pt").read_bytes())
    settings = {"segmenter": "flows", "flows": {"nuclei_weights": str(own)}}
    assert weight_files(settings) == [str(own)]
    assert list(shipped_weights(settings)) == ["cells.pt"]


def test_planted_nuclei_are_found_without_a_word_on_their_size(field):
    found = load("nuclei").segment(field.image[0])
    assert score([field.nuclei], [found]).f1[0] >= 0.95


def test_planted_cells_are_found_without_a_word_on_their_size(field):
    found = load("cells").segment(field.image, channels={"nucleus": 0, "cytoplasm": 1})
    assert score([field.cells], [found]).f1[0] >= 0.95


@pytest.mark.parametrize("factor", [2, 5])
def test_magnified_nuclei_are_found(field, factor):
    """The size model finds the scale: the network itself knows one diameter."""
    half = field.image.shape[1] // 2
    image = np.kron(field.image[0, :half, :half], np.ones((factor, factor), np.uint16))
    truth = np.kron(field.nuclei[:half, :half], np.ones((factor, factor), np.int32))
    result = match(truth, load("nuclei").segment(image), 0.5)
    f1 = 2 * result.true_positives / (result.truth_count + result.predicted_count)
    assert f1 >= 0.9


def test_the_default_halo_is_enough_for_every_diameter_that_is_estimated():
    """For a pixel of a micrometre, at the largest diameters that the size models may give."""
    segmenter = load("flows")
    largest = {
        kind: Estimate(PLAUSIBLE * TYPICAL_UM[kind], np.zeros(1, np.float32)).as_json()
        for kind in NAMES
    }
    context = Context(1.0, {"nucleus": 0, "cytoplasm": 1}, {"flows": largest})
    halo = yaml.safe_load((REPOSITORY / "config/config.yaml").read_text())["tile"]["halo_um"]
    assert 40 < segmenter.reach_um(context) <= halo
