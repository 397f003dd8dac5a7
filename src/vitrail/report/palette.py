"""Colours that people with any colour vision can tell apart, the same on every slide.

The first eight are those of Okabe & Ito (2008, https://jfly.uni-koeln.de/color/) without black, and
a dark blue; the others are from Paul Tol's muted scheme (2021, https://personal.sron.nl/~pault/).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from vitrail.errors import VitrailError

UNKNOWN = "#c9ccd1"
CATEGORIES = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#d55e00",
    "#56b4e9",
    "#f0e442",
    "#332288",
    "#999933",
    "#882255",
    "#44aa99",
    "#aa4499",
    "#ddcc77",
    "#117733",
    "#88ccee",
    "#6b4c2a",
)
# From light to dark with lightness alone carrying the order (ColorBrewer's Blues, and YlOrBr).
DISTANCE = ("#f7fbff", "#d2e3f3", "#9ac8e1", "#529dcc", "#1c6bb0", "#08306b")
EXPRESSION = ("#e4e6ea", "#fee391", "#fe9929", "#cc4c02", "#662506")
HEX = re.compile(r"#[0-9a-fA-F]{6}")


def type_colours(
    counts: Mapping[str, int], chosen: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Colour of each cell type, most frequent types first.

    Parameters
    ----------
    counts
        Cells of each type in the cohort.
    chosen
        Colours (#rrggbb) that the user gives to some types.

    Notes
    -----
    With more types than colours the rarest share one, in a darker and then a lighter shade.
    """
    chosen = chosen or {}
    for name, colour in chosen.items():
        if not HEX.fullmatch(colour):
            raise VitrailError(
                f"report.colours: the colour of '{name}' is {colour!r}, wanted #rrggbb."
            )
    free = [colour for colour in CATEGORIES if colour not in chosen.values()]
    colours = {}
    for name in sorted(counts, key=lambda name: (-counts[name], name)):
        if name in chosen:
            colours[name] = chosen[name]
            continue
        turn, place = divmod(len(colours) - sum(n in chosen for n in colours), len(free))
        colours[name] = _shade(free[place], turn)
    return colours


def _shade(colour: str, turn: int) -> str:
    if turn == 0:
        return colour
    towards, share = (0, 0.35) if turn % 2 else (255, 0.5)
    values = [round(value + (towards - value) * share) for value in rgb(colour).tolist()]
    return "#" + "".join(f"{value:02x}" for value in values)


def rgb(colour: str) -> npt.NDArray[np.uint8]:
    """Red, green and blue of ``#rrggbb``."""
    return np.frombuffer(bytes.fromhex(colour[1:]), dtype=np.uint8)


def ramp(anchors: Sequence[str], steps: int = 256) -> npt.NDArray[np.uint8]:
    """Colours between anchors, array (steps, 3)."""
    points = np.array([rgb(colour) for colour in anchors], dtype=np.float64)
    at = np.linspace(0, len(anchors) - 1, steps)
    channels = [np.interp(at, np.arange(len(anchors)), points[:, c]) for c in range(3)]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8)


def shade(value: float, low: float, high: float, anchors: Sequence[str] = DISTANCE) -> str:
    """Colour of one value on a ramp, as ``#rrggbb``; values beyond the ends take the end's."""
    share = 0.0 if high <= low else (value - low) / (high - low)
    colour = ramp(anchors)[round(255 * min(1.0, max(0.0, share)))]
    return "#" + "".join(f"{part:02x}" for part in colour)
