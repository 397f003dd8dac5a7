"""Following the flow: the pixel in which each pixel of the foreground ends up."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from vitrail.errors import VitrailError
from vitrail.parallel import spans, threaded

Image = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.int32]

STILL = 1e-3  # a point that two steps move by less, in pixels along each axis, has arrived
LANES = 16  # points that walk abreast, to keep the processor's units busy
ROWS = 32  # rows that a thread takes at once
MOST_PIXELS = 1 << 30  # twice the index of a pixel is an int32

ZERO, ONE = np.float32(0), np.float32(1)


def sinks(
    flow_y: Image,
    flow_x: Image,
    probability: Image,
    least: float,
    scale: float,
    steps: int,
    threads: int | None = None,
) -> Pixels:
    """Pixel in which each pixel of the foreground ends after `steps` steps of Euler's method.

    Parameters
    ----------
    flow_y, flow_x
        float32 (y, x), `scale` times the step in pixels. Between pixels they are interpolated
        bilinearly; outside the foreground they count as 0. Points stay inside the image.
    probability, least
        float32 (y, x); the foreground is where it is above `least`.
    scale, steps, threads
        As in `vitrail.segmentation.flow.masks.masks_and_scores`.

    Returns
    -------
    int32 (y, x): y * width + x of the pixel that holds the end, -1 outside the foreground.

    Notes
    -----
    A point stops early when two steps bring it back to less than `STILL` of where it was: it rests
    or goes to and fro between two places, and an even number of steps is left. Memory: 8 bytes a
    pixel beside the result's 4.
    """
    height, width = probability.shape
    pieces = spans(height, -(-height // ROWS))
    field = np.empty(2 * height * width, np.float32)
    rate = np.float32(1 / scale)
    images = (flow_y, flow_x, probability)
    fine = threaded(lambda s: _interleave(*images, least, rate, *s, field), pieces, threads)
    if not all(fine):
        raise VitrailError(
            "flow_y and flow_x hold values in the foreground that are not finite numbers; "
            "wanted: the finite outputs of a network"
        )
    out = np.empty((height, width), np.int32)
    threaded(lambda s: _walk_rows(field, probability, least, steps, *s, out), pieces, threads)
    return out


@njit(cache=True, nogil=True)
def _interleave(flow_y, flow_x, probability, least, rate, start, stop, field):  # type: ignore[no-untyped-def]
    """Write the steps (y, x) of rows `start` to `stop`; returns whether all are finite."""
    width = probability.shape[1]
    fine = True
    for y in range(start, stop):
        for x in range(width):
            p = 2 * (y * width + x)
            field[p] = field[p + 1] = ZERO
            if probability[y, x] > least:
                field[p], field[p + 1] = flow_y[y, x] * rate, flow_x[y, x] * rate
                fine &= np.isfinite(field[p]) and np.isfinite(field[p + 1])
    return fine


@njit(cache=True, nogil=True)
def _walk_rows(field, probability, least, steps, start, stop, out):  # type: ignore[no-untyped-def]
    """Ends of the foreground's pixels in rows `start` to `stop`."""
    height, width = probability.shape
    home_y, home_x = np.zeros(LANES, np.int64), np.zeros(LANES, np.int64)
    y, x = np.zeros(LANES, np.float32), np.zeros(LANES, np.float32)
    filled = 0
    for row in range(start, stop):
        for column in range(width):
            if not probability[row, column] > least:
                out[row, column] = -1
                continue
            home_y[filled], home_x[filled] = row, column
            filled += 1
            if filled == LANES:
                _walk(field, height, width, steps, home_y, home_x, y, x)
                _arrive(home_y, home_x, filled, y, x, out)
                filled = 0
    if filled > 0:
        _walk(field, height, width, steps, home_y, home_x, y, x)
        _arrive(home_y, home_x, filled, y, x, out)


@njit(cache=True, nogil=True)
def _arrive(home_y, home_x, filled, y, x, out):  # type: ignore[no-untyped-def]
    for lane in range(filled):
        end = np.int32(y[lane]) * out.shape[1] + np.int32(x[lane])
        out[home_y[lane], home_x[lane]] = end


@njit(cache=True, nogil=True)
def _walk(field, height, width, steps, home_y, home_x, y, x):  # type: ignore[no-untyped-def]
    """Walk all lanes from their homes until each has arrived or made its steps.

    A lane that has arrived waits, so that no end depends on the other lanes.
    """
    going = np.ones(LANES, np.float32)
    before_y, before_x = np.empty(LANES, np.float32), np.empty(LANES, np.float32)
    for lane in range(LANES):
        y[lane], x[lane] = np.float32(home_y[lane]), np.float32(home_x[lane])
    if steps % 2:
        _step(field, np.int32(height), np.int32(width), going, y, x)
    for _ in range(steps // 2):
        for lane in range(LANES):
            before_y[lane], before_x[lane] = y[lane], x[lane]
        _step(field, np.int32(height), np.int32(width), going, y, x)
        _step(field, np.int32(height), np.int32(width), going, y, x)
        left = ZERO
        for lane in range(LANES):
            still = abs(y[lane] - before_y[lane]) < STILL and abs(x[lane] - before_x[lane]) < STILL
            going[lane] = ZERO if still else going[lane]
            left += going[lane]
        if left == ZERO:
            break


@njit(cache=True, nogil=True, inline="always")
def _step(field, height, width, going, y, x):  # type: ignore[no-untyped-def]
    """One step of each lane, without branches."""
    bottom, right = np.float32(height - np.int32(1)), np.float32(width - np.int32(1))
    for lane in range(LANES):
        row, column = np.int32(y[lane]), np.int32(x[lane])
        part_y, part_x = y[lane] - np.float32(row), x[lane] - np.float32(column)
        rest_y, rest_x = ONE - part_y, ONE - part_x
        aside = np.int32(2) if column < width - 1 else np.int32(0)
        below = np.int32(2) * width if row < height - 1 else np.int32(0)
        a = np.int32(2) * (row * width + column)
        b, c, d = a + aside, a + below, a + below + aside
        dy = (field[a] * rest_x + field[b] * part_x) * rest_y
        dy += (field[c] * rest_x + field[d] * part_x) * part_y
        dx = (field[a + 1] * rest_x + field[b + 1] * part_x) * rest_y
        dx += (field[c + 1] * rest_x + field[d + 1] * part_x) * part_y
        y[lane] = min(max(y[lane] + dy * going[lane], ZERO), bottom)
        x[lane] = min(max(x[lane] + dx * going[lane], ZERO), right)
