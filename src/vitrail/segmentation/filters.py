"""Filters whose value at a pixel depends on a bounded neighbourhood, to the last bit.

Sums run in an order that is fixed relative to the pixel, or in integers, so that a pixel has the
same value in every window that holds its neighbourhood. (Running sums in floating point, as in
`scipy.ndimage.uniform_filter`, do not.) Beyond the border the border's pixel is repeated.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Float32 = npt.NDArray[np.float32]

TRUNCATE = 3.0  # a Gaussian's radius in standard deviations


def gaussian_radius(sigma: float) -> int:
    """Pixels to each side that `gaussian` reads."""
    return int(np.ceil(TRUNCATE * sigma)) if sigma > 0 else 0


def gaussian(image: Float32, sigma: float) -> Float32:
    """Gaussian filter of a (y, x) image, `sigma` in pixels; 0 leaves the image as it is."""
    radius = gaussian_radius(sigma)
    if radius == 0:
        return image
    steps = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (steps / sigma) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    return _convolve_columns(_convolve_rows(image, kernel), kernel)


@njit(cache=True)
def _convolve_rows(image, kernel):  # type: ignore[no-untyped-def]
    height, width = image.shape
    radius = kernel.size // 2
    out = np.empty((height, width), np.float32)
    line = np.empty(width + 2 * radius, np.float32)
    for y in range(height):
        line[:radius] = image[y, 0]
        line[radius : radius + width] = image[y]
        line[radius + width :] = image[y, width - 1]
        row = np.zeros(width, np.float32)
        for k in range(kernel.size):
            weight = kernel[k]
            for x in range(width):
                row[x] += weight * line[x + k]
        out[y] = row
    return out


@njit(cache=True)
def _convolve_columns(image, kernel):  # type: ignore[no-untyped-def]
    height, width = image.shape
    radius = kernel.size // 2
    out = np.zeros((height, width), np.float32)
    for y in range(height):
        for k in range(kernel.size):
            weight = kernel[k]
            source = min(max(y + k - radius, 0), height - 1)
            for x in range(width):
                out[y, x] += weight * image[source, x]
    return out


def opening(image: Float32, radius: int) -> Float32:
    """Smallest value, then largest value, in squares of 2 `radius` + 1 pixels: the background."""
    if radius == 0:
        return image
    # Each pass writes its result turned by 90 degrees: rows, then columns, for each extreme.
    low = _extreme_rows(_extreme_rows(image, radius, False), radius, False)
    return _extreme_rows(_extreme_rows(low, radius, True), radius, True)


@njit(cache=True)
def _extreme_rows(image, radius, largest):  # type: ignore[no-untyped-def]
    """Extreme of each row within `radius`, transposed; block-wise extremes (van Herk 1992)."""
    height, width = image.shape
    size = 2 * radius + 1
    padded = -(-(width + 2 * radius) // size) * size
    sign = np.float32(1.0 if largest else -1.0)
    out = np.empty((width, height), np.float32)
    line, left = np.empty(padded, np.float32), np.empty(padded, np.float32)
    right = np.empty(padded, np.float32)
    for y in range(height):
        line[:radius] = sign * image[y, 0]
        for x in range(width):
            line[radius + x] = sign * image[y, x]
        line[radius + width :] = sign * image[y, width - 1]
        for x in range(padded):
            left[x] = line[x] if x % size == 0 else max(left[x - 1], line[x])
        for x in range(padded - 1, -1, -1):
            right[x] = line[x] if x % size == size - 1 else max(right[x + 1], line[x])
        for x in range(width):
            out[x, y] = sign * max(right[x], left[x + size - 1])
    return out


@njit(cache=True)
def box_sums(values, radius):  # type: ignore[no-untyped-def]
    """Sums of an int64 (y, x) image in squares of 2 `radius` + 1 pixels, cut at the border."""
    height, width = values.shape
    rows = np.empty((height, width), np.int64)
    for y in range(height):
        total = np.int64(0)
        for x in range(min(radius, width)):
            total += values[y, x]
        for x in range(width):
            if x + radius < width:
                total += values[y, x + radius]
            if x - radius - 1 >= 0:
                total -= values[y, x - radius - 1]
            rows[y, x] = total
    out = np.empty((height, width), np.int64)
    total_row = np.zeros(width, np.int64)
    for y in range(min(radius, height)):
        total_row += rows[y]
    for y in range(height):
        if y + radius < height:
            total_row += rows[y + radius]
        if y - radius - 1 >= 0:
            total_row -= rows[y - radius - 1]
        out[y] = total_row
    return out


def local_level(image: Float32, radius: int) -> Float32:
    """Brightness of what is bright near each pixel: sum of squares over sum, in a square.

    Where bright objects lie on a dark ground this is the objects' brightness whatever their share
    of the area, unlike a local mean. Values are taken to 1 / 1024, negative ones as 0.
    """
    quantised = np.clip(np.round(image * np.float32(1024)), 0, 1 << 20).astype(np.int64)
    squares = box_sums(quantised * quantised, radius)
    sums = box_sums(quantised, radius)
    return (squares / np.maximum(sums, 1) / 1024).astype(np.float32)


@njit(cache=True)
def nearest_label(labels, radius):  # type: ignore[no-untyped-def]
    """Label of the nearest labelled pixel within `radius` pixels, exact; 0 where there is none.

    Equally near labels: the smaller one.

    Returns
    -------
    int32 (y, x), and the squared distance in pixels, int32 (y, x), where there is a label.
    """
    height, width = labels.shape
    far = np.int32(1 << 29)
    limit = np.int64(np.floor(radius))
    up = np.full((height, width), far, np.int32)  # signed rows to the nearest label in the column
    column_label = np.zeros((height, width), np.int32)
    for x_ in range(width):
        up[0, x_] = 0 if labels[0, x_] > 0 else far
        column_label[0, x_] = labels[0, x_]
    for y in range(1, height):
        for x in range(width):
            if labels[y, x] > 0:
                up[y, x], column_label[y, x] = 0, labels[y, x]
            elif up[y - 1, x] < limit:
                up[y, x], column_label[y, x] = up[y - 1, x] + 1, column_label[y - 1, x]
    down, down_label = np.full(width, far, np.int32), np.zeros(width, np.int32)
    for y in range(height - 1, -1, -1):
        for x in range(width):
            if labels[y, x] > 0:
                down[x], down_label[x] = 0, labels[y, x]
            elif down[x] < limit:
                down[x] += 1
            else:
                down[x], down_label[x] = far, 0
            if down[x] < up[y, x] or (down[x] == up[y, x] and down_label[x] < column_label[y, x]):
                up[y, x], column_label[y, x] = down[x], down_label[x]
    out = np.zeros((height, width), np.int32)
    square = np.zeros((height, width), np.int32)
    bound = np.float64(radius) * radius
    for y in range(height):
        for x in range(width):
            if labels[y, x] > 0:
                out[y, x] = labels[y, x]
                continue
            best, best_label = far, np.int32(0)
            for step in range(limit + 1):
                if step * step > best:
                    break
                for side in (-1, 1):
                    at = x + side * step
                    if 0 <= at < width and up[y, at] < far:
                        distance = np.int32(step * step + up[y, at] * up[y, at])
                        label = column_label[y, at]
                        if distance < best or (distance == best and label < best_label):
                            best, best_label = distance, label
            if best_label > 0 and best <= bound:
                out[y, x], square[y, x] = best_label, best
    return out, square


@njit(cache=True)
def squared_depth(foreground, radius):  # type: ignore[no-untyped-def]
    """Squared distance of each foreground pixel to the background, at most `radius` squared.

    Beyond the border lies foreground: a cell at a slide's border is not thinner for it.
    """
    height, width = foreground.shape
    limit = np.int64(radius)
    rows = np.full((height, width), limit, np.int32)
    for y in range(height):
        for x in range(width):
            if not foreground[y, x]:
                rows[y, x] = 0
            elif y > 0:
                rows[y, x] = min(rows[y - 1, x] + 1, limit)
    for y in range(height - 2, -1, -1):
        for x in range(width):
            rows[y, x] = min(rows[y, x], rows[y + 1, x] + 1)
    out = np.zeros((height, width), np.int32)
    for y in range(height):
        for x in range(width):
            best = np.int32(limit * limit)
            if foreground[y, x]:
                for step in range(limit):
                    if step * step >= best:
                        break
                    if x - step >= 0:
                        best = min(best, step * step + rows[y, x - step] * rows[y, x - step])
                    if x + step < width:
                        best = min(best, step * step + rows[y, x + step] * rows[y, x + step])
                out[y, x] = best
    return out
