"""Arrays in, flows out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from vitrail.errors import VitrailError
from vitrail.segmentation.network.unet import CHANNELS, FlowNetwork

FLOW_SCALE = 5.0  # the network's flows are this many times a unit vector, as Cellpose's

Float32 = npt.NDArray[np.float32]


class Prediction(NamedTuple):
    """What the network says about a batch of images.

    Attributes
    ----------
    flow_y, flow_x
        float32 (n, y, x): about a unit vector towards the object's centre.
    logit
        float32 (n, y, x): logit of the probability of an object.
    style
        float32 (n, c): the style that was used.
    """

    flow_y: Float32
    flow_x: Float32
    logit: Float32
    style: Float32


def build(
    width: int = 32, depth: int = 4, diameter: float = 30.0, seed: int | None = None
) -> FlowNetwork:
    """Untrained network; with a `seed` its first weights are reproducible.

    The global random state of torch is left as it was.
    """
    if width < 1 or depth < 1:
        raise VitrailError(f"width is {width} and depth {depth}; wanted: at least 1 of each")
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        return FlowNetwork(width, depth, diameter)


def predict(network: FlowNetwork, image: Float32, style: Float32 | None = None) -> Prediction:
    """Flows, logit and style of a batch of images.

    Parameters
    ----------
    network
        In evaluation mode; runs where its weights are.
    image
        float32 (n, 2, y, x) at the network's scale (objects of about `diam_mean` pixels), 0 and 1
        being the 1st and 99th percentile of a channel; the second channel is zero where there is
        none. Height and width are multiples of `network.stride`.
    style
        float32 (c,) or (n, c), used in place of the images' own.
    """
    _check(network, image)
    device = network.diam_mean.device
    with torch.inference_mode():
        given = None if style is None else torch.from_numpy(np.asarray(style, np.float32))
        output, used = network(
            _to_device(image, device), None if given is None else given.to(device)
        )
        output, used = output.float().cpu().numpy(), used.float().cpu().numpy()
    return Prediction(output[:, 0] / FLOW_SCALE, output[:, 1] / FLOW_SCALE, output[:, 2], used)


def styles(network: FlowNetwork, image: Float32) -> Float32:
    """Style (n, c) of each image (n, 2, y, x), see `predict`."""
    _check(network, image)
    device = network.diam_mean.device
    with torch.inference_mode():
        return network.style(_to_device(image, device)).float().cpu().numpy()


def _check(network: FlowNetwork, image: Float32) -> None:
    stride = network.stride
    fits = image.ndim == 4 and image.shape[1] == CHANNELS
    if not fits or image.shape[2] % stride or image.shape[3] % stride or 0 in image.shape:
        raise VitrailError(
            f"the network got an array of shape {image.shape}; wanted: (images, {CHANNELS}, "
            f"height, width) with height and width multiples of {stride}"
        )


def _to_device(image: Float32, device: torch.device) -> torch.Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(image, np.float32)).to(device)
    return tensor.contiguous(memory_format=torch.channels_last)
