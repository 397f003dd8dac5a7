"""Batches that follow from the seed and the step alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vitrail.segmentation.flow.targets import flow_targets
from vitrail.training.augment import photograph, random_view
from vitrail.training.example import Example
from vitrail.training.settings import Settings
from vitrail.training.warp import warp_image, warp_labels

Float32 = npt.NDArray[np.float32]


class Batch(NamedTuple):
    """Crops and what a network should say about them.

    Attributes
    ----------
    image
        float32 (n, 2, y, x).
    flow
        float32 (n, 2, y, x): unit vectors (y, x), 0 in the background.
    inside
        float32 (n, y, x): 1 in objects, else 0.
    """

    image: Float32
    flow: Float32
    inside: Float32


def domain_weights(examples: Sequence[Example], balance: float) -> npt.NDArray[np.float64]:
    """Chance of each example: a domain's is as its number of images to the power `balance`."""
    _, number, count = np.unique(
        [example.domain for example in examples], return_inverse=True, return_counts=True
    )
    weight = count[number].astype(np.float64) ** (balance - 1)
    return weight / weight.sum()


def draw_batch(
    examples: Sequence[Example], settings: Settings, purpose: int, step: int, targets: bool = True
) -> Batch:
    """Random crops of random examples.

    Parameters
    ----------
    examples
        Labelled ones, unless `targets` is false.
    settings
        Seed, batch, crop, balance and scale.
    purpose
        Number of the stream of random numbers: what is drawn for training, for validation and for
        other ends differs.
    step
        Number of the batch.
    targets
        Whether flows are wanted; else they and `inside` are 0.
    """
    rng = np.random.default_rng([settings.seed, purpose, step])
    chance = domain_weights(examples, settings.balance)
    chosen = rng.choice(len(examples), settings.batch, p=chance)
    crop = settings.crop
    image = np.empty((settings.batch, 2, crop, crop), np.float32)
    flow = np.zeros((settings.batch, 2, crop, crop), np.float32)
    inside = np.zeros((settings.batch, crop, crop), np.float32)
    for place, index in enumerate(chosen):
        example = examples[index]
        shape = example.image.shape[1:]
        matrix = random_view(rng, shape, example.factor, settings.scale, crop)
        image[place] = photograph(rng, warp_image(example.image, matrix, crop, crop))
        if targets and example.labels is not None:
            labels = warp_labels(example.labels, matrix, crop, crop)
            flow[place], inside[place] = flow_targets(labels), labels > 0
    return Batch(image, flow, inside)
