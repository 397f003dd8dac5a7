"""What training makes small.

With self-identification (thesis "Leveraging Deep Learning in Biological Image Analysis", 2024):

    loss = (loss of the horizontal + loss of the vertical flow) / 2 + loss of the probability
           + 2 x loss of the reconstruction

The flows' losses are mean squared errors of the network's outputs, which are `FLOW_SCALE` times
the flows; the probability's is the binary cross-entropy, the reconstruction's the mean squared
error over both channels. Without self-identification the last term is missing. (Cellpose takes half
of these flow losses; otherwise its loss is the same.)
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from vitrail.segmentation.network import FLOW_SCALE

RECONSTRUCTION_WEIGHT = 2.0


class Losses(NamedTuple):
    """Mean losses of a batch, each a scalar.

    Attributes
    ----------
    flow
        Mean of the two flows' squared errors.
    probability
        Binary cross-entropy.
    """

    flow: Tensor
    probability: Tensor


def segmentation_losses(output: Tensor, flow: Tensor, inside: Tensor) -> Losses:
    """Losses of the network's output.

    Parameters
    ----------
    output
        (n, 3, y, x).
    flow
        (n, 2, y, x), unit vectors.
    inside
        (n, y, x), 0 or 1.
    """
    output = output.float()
    # The mean over both components is half the sum of their means.
    moved = mse_loss(output[:, :2], FLOW_SCALE * flow)
    return Losses(moved, binary_cross_entropy_with_logits(output[:, 2], inside))


def reconstruction_loss(output: Tensor, image: Tensor) -> Tensor:
    """Mean squared error of a reconstructed image."""
    return mse_loss(output.float(), image)
