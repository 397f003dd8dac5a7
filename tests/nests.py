"""Tissues with one round tumour, and immune cells where a test wants them."""

import numpy as np

SIDE = 1200.0
CENTRE = np.array([600.0, 600.0])
RADIUS = 300.0
SPACING = 12.0


def depth(xy):
    """Distance to the tumour's edge, negative inside."""
    return np.linalg.norm(xy - CENTRE, axis=1) - RADIUS


def nest(immune, seed=0):
    """Positions and types: a lattice of tumour and stroma with immune cells thrown on it.

    `immune` maps (from, to) of the distance to the edge to cells a square millimetre.
    """
    random = np.random.default_rng(seed)
    axis = np.arange(SPACING / 2, SIDE, SPACING)
    xy = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    xy = xy + random.uniform(-3, 3, xy.shape)
    types = np.where(depth(xy) < 0, "tumour", "stroma").astype(object)
    thrown = random.uniform(0, SIDE, (round(20_000 * SIDE**2 * 1e-6), 2))
    away, keep = depth(thrown), random.random(len(thrown))
    rate = np.zeros(len(thrown))
    for (low, high), density in immune.items():
        rate[(away >= low) & (away < high)] = density / 20_000
    chosen = thrown[keep < rate]
    return np.vstack([xy, chosen]), np.concatenate([types, np.full(len(chosen), "CD8")])
