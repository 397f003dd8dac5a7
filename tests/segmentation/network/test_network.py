import numpy as np
import pytest
import torch

from vitrail.errors import VitrailError
from vitrail.segmentation.network import (
    Reconstructor,
    build,
    fit_size_model,
    predict,
    styles,
)


@pytest.fixture(scope="module")
def network():
    return build(4, 3, seed=1).eval()


def image(seed=1, shape=(2, 2, 32, 48)):
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def test_shapes_and_a_style_of_unit_length(network):
    found = predict(network, image())
    assert found.flow_y.shape == found.flow_x.shape == found.logit.shape == (2, 32, 48)
    assert found.style.shape == (2, 16)
    np.testing.assert_allclose(np.linalg.norm(found.style, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(found.style, styles(network, image()))


def test_a_given_style_takes_the_place_of_the_images_own(network):
    own = predict(network, image())
    other = predict(network, image(), own.style[0])
    again = predict(network, image(), own.style)
    np.testing.assert_allclose(other.flow_y[0], own.flow_y[0], atol=1e-6)
    assert np.abs(other.flow_y[1] - own.flow_y[1]).max() > 1e-5
    np.testing.assert_allclose(again.logit, own.logit, atol=1e-6)
    np.testing.assert_array_equal(other.style, np.repeat(own.style[:1], 2, axis=0))


def test_with_a_fixed_style_a_shift_by_the_stride_shifts_the_output(network):
    style = styles(network, image())[0]
    wide = image(2, (1, 2, 96, 96))
    whole = predict(network, wide, style).logit
    part = predict(network, np.ascontiguousarray(wide[..., 8:, 12:]), style).logit
    middle = np.s_[:, 40:60, 40:60]
    shifted = whole[:, 8:, 12:]
    np.testing.assert_allclose(part[middle], shifted[middle], atol=1e-5)


def test_seeds_repeat_and_leave_the_global_state_alone():
    before = torch.random.get_rng_state()
    first, again, other = build(2, 2, seed=3), build(2, 2, seed=3), build(2, 2, seed=4)
    assert torch.equal(before, torch.random.get_rng_state())
    key = "output.2.weight"
    assert torch.equal(first.state_dict()[key], again.state_dict()[key])
    assert not torch.equal(first.state_dict()[key], other.state_dict()[key])


@pytest.mark.parametrize("shape", [(1, 2, 30, 32), (2, 32, 32), (1, 1, 32, 32), (0, 2, 32, 32)])
def test_what_does_not_fit_the_network_is_an_error(network, shape):
    with pytest.raises(VitrailError, match="height and width multiples of 4"):
        predict(network, np.zeros(shape, np.float32))


def test_a_network_needs_width_and_depth():
    with pytest.raises(VitrailError, match="width is 0 and depth 4"):
        build(0, 4)


def test_the_reconstruction_has_the_inputs_shape_and_sees_the_deepest_features_alone():
    network, extra = build(4, 3, seed=1).eval(), Reconstructor(4, 3).eval()
    with torch.no_grad():
        deepest = network.downsample(torch.from_numpy(image()))[-1]
        assert extra(deepest).shape == (2, 2, 32, 48)


def test_ridge_regression_recovers_a_linear_truth():
    rng = np.random.default_rng(0)
    x, weights = rng.standard_normal((400, 6)), np.array([0.4, -0.3, 0, 0.1, 0.2, 0])
    diameters = np.exp(x @ weights + 3)
    model = fit_size_model(x, diameters, ridge=1e-6)
    np.testing.assert_allclose(model.diameter(x), diameters, rtol=1e-5)


def test_ridge_regression_is_the_closed_form_and_shrinks():
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((30, 4)), rng.standard_normal(30)
    model = fit_size_model(x, np.exp(y), ridge=2.0)
    a, b = x - x.mean(axis=0), y - y.mean()
    # The least squares of the data with sqrt(r) I below it.
    wanted = np.linalg.lstsq(
        np.vstack([a, np.sqrt(2.0) * np.eye(4)]), np.concatenate([b, np.zeros(4)]), rcond=None
    )[0]
    np.testing.assert_allclose(model.weights, wanted, atol=1e-12)
    flat = fit_size_model(x, np.exp(y), ridge=1e12)
    np.testing.assert_allclose(flat.diameter(x), np.exp(y.mean()), rtol=1e-6)


def test_estimates_stay_within_what_was_seen():
    x = np.linspace(-1, 1, 11)[:, None]
    model = fit_size_model(x, 20 * np.exp(x[:, 0]), ridge=1e-9)
    np.testing.assert_allclose(model.diameter([[9.0], [-9.0]]), 20 * np.exp([1, -1]))
