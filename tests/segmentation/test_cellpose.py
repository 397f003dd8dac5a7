"""The cellpose package runs in an environment of its own: VITRAIL_CELLPOSE_PYTHON."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from vitrail.errors import VitrailError
from vitrail.segmentation import check, environment, weight_files
from vitrail.segmentation.network import build, load_weights, predict

PYTHON = os.environ.get("VITRAIL_CELLPOSE_PYTHON")
SOURCE = Path(__file__).parents[2] / "src"
needs_cellpose = pytest.mark.skipif(
    not PYTHON, reason="VITRAIL_CELLPOSE_PYTHON names no interpreter that has cellpose 3"
)

SEGMENT = """
import json, sys
import numpy as np
from vitrail.segmentation import load
from vitrail.segmentation.contract import Context
image, weights = np.load(sys.argv[1]), sys.argv[2]
context = Context(0.5, json.loads(sys.argv[3]))
options = {"cellprob_threshold": -10.0, "flow_threshold": 0.0, "min_size_px": 1}
found = load("cellpose", weights=weights, **options).segment_window(image, context)
paired = load("cellpose", weights=weights, nuclei_weights=weights, **options)
both = paired.segment_window(image, context)
print(json.dumps({
    "dtype": str(found.cells.dtype), "shape": found.cells.shape,
    "cells": int(found.cells.max()), "scores": len(found.cell_scores),
    "nuclei": int(both.nuclei.max()), "held": bool((both.cells[both.nuclei > 0] > 0).all()),
}))
"""


@pytest.fixture
def cellpose_file(tmp_path):
    """Weights in the layout of the package, at its width; all is foreground, flows are strong."""
    state = build(32, 4, seed=3).state_dict()
    state["output.2.weight"] *= 20
    state["output.2.bias"][2] = 10
    path = tmp_path / "cyto3"
    torch.save(state, path)
    return path


def in_cellpose(code, *arguments):
    result = subprocess.run(
        [PYTHON, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout.splitlines()[-1])


@needs_cellpose
@pytest.mark.parametrize("channels", [{"nucleus": 0}, {"nucleus": 0, "cytoplasm": 1}])
def test_the_package_runs_behind_the_contract(tmp_path, cellpose_file, channels):
    image = np.random.default_rng(0).random((2, 96, 80)).astype(np.float32)
    np.save(tmp_path / "image.npy", image)
    found = in_cellpose(SEGMENT, tmp_path / "image.npy", cellpose_file, json.dumps(channels))
    assert found["dtype"] == "int32"
    assert found["shape"] == [96, 80]
    assert found["cells"] == found["scores"] > 0
    assert found["nuclei"] > 0
    assert found["held"]


@needs_cellpose
def test_the_same_file_gives_the_same_flows_in_both(tmp_path, cellpose_file):
    image = np.random.default_rng(1).random((1, 2, 64, 64)).astype(np.float32)
    np.save(tmp_path / "image.npy", image)
    code = """
import json, sys
import numpy as np, torch
from cellpose.models import CellposeModel
network = CellposeModel(gpu=False, pretrained_model=sys.argv[2], mkldnn=False).net.eval()
with torch.no_grad():
    output = network(torch.from_numpy(np.load(sys.argv[1])))[0]
np.save(sys.argv[1], output.numpy())
print(json.dumps(list(output.shape)))
"""
    assert in_cellpose(code, tmp_path / "image.npy", cellpose_file) == [1, 3, 64, 64]
    theirs = np.load(tmp_path / "image.npy")[0]
    ours = predict(load_weights(cellpose_file)[0], image)
    scale = np.abs(theirs).max()
    for plane, own in zip(theirs, (5 * ours.flow_y, 5 * ours.flow_x, ours.logit), strict=True):
        assert np.abs(plane - own[0]).max() < 1e-4 * scale


def test_without_the_package_the_run_stops_with_what_to_install(monkeypatch, cellpose_file):
    monkeypatch.setattr("importlib.util.find_spec", lambda name, package=None: None)
    settings = {"segmenter": "cellpose", "cellpose": {"weights": str(cellpose_file)}}
    with pytest.raises(VitrailError, match=r"needs the package cellpose, .*pip install 'cellpose"):
        check(settings)
    # A stage with an environment of its own is not looked into.
    check(settings, packages=False)


def test_without_weights_the_run_stops_with_where_they_belong():
    for options in ({}, {"weights": None}, {"weights": "no/such/file"}):
        settings = {"segmenter": "cellpose", "cellpose": options}
        with pytest.raises(VitrailError, match=r"^segment\.cellpose\.weights is '.*', where no w"):
            check(settings, packages=False)


def test_its_stages_have_their_weights_and_environment(cellpose_file):
    settings = {"segmenter": "cellpose", "cellpose": {"weights": str(cellpose_file)}}
    assert weight_files(settings) == [str(cellpose_file)]
    assert environment(settings) == "segment-cellpose"
    assert environment({"segmenter": "flows"}) == "segment"
