"""A flow network over the windows of a slide: fixed scale, fixed style, bounded memory.

A window is cut into blocks of equal shape with a margin around them, whose number of pixels follows
from the network's width, so that memory does not grow with the window. Style and scale are those of
the slide (`Estimate`), so that a cell does not depend on what else its window holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from vitrail.errors import VitrailError
from vitrail.segmentation.network import load_weights, predict, styles
from vitrail.segmentation.rescale import Window

Float32 = npt.NDArray[np.float32]
View = tuple[bool, bool, bool]  # turned upside down, left to right, and with its axes swapped

MARGIN = 10  # strides around a block: beyond, outputs change by a ten-thousandth at most
# Bytes of one tensor at full resolution, which bounds a block. On a CPU it stays below the 32 MB at
# which the allocator would fetch, and clear, fresh pages for every tensor; but no block is so small
# that most of it is margin.
BLOCK_BYTES = {"cpu": 31_000_000, "cuda": 1_000_000_000}
LEAST_EDGE = 640
AUGMENTATIONS: dict[str, tuple[View, ...]] = {
    "none": ((False, False, False),),
    "flips": tuple((y, x, False) for y in (False, True) for x in (False, True)),
    "dihedral": tuple(
        (y, x, t) for t in (False, True) for y in (False, True) for x in (False, True)
    ),
}
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
ROUNDS = 3  # of estimating the diameter, each at the scale of the one before
PLAUSIBLE = 1.75  # a size model can be far off on tissue that it was not trained on
SETTLED = 0.05  # relative change of the diameter at which it is taken


@dataclass(frozen=True)
class Estimate:
    """What one network is told about a slide.

    Attributes
    ----------
    diameter
        Typical diameter of its objects in slide pixels.
    style
        float32 (c,).
    """

    diameter: float
    style: Float32

    def as_json(self) -> dict[str, Any]:
        """Plain numbers, see `from_json`."""
        return {"diameter_px": self.diameter, "style": [float(value) for value in self.style]}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Estimate:
        """What `as_json` gave."""
        return cls(float(plain["diameter_px"]), np.array(plain["style"], np.float32))


class Flows(NamedTuple):
    """float32 (y, x) each, on the slide's pixels: unit vectors to the centre, and the logit."""

    y: Float32
    x: Float32
    logit: Float32


class Predictor:
    """A network and how it is run.

    Parameters
    ----------
    path
        Weight file.
    device
        `cpu`, `cuda`, or `auto`: the GPU where there is one.
    precision
        `float32`, `bfloat16`, `float16`, or `auto`: bfloat16 on a GPU and on a CPU that computes
        in it (some 2.5 times as fast), float32 on other CPUs.
    batch
        Blocks that run together.
    augmentation
        Views that are averaged: `none`, `flips` (4) or `dihedral` (8: flips and rotations).
    """

    def __init__(
        self,
        path: Path,
        device: str = "auto",
        precision: str = "auto",
        batch: int = 1,
        augmentation: str = "none",
    ) -> None:
        self.network, self.facts = load_weights(path)
        self.path = path
        self.stride: int = self.network.stride
        self.diameter: float = self.facts.diam_mean
        self._device = _device(device)
        self._dtype = _precision(precision, self._device)
        self._batch, self._views = batch, AUGMENTATIONS[augmentation]
        self.network.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def estimate(
        self,
        images: Sequence[Float32],
        origins: Sequence[tuple[int, int]],
        diameter: float | None,
        prior: float | None,
    ) -> Estimate:
        """Diameter and style for a slide.

        Parameters
        ----------
        images, origins
            Sampled windows, float32 (2, y, x) on the slide's pixels, and their first pixels.
        diameter
            In slide pixels, where it is known; None: from the size model.
        prior
            Diameter to begin the estimate with, and from which it stays within a factor of
            `PLAUSIBLE`; None: the network's own, and any estimate is taken.

        Notes
        -----
        The size model knows diameters in the network's pixels, so it is asked again at the scale
        that it gave, until that does not change by more than 5 %, three times at most.
        """
        if diameter is not None:
            return Estimate(diameter, self._style(images, origins, diameter)[0])
        if self.facts.size is None:
            raise VitrailError(
                f"{self.path} holds no size model; wanted: a diameter "
                "(segment.flows.nucleus_diameter_um, cell_diameter_um), or a file of "
                "`snakemake train`"
            )
        current = self.diameter if prior is None else prior
        for _ in range(ROUNDS):
            style, each = self._style(images, origins, current)
            logs = np.log(self.facts.size.diameter(each))
            ratio = float(np.exp(np.median(logs))) / self.diameter
            current *= ratio
            if prior is not None:
                current = float(np.clip(current, prior / PLAUSIBLE, prior * PLAUSIBLE))
            if abs(np.log(ratio)) <= SETTLED:
                return Estimate(current, style)
        return Estimate(current, self._style(images, origins, current)[0])

    def _style(
        self, images: Sequence[Float32], origins: Sequence[tuple[int, int]], diameter: float
    ) -> tuple[Float32, Float32]:
        """Mean style of unit length (c,), and the style of each image (n, c)."""
        found = []
        for image, origin in zip(images, origins, strict=True):
            _, rescaled = self._rescaled(image, origin, diameter)
            with self._numbers():
                found.append(styles(self.network, rescaled[None])[0])
        each = np.stack(found)
        mean = each.mean(axis=0)
        return (mean / np.linalg.norm(mean)).astype(np.float32), each

    def flows(self, image: Float32, origin: tuple[int, int], estimate: Estimate) -> Flows:
        """Flows of a window.

        Parameters
        ----------
        image
            float32 (2, y, x): what is segmented, and nuclei or zeros.
        origin
            The window's first pixel on the slide.
        estimate
            The slide's.
        """
        window, rescaled = self._rescaled(image, origin, estimate.diameter)
        output = np.empty((3, *rescaled.shape[1:]), np.float32)
        blocks = list(_blocks(rescaled.shape[1:], self._block_pixels(), self.stride))
        for first in range(0, len(blocks), self._batch):
            some = blocks[first : first + self._batch]
            batch = np.stack([rescaled[:, block.rows, block.columns] for block in some])
            for block, values in zip(some, self._averaged(batch, estimate), strict=True):
                kept = values[:, block.inner_rows, block.inner_columns]
                output[:, block.kept_rows, block.kept_columns] = kept
        return Flows(*(window.leave(plane) for plane in output))

    def _rescaled(
        self, image: Float32, origin: tuple[int, int], diameter: float
    ) -> tuple[Window, Float32]:
        factor = self.diameter / diameter
        window = Window.covering(origin, image.shape[1:], factor, self.stride)
        return window, np.stack([window.enter(plane) for plane in image])

    def _block_pixels(self) -> int:
        largest = BLOCK_BYTES[self._device.type] // (self.facts.width * self._dtype.itemsize)
        return max(largest, LEAST_EDGE**2)

    def _averaged(self, batch: Float32, estimate: Estimate) -> Float32:
        """Flow y, flow x and logit (n, 3, y, x), the mean over all views."""
        total = np.zeros((len(batch), 3, *batch.shape[2:]), np.float32)
        for view in self._views:
            with self._numbers():
                found = predict(self.network, turn(batch, view), estimate.style)
            total += turn_back(np.stack([found.flow_y, found.flow_x, found.logit], axis=1), view)
        total /= np.float32(len(self._views))
        return total

    def _numbers(self) -> torch.autocast:
        enabled = self._dtype != torch.float32
        return torch.autocast(
            self._device.type, dtype=self._dtype if enabled else None, enabled=enabled
        )


