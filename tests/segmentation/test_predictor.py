import numpy as np
import pytest

from vitrail.errors import VitrailError
from vitrail.segmentation import predictor
from vitrail.segmentation.predictor import AUGMENTATIONS, Estimate, Predictor, turn, turn_back


@pytest.fixture(scope="module")
def path(tiny_weights):
    return str(tiny_weights / "nuclei.pt")


def estimate(network):
    style = np.random.default_rng(0).random(network.facts.width * 2 ** (network.facts.depth - 1))
    return Estimate(network.diameter, (style / np.linalg.norm(style)).astype(np.float32))


@pytest.mark.parametrize("view", AUGMENTATIONS["dihedral"])
def test_flows_of_a_view_are_turned_back(view):
    """The gradient of an image is a flow that is known in every view."""
    image = np.random.default_rng(1).random((20, 30)).astype(np.float32)

    def flow(plane):
        return np.stack([*np.gradient(plane), plane])[None]

    assert np.allclose(turn_back(flow(turn(image, view)), view), flow(image), atol=1e-6)


def test_all_eight_views_differ():
    image = np.arange(6.0).reshape(2, 3)
    views = {
        turn(image, view).tobytes() + bytes(turn(image, view).shape)
        for view in AUGMENTATIONS["dihedral"]
    }
    assert len(views) == 8


@pytest.mark.parametrize("batch", [1, 3])
def test_blocks_change_nothing_but_the_last_digits(path, monkeypatch, batch):
    network = Predictor(path, batch=batch, precision="float32")
    image = np.random.default_rng(2).random((2, 300, 260)).astype(np.float32)
    whole = network.flows(image, (0, 0), estimate(network))
    monkeypatch.setattr(predictor, "LEAST_EDGE", 130)
    monkeypatch.setitem(predictor.BLOCK_BYTES, "cpu", 1)
    blocks = network.flows(image, (0, 0), estimate(network))
    for a, b in zip(whole, blocks, strict=True):
        assert a.shape == (300, 260)
        assert np.abs(a - b).max() < 1e-3 * np.abs(a).max()


@pytest.mark.parametrize("length", [8, 64, 200, 1000, 1008])
@pytest.mark.parametrize("edge", [64, 100, 5000])
def test_spans_cover_an_axis_once_with_equal_shapes(length, edge):
    covered, sizes = np.zeros(length, int), set()
    for seen, kept, inner in predictor._spans(length, edge, 8):
        covered[kept] += 1
        sizes.add(seen.stop - seen.start)
        assert seen.start % 8 == 0
        assert seen.start >= 0
        assert seen.stop <= length
        assert (seen.start + inner.start, seen.start + inner.stop) == (kept.start, kept.stop)
        margin = 8 * predictor.MARGIN
        assert inner.start >= min(margin, kept.start)
        assert seen.stop - kept.stop >= min(margin, length - kept.stop)
    assert (covered == 1).all()
    assert len(sizes) == 1


def test_half_precision_gives_nearly_the_same(path):
    image = np.random.default_rng(3).random((2, 64, 64)).astype(np.float32)
    single, half = (
        Predictor(path, precision=name).flows(image, (0, 0), estimate(Predictor(path)))
        for name in ("float32", "bfloat16")
    )
    assert np.abs(single.logit - half.logit).max() > 0
    assert np.abs(single.logit - half.logit).max() < 0.1 * np.abs(single.logit).max()


def test_an_estimate_goes_through_json(path):
    network = Predictor(path)
    known = estimate(network)
    again = Estimate.from_json(known.as_json())
    assert again.diameter == known.diameter
    assert (again.style == known.style).all()


def test_a_gpu_that_is_not_there_is_named(path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(VitrailError, match=r"^segment\.flows\.device is 'cuda', but torch find"):
        Predictor(path, device="cuda")


@pytest.mark.parametrize("prior", [1.0, 400.0])
def test_an_estimate_stays_near_what_is_plausible(path, prior):
    network = Predictor(path, "cpu", "float32")
    image = np.random.default_rng(4).random((2, 128, 128)).astype(np.float32)
    free = network.estimate([image], [(0, 0)], None, None).diameter
    assert not prior / 1.75 <= free <= prior * 1.75
    found = network.estimate([image], [(0, 0)], None, prior).diameter
    assert prior / 1.75 <= found <= prior * 1.75
