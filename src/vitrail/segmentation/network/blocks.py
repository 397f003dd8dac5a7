"""Building blocks of the residual U-Net: batch norm and activation come before each convolution.

Modules are named and nested so that the state dict has the keys of Cellpose 2 and 3 (Stringer et
al. 2021, Nature Methods 18:100): `conv.conv_0.0` is a batch norm, `conv.conv_0.2` a convolution.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


def normalised(inputs: int, outputs: int, size: int) -> nn.Sequential:
    """Batch norm, ReLU, convolution with an odd kernel of edge `size`."""
    return nn.Sequential(_norm(inputs), nn.ReLU(inplace=True), _convolution(inputs, outputs, size))


def projection(inputs: int, outputs: int) -> nn.Sequential:
    """Batch norm and pointwise convolution, on the short way around a block."""
    return nn.Sequential(_norm(inputs), _convolution(inputs, outputs, 1))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-5, momentum=0.05)


def _convolution(inputs: int, outputs: int, size: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, padding=size // 2)


def _numbered(name: str, modules: list[nn.Module]) -> nn.Sequential:
    chain = nn.Sequential()
    for number, module in enumerate(modules):
        chain.add_module(f"{name}_{number}", module)
    return chain


class ResidualDown(nn.Module):
    """Two residual pairs of convolutions: (n, inputs, y, x) to (n, outputs, y, x)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        later = [normalised(outputs, outputs, 3) for _ in range(3)]
        self.conv = _numbered("conv", [normalised(inputs, outputs, 3), *later])
        self.proj = projection(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve at one resolution."""
        x = self.proj(x) + self.conv[1](self.conv[0](x))
        return x + self.conv[3](self.conv[2](x))


class Encoder(nn.Module):
    """One block a level, halved in between: a list of features, full resolution first."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        self.down = _numbered("res_down", [ResidualDown(a, b) for a, b in pairwise(widths)])
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features of each level."""
        found = [self.down[0](x)]
        for block in list(self.down)[1:]:
            found.append(block(self.pool(found[-1])))
        return found


class StyledConvolution(nn.Module):
    """Adds the skip, if any, and a linear function of the style, then convolves."""

    def __init__(self, inputs: int, outputs: int, style: int) -> None:
        super().__init__()
        self.conv = normalised(inputs, outputs, 3)
        self.full = nn.Linear(style, outputs)

    def forward(self, x: Tensor, style: Tensor, skip: Tensor | None = None) -> Tensor:
        """Convolve (n, inputs, y, x) under the style (n, style)."""
        if skip is not None:
            x = x + skip
        return self.conv(x + self.full(style)[:, :, None, None])


class ResidualUp(nn.Module):
    """Two residual pairs of convolutions under a style, the skip added in the first."""

    def __init__(self, inputs: int, outputs: int, style: int) -> None:
        super().__init__()
        styled = [StyledConvolution(outputs, outputs, style) for _ in range(3)]
        self.conv = _numbered("conv", [normalised(inputs, outputs, 3), *styled])
        self.proj = projection(inputs, outputs)

    def forward(self, x: Tensor, style: Tensor, skip: Tensor | None) -> Tensor:
        """Convolve at one resolution."""
        x = self.proj(x) + self.conv[1](self.conv[0](x), style, skip)
        return x + self.conv[3](self.conv[2](x, style), style)


class Decoder(nn.Module):
    """One block a level, deepest first, doubled in between."""

    def __init__(self, widths: list[int], style: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = [
            ResidualUp(deep, shallow, style) for shallow, deep in pairwise(widths)
        ]
        self.up = _numbered("res_up", blocks)
        self.enlarge = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, deepest: Tensor, style: Tensor, skips: list[Tensor | None]) -> Tensor:
        """Features at full resolution; `skips` has one entry a level, full resolution first."""
        x = deepest
        for level in reversed(range(len(self.up))):
            x = self.up[level](x, style, skips[level])
            if level:
                x = self.enlarge(x)
        return x


def style_of(deepest: Tensor) -> Tensor:
    """Style vector (n, c) of unit length: the mean over all positions of (n, c, y, x)."""
    mean = deepest.float().mean(dim=(2, 3))
    return mean / torch.linalg.vector_norm(mean, dim=1, keepdim=True)
