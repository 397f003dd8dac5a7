import zipfile

import numpy as np
import pytest
import torch
from test_segment import PIXEL, noisy_tissue, slide_of
from tissue import painted

from vitrail.errors import VitrailError
from vitrail.prepare import prepare
from vitrail.segment import segment
from vitrail.segmentation import load, score, weights
from vitrail.segmentation.network import build, load_weights, save_weights
from vitrail.stitch import stitch
from vitrail.tile import divide

# The tests' network, learnt in seconds, sees discs where the slide ends; cut cells are not checked.
CELLS_FOUND = 0.93


@pytest.fixture(scope="module")
def paths(tiny_weights):
    return {kind: str(tiny_weights / f"{kind}.pt") for kind in ("nuclei", "cells")}


@pytest.fixture
def settings(paths):
    options = {"nuclei_weights": paths["nuclei"], "cell_weights": paths["cells"]}
    return {"segmenter": "flows", "flows": options}


def segmented(slide, settings, **tile):
    tiles, normalization = divide(slide, **tile)
    values = prepare(slide, normalization, settings)
    shards = range(tile.get("shards", 1))
    found = [segment(slide, tiles, normalization, shard, settings, values) for shard in shards]
    return stitch(found, tiles), values


def f1(truth, instances, iou=0.5):
    return score([truth], [painted(instances, truth.shape)], (iou,)).f1[0]


def test_it_finds_the_planted_nuclei_and_cells(settings):
    image, cells, nuclei = noisy_tissue(seed=21)
    found, values = segmented(slide_of(image), settings)
    assert f1(nuclei, found.nuclei) > 0.98
    assert f1(cells, found.cells) > CELLS_FOUND
    # Each nucleus has a cell of its own; a cell may be without.
    assert len(found.nuclei) <= len(found.cells) <= 1.02 * len(found.nuclei)
    # Nuclei of 14 pixels, cells of 20; a size model of 12 scenes is no better.
    assert values["flows"]["nuclei"]["diameter_px"] == pytest.approx(14, rel=0.3)
    assert values["flows"]["cells"]["diameter_px"] == pytest.approx(20, rel=0.5)


@pytest.mark.parametrize(("precision", "differing"), [("float32", 1e-4), ("bfloat16", 2e-3)])
def test_one_tile_and_64_tiles_give_the_same_cells(settings, precision, differing):
    settings["flows"]["precision"] = precision
    image, *_ = noisy_tissue((500, 510), seed=22)
    one, values = segmented(slide_of(image), settings)
    many, same_values = segmented(slide_of(image), settings, size_px=64, shards=3)
    assert values == same_values
    shape = image.shape[1:]
    for kind in ("cells", "nuclei"):
        a, b = (painted(getattr(found, kind), shape) for found in (one, many))
        assert a.max() > 350
        assert score([a], [b], (0.5,)).f1[0] >= 0.995
        assert score([a], [b], (0.95,)).f1[0] >= 0.995
        assert np.count_nonzero((a > 0) != (b > 0)) < differing * np.count_nonzero(a)


def test_a_window_with_another_neighbourhood_has_the_same_cells(settings):
    """What lies elsewhere on a slide has no say, once scale and style are measured."""
    settings["flows"]["precision"] = "float32"
    image, *_ = noisy_tissue((400, 420), seed=23)
    slide = slide_of(image)
    tiles, normalization = divide(slide, size_px=208)
    values = prepare(slide, normalization, settings)
    before = segment(slide, tiles, normalization, 0, settings, values)["cells"]
    image[:, 260:] = image.max()
    after = segment(slide, tiles, normalization, 0, settings, values)["cells"]
    first = [(found.tile == 0) & (found.box[:, 2] < 180) for found in (before, after)]
    assert first[0].sum() > 40
    for name in ("box", "area", "sum_y", "sum_x"):
        a, b = (getattr(f, name)[k] for f, k in zip((before, after), first, strict=True))
        assert (a == b).all()


def test_without_a_stain_of_cells_nuclei_grow(settings):
    image, _, nuclei = noisy_tissue(seed=24, cytoplasm=False)
    sizes = []
    for expansion in (0.0, 2.0):
        settings["flows"]["expansion_um"] = expansion
        found, values = segmented(slide_of(image), settings)
        assert list(values["flows"]) == ["nuclei"]
        assert f1(nuclei, found.nuclei) > 0.98
        assert (found.cell_of_nucleus > 0).all()
        sizes.append(np.sqrt(np.median(found.cells.area) / np.pi) * PIXEL)
    assert sizes[1] - sizes[0] == pytest.approx(2, abs=0.25)


