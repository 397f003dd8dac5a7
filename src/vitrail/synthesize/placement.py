"""Cell centres by random sequential adsorption with a spacing that varies over the tissue."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numba import njit

Float = npt.NDArray[np.float64]

DARTS = 1 << 14
MAX_DARTS_PER_CELL = 400
# Centres keep this far from the slide's border (um), so that each cell shows some of its nucleus.
RIM = 2.0


def throw_darts(
    rng: np.random.Generator,
    count: int,
    extent: tuple[float, float],
    spacing: tuple[float, float],
    closeness: Callable[[Float, Float], Float],
    chance: Callable[[Float], Float],
) -> tuple[Float, Float]:
    """Exactly `count` centres, none nearer to another than the local spacing.

    Darts are thrown one after the other (random sequential adsorption); one sticks with the local
    `chance`, if no centre lies nearer than the mean of both places' spacings.

    Parameters
    ----------
    rng
        The slide's stream of darts.
    count
        Number of centres wanted.
    extent
        Width and height in micrometres.
    spacing
        Smallest distance in the densest and in the sparsest tissue, micrometres.
    closeness
        Maps positions to 1 (densest) .. 0 (sparsest).
    chance
        Maps closeness to the chance that a dart sticks.

    Returns
    -------
    x, y of the centres that were found; fewer than `count` where no more fit.
    """
    size = max(spacing)
    columns, rows = (int(e / size) + 1 for e in extent)
    head = np.full((rows, columns), -1, dtype=np.int32)
    following = np.full(count, -1, dtype=np.int32)
    x, y, space = (np.empty(count) for _ in range(3))
    found = 0
    for _ in range(count * MAX_DARTS_PER_CELL // DARTS + 1):
        dart_x, dart_y, luck = rng.random((3, DARTS))
        dart_x, dart_y = (
            RIM + d * (e - 2 * RIM) for d, e in zip((dart_x, dart_y), extent, strict=True)
        )
        close = closeness(dart_x, dart_y)
        lucky = luck < chance(close)
        reach = spacing[1] + (spacing[0] - spacing[1]) * close
        darts = (dart_x[lucky], dart_y[lucky], reach[lucky])
        found = _stick(*darts, x, y, space, found, head, following, size)
        if found == count:
            break
    return x[:found], y[:found]


@njit(cache=True)
def _stick(dart_x, dart_y, reach, x, y, space, found, head, following, size):  # type: ignore[no-untyped-def]
    """Add each dart that keeps its distance; gives back the number of centres."""
    rows, columns = head.shape
    for dart in range(dart_x.size):
        if found == x.size:
            break
        row, column = int(dart_y[dart] / size), int(dart_x[dart] / size)
        free = True
        for i in range(max(row - 1, 0), min(row + 2, rows)):
            for j in range(max(column - 1, 0), min(column + 2, columns)):
                k = head[i, j]
                while k >= 0 and free:
                    dx, dy = x[k] - dart_x[dart], y[k] - dart_y[dart]
                    least = 0.5 * (space[k] + reach[dart])
                    free = dx * dx + dy * dy >= least * least
                    k = following[k]
        if free:
            x[found], y[found], space[found] = dart_x[dart], dart_y[dart], reach[dart]
            following[found], head[row, column] = head[row, column], found
            found += 1
    return found
