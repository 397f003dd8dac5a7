"""Fits the size model of a trained network on its training images, at many scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vitrail.segmentation.network import FlowNetwork, SizeModel, fit_size_model, styles
from vitrail.training.augment import photograph, random_view
from vitrail.training.batch import domain_weights
from vitrail.training.example import Example
from vitrail.training.settings import Settings
from vitrail.training.warp import warp_image, warp_labels

SIZES = 3  # stream of random numbers, see `vitrail.training.trainer`
SCALE = (0.3, 6.0)  # of the network's diameter
LEAST_INSIDE = 0.01  # share of a crop that objects must cover


def fit_sizes(
    network: FlowNetwork,
    examples: Sequence[Example],
    settings: Settings,
    crops: int = 1600,
    ridge: float = 0.1,
) -> SizeModel:
    """Ridge regression from the styles of random crops to the logarithm of their objects' diameter.

    Parameters
    ----------
    network
        Trained, in evaluation mode.
    examples
        Labelled ones.
    settings
        Of the training run.
    crops
        Number of crops, at random scales; those that show hardly an object are left out.
    ridge
        See `vitrail.segmentation.network.fit_size_model`.
    """
    wide = replace(settings, scale=SCALE)
    labelled = [e for e in examples if e.labels is not None and e.labels.any()]
    chance = domain_weights(labelled, settings.balance)
    found, diameters = [], []
    for number in range(crops):
        rng = np.random.default_rng([settings.seed, SIZES, number])
        example = labelled[rng.choice(len(labelled), p=chance)]
        image, diameter, inside = _crop(rng, example, wide)
        if inside >= LEAST_INSIDE:
            found.append(styles(network, image[None])[0])
            diameters.append(diameter)
    return fit_size_model(np.array(found), np.array(diameters), ridge)


def _crop(
    rng: np.random.Generator, example: Example, settings: Settings
) -> tuple[np.ndarray, float, float]:
    """A crop, the median diameter of its image's objects at its scale, and their share of it."""
    assert example.labels is not None
    crop = settings.crop
    shape = example.labels.shape
    matrix = random_view(rng, shape, example.factor, settings.scale, crop)
    zoomed = 1 / np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    image = photograph(rng, warp_image(example.image, matrix, crop, crop))
    inside = float((warp_labels(example.labels, matrix, crop, crop) > 0).mean())
    return image, settings.diameter * zoomed / example.factor, inside