def test_a_given_diameter_is_taken(settings):
    settings["flows"] |= {"nucleus_diameter_um": 7.0, "cell_diameter_um": 9.5}
    image, cells, nuclei = noisy_tissue(seed=25)
    found, values = segmented(slide_of(image), settings)
    assert values["flows"]["nuclei"]["diameter_px"] == 14
    assert values["flows"]["cells"]["diameter_px"] == 19
    assert f1(nuclei, found.nuclei) > 0.98
    assert f1(cells, found.cells) > CELLS_FOUND


@pytest.mark.parametrize("shrunk", [1, 2])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64])
def test_a_weight_file_segments_an_image_of_any_scale_and_type(paths, dtype, shrunk):
    image, _, nuclei = noisy_tissue(seed=26, cytoplasm=False)
    image = (image[0] / image.max() * 250)[::shrunk, ::shrunk].astype(dtype)
    labels = load(paths["nuclei"]).segment(image)
    assert labels.dtype == np.int32
    assert labels.shape == image.shape
    assert score([nuclei[::shrunk, ::shrunk]], [labels], (0.5,)).f1[0] > 0.97


def test_an_image_in_memory_has_the_same_cells_however_it_is_tiled(paths):
    from vitrail.segmentation.image import segment_image

    image, cells, _ = noisy_tissue((500, 520), seed=27)
    segmenter = load(
        "flows", nuclei_weights=paths["nuclei"], cell_weights=paths["cells"], augmentation="none"
    )
    whole = segmenter.segment(image)
    tiled = segment_image(segmenter, image, None, None, None, size_px=128)
    assert score([cells], [whole], (0.5,)).f1[0] > CELLS_FOUND
    assert score([whole], [tiled], (0.9,)).f1[0] > 0.995


@pytest.mark.parametrize("augmentation", ["flips", "dihedral"])
def test_averaging_over_views_keeps_the_cells(paths, augmentation):
    image, _, nuclei = noisy_tissue(seed=28, cytoplasm=False)
    labels = load(paths["nuclei"], augmentation=augmentation).segment(image[0], pixel_size=PIXEL)
    assert score([nuclei], [labels], (0.5,)).f1[0] > 0.98
    mirrored = load(paths["nuclei"], augmentation=augmentation).segment(
        np.ascontiguousarray(image[0][::-1]), pixel_size=PIXEL
    )
    assert score([labels], [mirrored[::-1]], (0.8,)).f1[0] > 0.99


def test_weights_without_a_size_model_want_a_diameter(tmp_path):
    path = tmp_path / "plain.pt"
    save_weights(path, build(4, 2, seed=1), "nuclei")
    with pytest.raises(VitrailError, match=r"plain\.pt holds no size model; wanted: a diameter"):
        load(str(path)).segment(np.zeros((64, 64), np.uint8))
    assert load(str(path)).segment(np.zeros((64, 64), np.uint8), diameter=15).shape == (64, 64)


def test_a_cellpose_file_is_a_segmenter(tmp_path):
    """A state dict alone, as the cellpose package writes it, without suffix."""
    path = tmp_path / "cyto3"
    torch.save(build(4, 3, seed=2).state_dict(), path)
    labels = load(str(path)).segment(np.zeros((2, 50, 60), np.uint16), diameter=20)
    assert labels.shape == (50, 60)


def test_names_are_looked_for_in_the_folder_of_the_user(paths, tmp_path, monkeypatch):
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(
        VitrailError,
        match=r"^segment\.nuclei\.nuclei_weights is 'mine', where no weight file is; wanted",
    ):
        load("nuclei", nuclei_weights="mine")
    network, facts = load_weights(paths["nuclei"])
    save_weights(tmp_path / "mine.pt", network, "nuclei", facts.size)
    image, *_ = noisy_tissue((200, 200), seed=30, cytoplasm=False)
    assert load("nuclei", nuclei_weights="mine").segment(image[0]).max() > 30


def test_a_weight_file_is_told_from_a_compiled_module(paths, tmp_path):
    assert not weights.is_torchscript(paths["nuclei"])
    script = tmp_path / "module.pt"
    torch.jit.script(torch.nn.Identity()).save(script)
    assert zipfile.is_zipfile(script)
    assert weights.is_torchscript(script)
