import numpy as np
import pytest

from vitrail.errors import VitrailError
from vitrail.segmentation.compose import plan

NAMES = ["DAPI", "Cellbound1", "Cellbound2", "polyT"]


def noise(channels=4, shape=(60, 64), seed=0):
    return np.random.default_rng(seed).random((channels, *shape)).astype(np.float32)


def test_without_wishes_the_channels_stay_as_they_are():
    chosen = plan(NAMES, {})
    assert chosen.trivial
    assert chosen.roles == {"nucleus": 0, "membrane": 1, "cytoplasm": 3}


@pytest.mark.parametrize(
    ("merge", "function"),
    [("max", np.maximum), ("mean", lambda a, b: (a + b) / 2), ("sum", np.add)],
)
def test_several_channels_of_a_role_are_merged(merge, function):
    settings = {"channels": {"membrane": ["Cellbound1", 2]}, "merge": merge}
    chosen = plan(NAMES, settings)
    assert chosen.roles == {"nucleus": 0, "cytoplasm": 3, "membrane": 4}
    image = noise()
    planes = chosen.mix(image, 0.5)
    assert (planes[:4] == image).all()
    assert np.allclose(planes[4], function(image[1], image[2]))


def test_a_merged_plane_runs_from_0_to_1_over_the_sample():
    chosen = plan(NAMES, {"channels": {"membrane": ["Cellbound1", "Cellbound2"]}})
    samples = [noise(seed=seed) for seed in (1, 2, 3)]
    values = chosen.measure(samples, 0.5)
    merged = np.concatenate([chosen.adjust(chosen.mix(s, 0.5), values)[4].ravel() for s in samples])
    assert np.percentile(merged, [1, 99]) == pytest.approx([0, 1], abs=1e-3)
    # The slide's own channels are normalised over all of it already.
    assert (chosen.adjust(chosen.mix(samples[0], 0.5), values)[:4] == samples[0]).all()


def test_a_composite_is_mixed_by_its_ratios():
    settings = {
        "preprocess": {"composite": {"body": {"polyT": 0.7, "Cellbound1": 0.3}}},
        "channels": {"cytoplasm": "body", "membrane": None},
    }
    chosen = plan(NAMES, settings)
    assert chosen.roles == {"nucleus": 0, "cytoplasm": 4}
    image = noise()
    assert np.allclose(chosen.mix(image, 0.5)[4], 0.7 * image[3] + 0.3 * image[1])


def test_equalised_values_are_equally_frequent():
    chosen = plan(["DAPI"], {"preprocess": {"equalise": True}})
    image = noise(1) ** 4
    values = chosen.measure([image], 0.5)
    found = np.sort(chosen.adjust(chosen.mix(image, 0.5), values)[0].ravel())
    assert np.allclose(found, np.linspace(0, 1, found.size), atol=5e-3)


def test_gamma_is_a_power():
    chosen = plan(["DAPI"], {"preprocess": {"gamma": 0.5}})
    image = noise(1)
    values = chosen.measure([image], 0.5)
    assert np.allclose(chosen.adjust(chosen.mix(image, 0.5), values), np.sqrt(image))


def test_a_gaussian_filter_blurs_the_planes_that_have_a_role():
    chosen = plan(["DAPI", "other"], {"preprocess": {"gaussian_um": 1.0}})
    image = np.zeros((2, 41, 41), np.float32)
    image[:, 20, 20] = 1
    planes = chosen.mix(image, 0.5)
    assert (planes[1] == image[1]).all()
    y = np.arange(41) - 20
    assert (planes[0].sum(axis=1) * y**2).sum() == pytest.approx(4.0, rel=0.1)  # 2 pixels squared


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"merge": "median"}, r"^segment\.merge is 'median'; wanted: one of max, mean, sum$"),
        (
            {"channels": {"membrane": ["Cellbound1", "GFP"]}},
            r"^segment\.channels\.membrane is 'GFP', but the slide has the channels DAPI, ",
        ),
        (
            {"preprocess": {"composite": {"body": {"GFP": 1.0}}}},
            r"^segment\.preprocess\.composite\.body mixes 'GFP', but the slide has the channels ",
        ),
    ],
)
def test_what_is_not_there_is_named(settings, message):
    with pytest.raises(VitrailError, match=message):
        plan(NAMES, settings)
