"""Images between a slide's pixels and a network's pixels, on grids that are fixed to the slide.

A network sees a slide rescaled by a factor. Its pixel j covers [j / factor, (j + 1) / factor) of
the slide, counted from the slide's own first pixel, so a rescaled pixel has one value in every
window that holds its surroundings, wherever the window starts. Windows of the rescaled grid start
and end at multiples of the network's stride: pooling then groups the same pixels in all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

Float32 = npt.NDArray[np.float32]
Span = tuple[int, int]


@dataclass(frozen=True)
class Taps:
    """Which source pixels make each target pixel of one axis.

    Attributes
    ----------
    index
        int64 (n, k), source pixels counted from the start of the source span.
    weight
        float32 (n, k), sums to 1.
    """

    index: npt.NDArray[np.int64]
    weight: Float32


@dataclass(frozen=True)
class Window:
    """A window of a slide and the window of the rescaled grid that covers it.

    Attributes
    ----------
    factor
        Rescaled pixels a slide pixel.
    rows, columns
        Half-open spans of the slide's pixels.
    rescaled_rows, rescaled_columns
        Half-open spans of the rescaled grid, from and to multiples of the stride.
    """

    factor: float
    rows: Span
    columns: Span
    rescaled_rows: Span
    rescaled_columns: Span

    @classmethod
    def covering(
        cls, origin: tuple[int, int], size: tuple[int, ...], factor: float, stride: int
    ) -> Window:
        """Smallest window of the rescaled grid that covers `size` pixels from `origin`."""
        (y, x), (height, width) = origin, size
        rows, columns = (y, y + height), (x, x + width)
        return cls(
            factor, rows, columns, _cover(rows, factor, stride), _cover(columns, factor, stride)
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width on the rescaled grid."""
        (y0, y1), (x0, x1) = self.rescaled_rows, self.rescaled_columns
        return y1 - y0, x1 - x0

    def enter(self, image: Float32) -> Float32:
        """(y, x) image of the slide's window on the rescaled grid; its border is repeated."""
        return _resample(
            image,
            taps(self.rescaled_rows, self.rows, self.factor),
            taps(self.rescaled_columns, self.columns, self.factor),
        )

    def leave(self, image: Float32) -> Float32:
        """(y, x) image of the rescaled grid on the slide's pixels."""
        return _resample(
            image,
            taps(self.rows, self.rescaled_rows, 1 / self.factor),
            taps(self.columns, self.rescaled_columns, 1 / self.factor),
        )

    def leave_labels(self, labels: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """Labels of the rescaled grid on the slide's pixels: each takes the one at its centre."""
        rows = _centres(self.rows, self.rescaled_rows, self.factor)
        columns = _centres(self.columns, self.rescaled_columns, self.factor)
        return labels[np.ix_(rows, columns)]


def _cover(span: Span, factor: float, stride: int) -> Span:
    first = int(np.floor(span[0] * factor / stride + 1e-9))
    last = int(np.ceil(span[1] * factor / stride - 1e-9))
    return first * stride, max(last, first + 1) * stride


def _centres(target: Span, source: Span, factor: float) -> npt.NDArray[np.int64]:
    centres = np.floor((np.arange(*target) + 0.5) * factor).astype(np.int64)
    return np.clip(centres, source[0], source[1] - 1) - source[0]


def taps(target: Span, source: Span, factor: float) -> Taps:
    """Linear interpolation, widened to the target's pixels where those are the larger ones.

    Parameters
    ----------
    target, source
        Spans of pixels, each counted from the slide's first pixel on its own grid.
    factor
        Target pixels a source pixel.
    """
    reach = max(1.0, 1.0 / factor)
    centre = (np.arange(*target) + 0.5) / factor - 0.5
    first = np.ceil(centre - reach + 1e-9).astype(np.int64)
    steps = np.arange(int(np.ceil(2 * reach)) + 1)
    at = first[:, None] + steps
    weight = np.maximum(0.0, 1.0 - np.abs(at - centre[:, None]) / reach)
    weight = weight / weight.sum(axis=1, keepdims=True)
    used = weight.any(axis=0)
    index = np.clip(at, source[0], source[1] - 1) - source[0]
    return Taps(index[:, used], weight[:, used].astype(np.float32))


def _resample(image: Float32, rows: Taps, columns: Taps) -> Float32:
    return _columns(_rows(image, rows.index, rows.weight), columns.index, columns.weight)


@njit(cache=True, nogil=True)
def _rows(image, index, weight):  # type: ignore[no-untyped-def]
    out = np.zeros((index.shape[0], image.shape[1]), np.float32)
    for y in range(index.shape[0]):
        for k in range(index.shape[1]):
            share = weight[y, k]
            if share > 0:
                source = image[index[y, k]]
                for x in range(image.shape[1]):
                    out[y, x] += share * source[x]
    return out


@njit(cache=True, nogil=True)
def _columns(image, index, weight):  # type: ignore[no-untyped-def]
    out = np.zeros((image.shape[0], index.shape[0]), np.float32)
    for y in range(image.shape[0]):
        for x in range(index.shape[0]):
            total = np.float32(0)
            for k in range(index.shape[1]):
                total += weight[x, k] * image[y, index[x, k]]
            out[y, x] = total
    return out
