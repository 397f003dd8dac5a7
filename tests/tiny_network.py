"""A small flow network, trained in seconds on discs, for tests of what is around a network."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from tissue import discs

from vitrail.segmentation.flow.targets import flow_targets
from vitrail.segmentation.network import FLOW_SCALE, build, fit_size_model, save_weights, styles
from vitrail.segmentation.rescale import Window

DIAMETER = 12.0
EDGE, STEPS, BATCH = 72, 240, 4
WIDE = 128  # of the scenes that the size model sees


def scene(rng, edge=EDGE):
    """Noisy discs of about `DIAMETER` pixels, with or without a nucleus plane: planes, labels."""
    pitch = int(1.3 * DIAMETER)
    grid = [(y, x) for y in range(0, edge + pitch, pitch) for x in range(0, edge + pitch, pitch)]
    centres = [np.array(c) + rng.uniform(-3, 3, 2) for c in grid if rng.random() < 0.9]
    labels = discs((edge, edge), centres, DIAMETER / 2)
    inner = discs((edge, edge), centres, DIAMETER / 3.2) * (rng.random() < 0.5)
    planes = np.stack([labels > 0, inner > 0]) * rng.uniform(0.7, 1.1)
    return (planes + rng.normal(0, 0.1, planes.shape)).astype(np.float32), labels


@cache
def trained():
    """Network and its size model; the same numbers in every process."""
    rng = np.random.default_rng(0)
    scenes = [scene(rng) for _ in range(16)]
    network = build(8, 3, DIAMETER, seed=0)
    optimiser = torch.optim.AdamW(network.parameters(), 4e-3)
    images = torch.from_numpy(np.stack([planes for planes, _ in scenes]))
    flows = torch.from_numpy(np.stack([flow_targets(labels) for _, labels in scenes]))
    inside = torch.from_numpy(np.stack([labels > 0 for _, labels in scenes])).float()
    network.train()
    for _ in range(STEPS):
        some = torch.from_numpy(rng.integers(0, len(scenes), BATCH))
        output, _ = network(images[some])
        loss = ((output[:, :2] - FLOW_SCALE * flows[some]) ** 2).mean() / 2
        loss = loss + torch.nn.functional.binary_cross_entropy_with_logits(
            output[:, 2], inside[some]
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    network.eval()
    return network, _size_model(network, rng)


def _size_model(network, rng):
    found, diameters = [], []
    for _ in range(12):
        planes, _ = scene(rng, WIDE)
        for factor in (0.5, 0.65, 0.8, 1.0, 1.25, 1.6, 2.0):
            window = Window.covering((0, 0), (WIDE, WIDE), factor, network.stride)
            rescaled = np.stack([window.enter(plane) for plane in planes])
            found.append(styles(network, rescaled[None])[0])
            diameters.append(DIAMETER * factor)
    return fit_size_model(np.array(found), np.array(diameters))


def write_weights(folder):
    """Paths of weights for nuclei and cells: one network that finds discs."""
    network, size = trained()
    paths = {kind: folder / f"{kind}.pt" for kind in ("nuclei", "cells")}
    for kind, path in paths.items():
        save_weights(path, network, kind, size)
    return {kind: str(path) for kind, path in paths.items()}
