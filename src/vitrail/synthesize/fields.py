"""Smooth random fields over a slide of any size, evaluated anywhere without a grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]

WAVES = 32
LATTICE = 32


@dataclass(frozen=True)
class Field:
    """A sum of plane waves of random direction and phase: about normal, mean 0, variance 1.

    Attributes
    ----------
    kx, ky
        (k,) wave vectors, radians per micrometre.
    phase
        (k,) radians.
    """

    kx: Float
    ky: Float
    phase: Float

    def __call__(self, x: npt.ArrayLike, y: npt.ArrayLike) -> Float:
        """Value at positions in micrometres, of any one shape."""
        x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        value = np.zeros(np.broadcast_shapes(x.shape, y.shape))
        for kx, ky, phase in zip(self.kx, self.ky, self.phase, strict=True):
            value += np.cos(kx * x + ky * y + phase)
        return value * np.sqrt(2 / self.kx.size)

    def slope(self, x: Float, y: Float) -> Float:
        """Length of the gradient, per micrometre."""
        down, across = np.zeros(x.shape), np.zeros(x.shape)
        for kx, ky, phase in zip(self.kx, self.ky, self.phase, strict=True):
            wave = -np.sin(kx * x + ky * y + phase)
            across += kx * wave
            down += ky * wave
        return np.hypot(across, down) * np.sqrt(2 / self.kx.size)

    def over_pixels(self, box: tuple[int, int, int, int], pixel_size: float) -> npt.NDArray:
        """Value at the pixels of a box (y0, x0, y1, x1): (h, w) float32.

        Evaluated on a lattice of `LATTICE` pixels that is fixed to the slide and interpolated
        linearly between, so that a pixel's value does not depend on the box.
        """
        y0, x0, y1, x1 = box
        rows = np.arange(y0 // LATTICE, y1 // LATTICE + 2)
        columns = np.arange(x0 // LATTICE, x1 // LATTICE + 2)
        step = LATTICE * pixel_size
        nodes = self(columns[None, :] * step, rows[:, None] * step).astype(np.float32)
        i, fy = _between(y0, y1)
        j, fx = _between(x0, x1)
        nodes = nodes[:, j] + fx * (nodes[:, j + 1] - nodes[:, j])
        return nodes[i] + fy[:, None] * (nodes[i + 1] - nodes[i])


def _between(start: int, stop: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Lattice node before each pixel, counted from the first one, and the way to the next."""
    pixel = np.arange(start, stop)
    return pixel // LATTICE - start // LATTICE, ((pixel % LATTICE) / LATTICE).astype(np.float32)


def random_field(rng: np.random.Generator, size: float) -> Field:
    """Field whose bumps are about `size` micrometres wide (half a wavelength)."""
    direction = rng.uniform(0, 2 * np.pi, WAVES)
    number = np.pi / size * rng.uniform(0.5, 1.3, WAVES)
    phase = rng.uniform(0, 2 * np.pi, WAVES)
    return Field(number * np.cos(direction), number * np.sin(direction), phase)
