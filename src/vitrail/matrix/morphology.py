"""Shape of cells from their pixels."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numba
import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

DIAGONAL = sqrt(2.0)
CORNER = (1.0 + sqrt(2.0)) / 2.0
NOWHERE = -(2**62)


@dataclass(frozen=True)
class Morphology:
    """Shapes of n cells; not a number where a cell has no pixel.

    Attributes
    ----------
    area
        int64 array of shape (n,): pixels.
    nucleus_area
        int64 array of shape (n,): pixels in nuclei of the cell.
    perimeter
        float64 array of shape (n,), in pixels: length of the line through the centres of border
        pixels, steps weighted 1, sqrt(2) and their mean (Benkrid & Crookes 2000, the method of
        scikit-image's ``perimeter`` with four neighbours).
    eccentricity
        float64 array of shape (n,), in [0, 1]: of the ellipse with the same second moments.
    solidity
        float64 array of shape (n,), in (0, 1]: area over the area of the convex hull of the
        pixels as squares, which is the hull of the cell's outline.
    circularity
        float64 array of shape (n,), in (0, 1]: 4 pi area / length squared, 1 for a disc. The
        length is that of Crofton's formula in four directions (Legland, Arganda-Carreras &
        Andrey 2016, MorphoLibJ; scikit-image's ``perimeter_crofton``): unlike `perimeter` it
        gives discs of all sizes the same value, up to their pixels; what these add beyond 1 is
        cut.
    """

    area: Int
    nucleus_area: Int
    perimeter: Float
    eccentricity: Float
    solidity: Float
    circularity: Float

    @property
    def nucleus_share(self) -> Float:
        """Nucleus-to-cell area ratio in [0, 1]; not a number where a cell has no pixel."""
        share = self.nucleus_area / np.maximum(self.area, 1)
        return np.where(self.area > 0, share, np.nan)

    @classmethod
    def empty(cls, n: int) -> Morphology:
        """Shapes to be filled in window by window."""
        return cls(
            np.zeros(n, np.int64),
            np.zeros(n, np.int64),
            *(np.full(n, np.nan) for _ in range(4)),
        )


def measure_shapes(
    cells: npt.NDArray[np.int32],
    nuclei: npt.NDArray[np.int32],
    owner: npt.NDArray[np.int32],
    members: Int,
    boxes: Int,
    into: Morphology,
) -> None:
    """Measure the cells of a window.

    Parameters
    ----------
    cells, nuclei
        Labels of the window (y, x).
    owner
        Cell of each nucleus, indexed by nucleus label.
    members
        Labels to be measured.
    boxes
        int64 array of shape (len(members), 4): their boxes, relative to the window.
    into
        Where the numbers go.
    """
    _measure(
        cells,
        nuclei,
        owner,
        members,
        boxes,
        into.area,
        into.nucleus_area,
        into.perimeter,
        into.eccentricity,
        into.solidity,
        into.circularity,
    )


@numba.njit(cache=True, nogil=True)
def _measure(  # type: ignore[no-untyped-def]
    cells,
    nuclei,
    owner,
    members,
    boxes,
    area,
    nucleus_area,
    perimeter,
    eccentricity,
    solidity,
    circularity,
):
    for k in range(members.size):
        label = members[k]
        y0, x0, y1, x1 = boxes[k]
        mask = np.zeros((y1 - y0 + 2, x1 - x0 + 2), np.uint8)
        in_nuclei = 0
        for i in range(y0, y1):
            for j in range(x0, x1):
                if cells[i, j] == label:
                    mask[i - y0 + 1, j - x0 + 1] = 1
                    nucleus = nuclei[i, j]
                    in_nuclei += nucleus > 0 and owner[nucleus] == label
        n, ratio = _moments(mask)
        area[label - 1] = n
        nucleus_area[label - 1] = in_nuclei
        eccentricity[label - 1] = ratio
        perimeter[label - 1] = _perimeter(mask)
        solidity[label - 1] = 2.0 * n / _twice_hull_area(mask)
        circularity[label - 1] = min(1.0, 4.0 * np.pi * n / _crofton(mask) ** 2)


@numba.njit(cache=True, nogil=True)
def _moments(mask):  # type: ignore[no-untyped-def]
    """Number of pixels and eccentricity, from exact integer sums."""
    n = sy = sx = syy = sxx = sxy = 0
    for i in range(mask.shape[0]):
        for j in range(mask.shape[1]):
            if mask[i, j]:
                n += 1
                sy += i
                sx += j
                syy += i * i
                sxx += j * j
                sxy += i * j
    m = float(n)
    a = syy / m - (sy / m) ** 2
    b = sxx / m - (sx / m) ** 2
    c = sxy / m - (sy / m) * (sx / m)
    spread = np.sqrt((a - b) ** 2 + 4.0 * c * c)
    major = (a + b + spread) / 2.0
    if major <= 0.0:
        return n, 0.0
    return n, np.sqrt(min(1.0, spread / major))


@numba.njit(cache=True, nogil=True)
def _perimeter(mask):  # type: ignore[no-untyped-def]
    """Perimeter of a mask with an empty margin."""
    border = np.zeros_like(mask)
    for i in range(1, mask.shape[0] - 1):
        for j in range(1, mask.shape[1] - 1):
            inner = mask[i - 1, j] and mask[i + 1, j] and mask[i, j - 1] and mask[i, j + 1]
            border[i, j] = mask[i, j] and not inner
    straight = diagonal = corner = 0
    for i in range(1, mask.shape[0] - 1):
        for j in range(1, mask.shape[1] - 1):
            if not border[i, j]:
                continue
            sides = border[i - 1, j] + border[i + 1, j] + border[i, j - 1] + border[i, j + 1]
            corners = (
                border[i - 1, j - 1]
                + border[i - 1, j + 1]
                + border[i + 1, j - 1]
                + border[i + 1, j + 1]
            )
            code = 1 + 2 * sides + 10 * corners
            if code in (5, 7, 15, 17, 25, 27):
                straight += 1
            elif code in (21, 33):
                diagonal += 1
            elif code in (13, 23):
                corner += 1
    return straight + DIAGONAL * diagonal + CORNER * corner


@numba.njit(cache=True, nogil=True)
def _crofton(mask):  # type: ignore[no-untyped-def]
    """Length of the border of a mask with an empty margin, by how often lines cross it.

    Half the sum over four directions, an eighth of a turn apart, of crossings times the lines'
    distance.
    """
    straight = diagonal = 0
    for i in range(mask.shape[0] - 1):
        for j in range(mask.shape[1] - 1):
            here = mask[i, j]
            straight += (here != mask[i, j + 1]) + (here != mask[i + 1, j])
            diagonal += (here != mask[i + 1, j + 1]) + (mask[i, j + 1] != mask[i + 1, j])
    return np.pi / 8.0 * (straight + diagonal / DIAGONAL)


@numba.njit(cache=True, nogil=True)
def _twice_hull_area(mask):  # type: ignore[no-untyped-def]
    """Twice the area of the convex hull of a mask's pixels as squares, an integer.

    On each line between rows lies a leftmost and a rightmost corner of a pixel: the hull's two
    sides are the upper hulls of how far these reach to the left and to the right.
    """
    lines = mask.shape[0] + 1
    leftward = np.full(lines, NOWHERE, np.int64)
    rightward = np.full(lines, NOWHERE, np.int64)
    for i in range(mask.shape[0]):
        for j in range(mask.shape[1]):
            if mask[i, j]:
                for line in (i, i + 1):
                    leftward[line] = max(leftward[line], -j)
                    rightward[line] = max(rightward[line], j + 1)
    return _twice_area_under_hull(leftward) + _twice_area_under_hull(rightward)


@numba.njit(cache=True, nogil=True)
def _twice_area_under_hull(height):  # type: ignore[no-untyped-def]
    """Twice the area between the axis and the upper hull of the points (line, height[line])."""
    chain = np.empty((height.size, 2), np.int64)
    n = 0
    for line in range(height.size):
        if height[line] == NOWHERE:
            continue
        while n >= 2 and (
            (chain[n - 1, 0] - chain[n - 2, 0]) * (height[line] - chain[n - 2, 1])
            >= (line - chain[n - 2, 0]) * (chain[n - 1, 1] - chain[n - 2, 1])
        ):
            n -= 1
        chain[n, 0], chain[n, 1] = line, height[line]
        n += 1
    area = 0
    for k in range(1, n):
        area += (chain[k, 0] - chain[k - 1, 0]) * (chain[k, 1] + chain[k - 1, 1])
    return area