def turn(image: Float32, view: View) -> Float32:
    """An image (..., y, x) in another view."""
    flip_y, flip_x, swap = view
    turned = image[..., :: -1 if flip_y else 1, :: -1 if flip_x else 1]
    return np.ascontiguousarray(turned.swapaxes(-1, -2) if swap else turned)


def turn_back(output: Float32, view: View) -> Float32:
    """Flow y, flow x and logit (n, 3, y, x) of a view as the image itself would have them."""
    flip_y, flip_x, swap = view
    if swap:
        output = output.swapaxes(-1, -2)[:, [1, 0, 2]]
    output = output[..., :: -1 if flip_y else 1, :: -1 if flip_x else 1]
    sign = np.array([-1 if flip_y else 1, -1 if flip_x else 1, 1], np.float32)
    return output * sign[:, None, None]


@dataclass(frozen=True)
class Block:
    """One block: what the network sees, and which part of its output is kept, where."""

    rows: slice
    columns: slice
    kept_rows: slice
    kept_columns: slice
    inner_rows: slice
    inner_columns: slice


def _blocks(shape: tuple[int, ...], pixels: int, stride: int) -> Iterator[Block]:
    """Blocks of one shape that cover a window, each with at most about `pixels` pixels."""
    margin = MARGIN * stride
    edge = max(int(pixels**0.5) - 2 * margin, 2 * margin)
    # A window narrower than a block leaves the other axis more.
    width_edge = max(min(shape[1], edge), 1)
    height_edge = max(pixels // (width_edge + 2 * margin) - 2 * margin, edge)
    for rows, kept_rows, inner_rows in _spans(shape[0], height_edge, stride):
        for columns, kept_columns, inner_columns in _spans(shape[1], edge, stride):
            yield Block(rows, columns, kept_rows, kept_columns, inner_rows, inner_columns)


def _spans(length: int, edge: int, stride: int) -> Iterator[tuple[slice, slice, slice]]:
    """Equal spans of an axis with margins: seen, kept, and the kept part of the seen."""
    count = -(-length // edge)
    core = -(-length // (count * stride)) * stride
    size = length if count == 1 else min(core + 2 * MARGIN * stride, length)
    for start in range(0, length, core):
        stop = min(start + core, length)
        first = min(max(start - (size - core) // (2 * stride) * stride, 0), length - size)
        yield slice(first, first + size), slice(start, stop), slice(start - first, stop - first)


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise VitrailError(
            "segment.flows.device is 'cuda', but torch finds no GPU; wanted: auto or cpu, or a "
            "CUDA build of torch (docs/segmentation.md)"
        )
    return device


def _precision(name: str, device: torch.device) -> torch.dtype:
    if name == "auto":
        native = device.type != "cpu" or torch.cpu._is_avx512_bf16_supported()
        name = "bfloat16" if native else "float32"
    return PRECISIONS[name]
