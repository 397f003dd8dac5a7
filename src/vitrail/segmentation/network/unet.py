"""Residual U-Net that predicts flows and cell probability (Stringer et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vitrail.segmentation.network.blocks import Decoder, Encoder, normalised, style_of

CHANNELS = 2  # what is segmented; nuclei, or zeros where there is no such channel
OUTPUTS = 3  # vertical flow, horizontal flow, logit of the cell probability
DIAMETER = 30.0


class FlowNetwork(nn.Module):
    """Residual U-Net with summed skips and a style vector.

    Its state dict has the keys and shapes of Cellpose 2 and 3.

    Parameters
    ----------
    width
        Channels at full resolution, doubled a level. Cellpose: 32.
    depth
        Levels of resolution. Cellpose: 4.
    diameter
        Pixels to which the mean object is rescaled before the network sees it.

    Attributes
    ----------
    stride
        Height and width of an input are multiples of this many pixels.
    """

    def __init__(self, width: int = 32, depth: int = 4, diameter: float = DIAMETER) -> None:
        super().__init__()
        self.width, self.depth, self.stride = width, depth, 2 ** (depth - 1)
        levels = [width * 2**level for level in range(depth)]
        self.downsample = Encoder([CHANNELS, *levels])
        self.upsample = Decoder([*levels, levels[-1]], levels[-1])
        self.output = normalised(width, OUTPUTS, 1)
        self.diam_mean = nn.Parameter(torch.full((1,), diameter), requires_grad=False)
        self.diam_labels = nn.Parameter(torch.full((1,), diameter), requires_grad=False)

    def forward(self, image: Tensor, style: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Flows and logit of images, and their style.

        Parameters
        ----------
        image
            float (n, 2, y, x); 0 and 1 are the 1st and the 99th percentile of a channel.
        style
            float (n, c) or (c,): used in place of the images' own, so that windows of one slide
            agree where they overlap.

        Returns
        -------
        Output (n, 3, y, x): vertical and horizontal flow, `vitrail.segmentation.network.FLOW_SCALE`
        times a unit vector, and logit; style (n, c), the one given where one was.
        """
        skips = self.downsample(image)
        used = style_of(skips[-1]) if style is None else style.expand(len(image), -1)
        return self.decode(skips, used), used

    def decode(self, skips: list[Tensor], style: Tensor) -> Tensor:
        """Output (n, 3, y, x) from the encoder's features and styles (n, c)."""
        return self.output(self.upsample(skips[-1], style, skips))

    def style(self, image: Tensor) -> Tensor:
        """Style (n, c) of images (n, 2, y, x), without the cost of the way up."""
        return style_of(self.downsample(image)[-1])


class Reconstructor(nn.Module):
    """Extra decoder that gives the input back from the deepest features, without skips.

    Used in training alone. It mirrors the decoder of the flows, under a style of zeros: all that
    it knows has to pass the bottleneck.
    """

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        levels = [width * 2**level for level in range(depth)]
        self.depth, self.style_width = depth, levels[-1]
        self.upsample = Decoder([*levels, levels[-1]], levels[-1])
        self.output = normalised(width, CHANNELS, 1)

    def forward(self, deepest: Tensor) -> Tensor:
        """Images (n, 2, y, x) from features (n, c, y / stride, x / stride)."""
        style = deepest.new_zeros(len(deepest), self.style_width)
        return self.output(self.upsample(deepest, style, [None] * self.depth))
