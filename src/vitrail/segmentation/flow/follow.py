"""Following the flow: the pixel in which each pixel of the foreground ends up."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from vitrail.errors import VitrailError
from vitrail.parallel import spans, threaded

Image = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.int32]

STILL = np.float32(1e-3)  # a point that two steps move by less, in pixels on each axis, has arrived
SWING = np.float32(0.05)  # so has one that swings ever less, by less than this, within its pixel
LANES = 16  # points that walk abreast, to keep the processor's units busy
ROUND = 4  # steps between two looks at whether points have arrived: an even number
ROWS = 32  # rows that a thread takes at once
MOST_PIXELS = 1 << 30  # twice the index of a pixel is an int32

ZERO, HALF, ONE = np.float32(0), np.float32(0.5), np.float32(1)


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
    Points stop early, with an even number of steps left, where two steps bring them back to within
    `STILL` of where they were: they rest, or go to and fro between two places. Many swing about
    their cell's centre, since a step is as long as the centre is wide; those stop where each swing
    is a little shorter than the last and the middle lies in the pixel that they are in. Memory: 8
    bytes a pixel beside the result's 4.
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
    """Ends of the foreground's pixels in rows `start` to `stop`.

    All lanes step together; one whose point has arrived takes the next pixel, and no point depends
    on the others.
    """
    height, width = np.int32(probability.shape[0]), np.int32(probability.shape[1])
    home_y, home_x = _foreground(probability, least, start, stop, out)
    home = np.full(LANES, -1, np.int64)  # the pixel of each lane's point; -1 where it has none
    rounds = np.zeros(LANES, np.int32)
    y, x = np.zeros(LANES, np.float32), np.zeros(LANES, np.float32)
    before_y, before_x = np.zeros(LANES, np.float32), np.zeros(LANES, np.float32)
    between_y, between_x = np.zeros(LANES, np.float32), np.zeros(LANES, np.float32)
    done = np.ones(LANES, np.bool_)
    following = arrived = 0
    while arrived < home_y.size:
        for lane in range(LANES):
            if not done[lane]:
                continue
            k = home[lane]
            if k >= 0:
                out[home_y[k], home_x[k]] = np.int32(y[lane]) * width + np.int32(x[lane])
                arrived += 1
                home[lane] = -1
            if following < home_y.size:
                home[lane], rounds[lane] = following, steps // ROUND
                y[lane], x[lane] = home_y[following], home_x[following]
                following += 1
                for _ in range(steps % ROUND):
                    _step(field, height, width, y[lane : lane + 1], x[lane : lane + 1])
        if steps >= ROUND:
            for _ in range(ROUND - 2):
                _step(field, height, width, y, x)
            before_y[:], before_x[:] = y, x
            _step(field, height, width, y, x)
            between_y[:], between_x[:] = y, x
            _step(field, height, width, y, x)
        for lane in range(LANES):
            rounds[lane] -= 1
            done[lane] = (rounds[lane] <= 0) | (
                _arrived(before_y[lane], between_y[lane], y[lane])
                & _arrived(before_x[lane], between_x[lane], x[lane])
            )


@njit(cache=True, nogil=True)
def _foreground(probability, least, start, stop, out):  # type: ignore[no-untyped-def]
    """Rows and columns of the foreground from row `start` to `stop`; the others become -1."""
    width = probability.shape[1]
    home_y, home_x = np.empty((2, (stop - start) * width), np.int32)
    count = 0
    for y in range(start, stop):
        for x in range(width):
            out[y, x] = -1
            home_y[count], home_x[count] = y, x
            count += probability[y, x] > least
    return home_y[:count], home_x[:count]


@njit(cache=True, nogil=True, inline="always")
def _arrived(before, between, now):  # type: ignore[no-untyped-def]
    """Whether a coordinate has come to rest, or swings towards a middle in the same pixel."""
    moved, swing = now - before, now - between
    same = np.int32(now) == np.int32(now - HALF * swing)
    return (abs(moved) < STILL) | ((abs(moved) < SWING) & (moved * swing < ZERO) & same)


@njit(cache=True, nogil=True, inline="always")
def _step(field, height, width, y, x):  # type: ignore[no-untyped-def]
    """One step of each point, without branches."""
    bottom, right = np.float32(height - np.int32(1)), np.float32(width - np.int32(1))
    for lane in range(y.size):
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
        y[lane] = min(max(y[lane] + dy, ZERO), bottom)
        x[lane] = min(max(x[lane] + dx, ZERO), right)
