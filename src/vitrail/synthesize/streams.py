"""Random numbers that depend on what they are for, never on the order in which they are drawn.

Each stream is a Philox counter-based generator (Salmon et al. 2011, SC'11) with a key of its own,
made from the seed, the slide, the purpose and, where there is one, the block.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a stream is for; a value once given is never given again."""

    PATIENT = 1
    FIELD = 2
    DARTS = 3
    TYPES = 4
    SHAPES = 5
    GHOSTS = 6
    PANEL = 7
    COUNTS = 8
    TRANSCRIPTS = 9
    TEXTURE = 10
    NOISE = 11


def stream(seed: int, slide: int, purpose: Purpose, *key: int) -> np.random.Generator:
    """Generator of one slide's (or patient's) numbers for one purpose and block."""
    sequence = np.random.SeedSequence([seed, slide, int(purpose), *key])
    return np.random.Generator(np.random.Philox(sequence))
