import subprocess
import sys

import numpy as np
import pytest

from vitrail.errors import VitrailError
from vitrail.segmentation import check, load, registry
from vitrail.segmentation.channels import roles
from vitrail.segmentation.contract import Context, Segmenter

CONTEXT = Context(0.5, {"nucleus": 0})


def bright(image, context, limit=0.5):
    return (image[0] > limit).astype(np.int64)


def both(image, context):
    return (image[0] > 0.2).astype(np.uint8), (image[0] > 0.8).astype(np.uint8)


def wrong(image, context):
    return image[0]


class Own(Segmenter):
    def __init__(self, limit=0.5):
        self.limit = limit

    def segment_window(self, image, context):
        raise NotImplementedError


@pytest.fixture(autouse=True)
def _own_module(monkeypatch):
    monkeypatch.setitem(sys.modules, "own_segmenters", sys.modules[__name__])


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(
        VitrailError,
        match=r"^segment\.segmenter is 'magic'; wanted: one of cellpose, cells, flows, instanseg, "
        r"nuclei, watershed, or module:function of your own$",
    ):
        check({"segmenter": "magic"})


def test_an_unknown_option_is_named():
    with pytest.raises(VitrailError, match=r"^segment\.watershed has an option .*'colour'"):
        load("watershed", colour="red")


@pytest.mark.parametrize("key", ["threshold", "extent"])
def test_an_unknown_choice_is_answered_with_the_known_ones(key):
    with pytest.raises(VitrailError, match=rf"^segment\.watershed\.{key} is 'x'; wanted: one of"):
        load("watershed", **{key: "x"})


def test_a_missing_package_and_missing_weights_are_named(monkeypatch):
    entry = registry.Entry(Own, ("no_such_package",), "no-such-package")
    monkeypatch.setitem(registry.ENTRIES, "net", entry)
    with pytest.raises(VitrailError, match=r"needs the package no_such_package, .*pip install no-"):
        check({"segmenter": "net"})
    net = registry.Entry(Own, ("numpy",), weights={"weights": "here"})
    monkeypatch.setitem(registry.ENTRIES, "net", net)
    with pytest.raises(
        VitrailError, match=r"^segment\.net\.weights is 'a\.pt', where no weight file is; wanted"
    ):
        check({"segmenter": "net", "net": {"weights": "a.pt"}})


def test_a_function_of_ones_own_is_a_segmenter():
    image = np.array([[[0.1, 0.6], [0.9, 0.4]]], np.float32)
    found = load("own_segmenters:bright", limit=0.8).segment_window(image, CONTEXT)
    assert found.cells.tolist() == [[0, 0], [1, 0]]
    assert found.cells.dtype == np.int32
    assert found.cell_scores.tolist() == [1]
    assert not found.nuclei.any()
    found = load("own_segmenters:both").segment_window(image, CONTEXT)
    assert found.cells.sum() == 3
    assert found.nuclei.sum() == 1


def test_a_segmenter_of_ones_own_gets_its_options():
    assert load("own_segmenters:Own", limit=0.25).limit == 0.25


def test_what_a_function_returns_is_checked():
    image = np.zeros((1, 2, 2), np.float32)
    with pytest.raises(VitrailError, match=r"returned float32 of shape \(2, 2\); wanted: integer"):
        load("own_segmenters:wrong").segment_window(image, CONTEXT)


def test_a_missing_module_or_function_is_named():
    with pytest.raises(VitrailError, match="there is no module 'no_such_module' on PYTHONPATH"):
        check({"segmenter": "no_such_module:f"})
    with pytest.raises(VitrailError, match="module 'json' has no function 'nothing'"):
        load("json:nothing")


def test_checking_before_the_run_imports_nothing_heavy():
    code = (
        "import sys; from vitrail.segmentation import check; check({'segmenter': 'watershed'}); "
        "print([m for m in ('numba', 'scipy', 'numpy', 'zarr') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_roles_are_found_by_name():
    assert roles(["DAPI", "polyT"]) == {"nucleus": 0, "cytoplasm": 1}
    assert roles(["Cellbound1", "Hoechst 33342"]) == {"nucleus": 1, "membrane": 0}
    assert roles(["red", "green", "blue"]) == {"nucleus": 2, "cytoplasm": 1}
    assert roles(["0"]) == {"nucleus": 0}


def test_roles_are_taken_from_the_settings():
    names = ["a", "b", "DAPI"]
    assert roles(names, {"nucleus": "b", "membrane": 0}) == {"nucleus": 1, "membrane": 0}
    assert roles(["DAPI", "polyT"], {"cytoplasm": None}) == {"nucleus": 0}


def test_a_channel_that_is_not_there_is_named():
    with pytest.raises(
        VitrailError,
        match=r"^segment\.channels\.nucleus is 'GFP', but the slide has the channels DAPI, polyT$",
    ):
        roles(["DAPI", "polyT"], {"nucleus": "GFP"})
