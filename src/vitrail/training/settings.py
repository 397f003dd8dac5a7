"""What a training run is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from vitrail.errors import VitrailError

PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Settings:
    """Parameters of a training run; two runs with equal parameters and images are equal.

    Attributes
    ----------
    kind
        `nuclei` or `cells`: what the labels show.
    seed
        Any integer from 0.
    width, depth
        Channels at full resolution and levels, see `vitrail.segmentation.network.FlowNetwork`.
    diameter
        Pixels to which the median object of each image is rescaled.
    steps
        Steps of the segmentation's training.
    warmup, decay
        The learning rate rises over the first `warmup` steps and falls to 0 over the last `decay`;
        in between it is constant, so that a run can be prolonged from a checkpoint made there and
        is the same as if it had been as long from the start.
    batch, crop
        Crops a step and their edge in pixels.
    learning_rate, weight_decay
        Of AdamW (Loshchilov & Hutter 2019).
    balance
        A domain with n images is drawn in proportion to n to this power: 0 draws all domains
        alike, 1 all images.
    scale
        Smallest and largest random factor of the object size.
    self_identification
        Whether an extra decoder reconstructs the input, first alone, then beside the segmentation.
    pretraining
        Steps of the reconstruction alone.
    precision
        Of the forward pass: `float32` or `bfloat16` (weights and their updates are float32).
    checkpoint
        Steps between checkpoints.
    """

    kind: str = "nuclei"
    seed: int = 1
    width: int = 16
    depth: int = 4
    diameter: float = 20.0
    steps: int = 2000
    warmup: int = 50
    decay: int = 500
    batch: int = 8
    crop: int = 224
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    balance: float = 0.5
    scale: tuple[float, float] = (0.6, 1.7)
    self_identification: bool = False
    pretraining: int = 500
    precision: str = "bfloat16"
    checkpoint: int = 100

    def __post_init__(self) -> None:
        for key in ("width", "depth", "steps", "batch", "crop", "checkpoint"):
            _expect(getattr(self, key) >= 1, key, getattr(self, key), "at least 1")
        for key in ("seed", "warmup", "decay", "pretraining"):
            _expect(getattr(self, key) >= 0, key, getattr(self, key), "at least 0")
        for key in ("diameter", "learning_rate"):
            _expect(getattr(self, key) > 0, key, getattr(self, key), "above 0")
        stride = 2 ** (self.depth - 1)
        _expect(self.crop % stride == 0, "crop", self.crop, f"a multiple of {stride}")
        _expect(self.kind in ("nuclei", "cells"), "kind", self.kind, "nuclei or cells")
        wanted = " or ".join(PRECISIONS)
        _expect(self.precision in PRECISIONS, "precision", self.precision, wanted)
        low, high = self.scale
        _expect(
            0 < low <= high, "scale", list(self.scale), "two factors above 0, the smaller first"
        )
        fits = self.warmup + self.decay <= self.steps
        _expect(fits, "decay", self.decay, f"at most steps - warmup = {self.steps - self.warmup}")

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Settings:
        """Settings from a configuration's mapping; keys that are not there keep their defaults."""
        known = {field.name for field in fields(cls)}
        for key in given:
            if key not in known:
                raise VitrailError(f"train.{key} is unknown; known are {', '.join(sorted(known))}")
        plain = dict(given)
        if "scale" in plain:
            plain["scale"] = tuple(plain["scale"])
        return cls(**plain)


def run_options(section: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Section `train` of the configuration in two parts: how and where a run is done, and the rest.

    The first part are arguments of `vitrail.training.stage.train_from_rows`, the second settings.
    """
    given = {key: value for key, value in section.items() if key not in ("table", "threads")}
    options: dict[str, Any] = {}
    for key in ("name", "start", "device", "about"):
        if key in given:
            options[key] = given.pop(key)
    return options, given


def _expect(condition: bool, key: str, found: Any, wanted: str) -> None:
    if not condition:
        raise VitrailError(f"train.{key} is {found!r}; wanted: {wanted}")
