"""The frame of a slide: what slide.json says about its pixels."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Frame:
    """Pixels of a slide.

    Attributes
    ----------
    pixel_size
        Micrometres a pixel.
    origin
        (x, y) in micrometres of the outer corner of pixel (0, 0).
    shape
        (height, width) in pixels.
    """

    pixel_size: float
    origin: tuple[float, float]
    shape: tuple[int, int]


def read_frame(path: str | Path) -> Frame:
    """Read the frame from a slide.json."""
    info = json.loads(Path(path).read_text(encoding="utf-8"))
    x, y = info["origin_um"]
    height, width = info["shape"]
    return Frame(float(info["pixel_size_um"]), (float(x), float(y)), (int(height), int(width)))
