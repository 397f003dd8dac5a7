"""Tissue with known cells: labels, and the flows and probabilities that a network would give."""

import numpy as np
from scipy import ndimage

from vitrail.segmentation.flow.targets import flow_targets


def ellipse(shape, y, x, long, short, angle):
    """Bool image of a filled ellipse."""
    rows, columns = np.indices(shape)
    along = (rows - y) * np.sin(angle) + (columns - x) * np.cos(angle)
    across = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)
    return (along / long) ** 2 + (across / short) ** 2 <= 1


def ellipses(side=240, pitch=40, seed=0):
    """Label image of ellipses apart from each other, some cut by the border."""
    random = np.random.default_rng(seed)
    labels = np.zeros((side, side), np.int32)
    for number, (i, j) in enumerate(np.ndindex(side // pitch + 1, side // pitch + 1)):
        y, x = pitch * i + random.uniform(-3, 3), pitch * j + random.uniform(-3, 3)
        long, short = random.uniform(10, 16), random.uniform(7, 10)
        labels[ellipse(labels.shape, y, x, long, short, random.uniform(0, np.pi))] = number + 1
    return labels


def outputs(labels, noise=0.0, seed=0):
    """Flow_y, flow_x and probability of the labels, with smooth noise."""
    random = np.random.default_rng(seed)
    found = np.concatenate([flow_targets(labels), np.where(labels > 0, 0.9, 0.1)[None]])
    for image, share in zip(found, (noise, noise, noise / 4), strict=True):
        spots = ndimage.gaussian_filter(random.standard_normal(labels.shape), 1.5)
        image += share * spots / spots.std()
    found[2] = np.clip(found[2], 0, 1)
    return found.astype(np.float32)
