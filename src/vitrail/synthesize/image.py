"""What the camera sees of a slide, window by window."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from vitrail.synthesize.cohort import Slide
from vitrail.synthesize.fields import Field, random_field
from vitrail.synthesize.masks import BlockIndex, Plan, plan, rasterise
from vitrail.synthesize.spec import Spec
from vitrail.synthesize.streams import Purpose, stream
from vitrail.synthesize.tissue import Cells

Box = tuple[int, int, int, int]
Float32 = npt.NDArray[np.float32]

# Edge in pixels of the blocks whose noise is drawn together.
NOISE_BLOCK = 256
TRUNCATE = 3.5
# Sizes in micrometres of haze, illumination and out-of-focus patches.
HAZE_SIZE, SHADING_SIZE, FOCUS_SIZE = 90.0, 500.0, 130.0
GHOST_RADIUS = (2.5, 4.5)


class Window(NamedTuple):
    """One rendered window of a slide.

    Attributes
    ----------
    image
        (2, h, w) uint16.
    labels, nuclei
        (h, w) int32.
    """

    image: npt.NDArray[np.uint16]
    labels: npt.NDArray[np.int32]
    nuclei: npt.NDArray[np.int32]


@dataclass(frozen=True)
class Renderer:
    """Renders any window of a slide; a pixel is the same in whatever window."""

    spec: Spec
    slide: Slide
    cells: Cells

    @cached_property
    def plan(self) -> Plan:
        """What the pixels of cells depend on."""
        cells = self.cells
        return plan(cells.outline, cells.nucleus, self.spec.pixel_size, self.spec.shape)

    @cached_property
    def index(self) -> BlockIndex:
        """Finds the cells near a window."""
        return BlockIndex(self.cells.outline, NOISE_BLOCK * self.spec.pixel_size)

    @cached_property
    def _fields(self) -> dict[str, Field]:
        rng = stream(self.spec.seed, self.slide.number, Purpose.FIELD, 1)
        sizes = {"haze0": HAZE_SIZE, "haze1": HAZE_SIZE, "shading": SHADING_SIZE}
        return {
            name: random_field(rng, size) for name, size in (sizes | {"focus": FOCUS_SIZE}).items()
        }

    @cached_property
    def _ghosts(self) -> tuple[npt.NDArray, ...]:
        """Out-of-plane nuclei, sorted by y: x, y, size (um) and grey value."""
        spec, height, width = self.spec.image, *(e * self.spec.pixel_size for e in self.spec.shape)
        rng = stream(self.spec.seed, self.slide.number, Purpose.GHOSTS)
        n = rng.poisson(spec.ghosts * 1e-6 * height * width)
        x, y, size, level = rng.random((4, n))
        order = np.argsort(y, kind="stable")
        size = GHOST_RADIUS[0] + (GHOST_RADIUS[1] - GHOST_RADIUS[0]) * size
        level = spec.nucleus * spec.ghost_level * (0.3 + 0.7 * level)
        return tuple(v[order] for v in (x * width, y * height, size, level))

    def labels(self, box: Box) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Labels of cells and nuclei in a window (y0, x0, y1, x1)."""
        return self._draw(box)[:2]

    def window(self, box: Box) -> Window:
        """Render the pixels of a window (y0, x0, y1, x1)."""
        margin = _radius(max(self.spec.image.blur, self.spec.image.defocus), self.spec.pixel_size)
        height, width = self.spec.shape
        outer = (
            max(box[0] - margin, 0),
            max(box[1] - margin, 0),
            min(box[2] + margin, height),
            min(box[3] + margin, width),
        )
        labels, nuclei, nuclear, body = self._draw(outer)
        inner = np.s_[box[0] - outer[0] : box[2] - outer[0], box[1] - outer[1] : box[3] - outer[1]]
        focus = self._out_of_focus(box)
        shading = 1 + self.spec.image.shading * np.tanh(self._field("shading", box))
        image = np.empty((2, box[2] - box[0], box[3] - box[1]), dtype=np.uint16)
        for channel, light in enumerate((nuclear, body)):
            light *= self._texture(channel, outer)
            seen = self._blurred(light, inner, focus)
            seen += self.spec.image.haze[channel] * _sigmoid(self._field(f"haze{channel}", box))
            if channel == 0:
                self._add_ghosts(seen, box)
            seen *= shading
            image[channel] = self._photographed(seen, channel, box)
        return Window(image, labels[inner], nuclei[inner])

    def _draw(self, box: Box) -> tuple[npt.NDArray, npt.NDArray, Float32, Float32]:
        shape = (box[2] - box[0], box[3] - box[1])
        labels, nuclei = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
        nuclear, body = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        s = self.spec.pixel_size
        near = self.index.near(box[1] * s, box[0] * s, box[3] * s, box[2] * s)
        levels = (self.cells.dapi, self.cells.body)
        rasterise(self.plan, near, box, *levels, labels, nuclei, nuclear, body)
        return labels, nuclei, nuclear, body

    def _field(self, name: str, box: Box) -> Float32:
        return self._fields[name].over_pixels(box, self.spec.pixel_size)

    def _out_of_focus(self, box: Box) -> Float32:
        """Weight of the defocused image: 1 in the patches, 0 outside, a soft rim between."""
        from statistics import NormalDist

        share = self.spec.image.out_of_focus
        if share == 0:
            return np.zeros((box[2] - box[0], box[3] - box[1]), np.float32)
        level = np.float32(NormalDist().inv_cdf(1 - share))
        return np.clip((self._field("focus", box) - level) * 3 + 0.5, 0, 1)

    def _texture(self, channel: int, box: Box) -> Float32:
        # White noise of the same power per area at any pixel size; the blur correlates it.
        strength = self.spec.image.texture[channel] * 0.5 / self.spec.pixel_size
        noise = self._noise(Purpose.TEXTURE, channel, box)
        return np.maximum(1 + np.float32(strength) * noise, 0)

    def _noise(self, purpose: Purpose, channel: int, box: Box) -> Float32:
        """Standard normal numbers of a window, drawn in blocks fixed to the slide."""
        y0, x0, y1, x1 = box
        out = np.empty((y1 - y0, x1 - x0), dtype=np.float32)
        seed, number, edge = self.spec.seed, self.slide.number, NOISE_BLOCK
        for row in range(y0 // edge, (y1 - 1) // edge + 1):
            for column in range(x0 // edge, (x1 - 1) // edge + 1):
                top, left = max(row * edge, y0), max(column * edge, x0)
                bottom, right = min((row + 1) * edge, y1), min((column + 1) * edge, x1)
                rng = stream(seed, number, purpose, channel, row, column)
                lines = rng.standard_normal((bottom - row * edge, edge), dtype=np.float32)
                part = lines[top - row * edge :, left - column * edge : right - column * edge]
                out[top - y0 : bottom - y0, left - x0 : right - x0] = part
        return out

    def _blurred(self, light: Float32, inner: tuple[slice, slice], focus: Float32) -> Float32:
        image, s = self.spec.image, self.spec.pixel_size
        sharp = _blur(light, image.blur / s, inner)
        if not focus.any():
            return sharp
        return sharp + focus * (_blur(light, image.defocus / s, inner) - sharp)

    def _add_ghosts(self, seen: Float32, box: Box) -> None:
        s = self.spec.pixel_size
        x, y, size, level = self._ghosts
        reach = 3 * GHOST_RADIUS[1]
        first, last = np.searchsorted(y, (box[0] * s - reach, box[2] * s + reach))
        for i in range(first, last):
            # Each ghost's own square, whatever the window: no pixel sees part of one.
            y0 = max(int((y[i] - reach) // s), box[0])
            y1 = min(int((y[i] + reach) // s), box[2])
            x0 = max(int((x[i] - reach) // s), box[1])
            x1 = min(int((x[i] + reach) // s), box[3])
            if y0 >= y1 or x0 >= x1:
                continue
            down = _bell(np.arange(y0, y1), y[i], size[i], s)
            across = _bell(np.arange(x0, x1), x[i], size[i], s)
            blob = np.float32(level[i]) * down[:, None] * across
            seen[y0 - box[0] : y1 - box[0], x0 - box[1] : x1 - box[1]] += blob

    def _photographed(self, seen: Float32, channel: int, box: Box) -> npt.NDArray[np.uint16]:
        image = self.spec.image
        deviation = np.sqrt(np.float32(image.gain) * seen + np.float32(image.read_noise**2))
        grey = np.float32(image.offset) + seen
        grey += deviation * self._noise(Purpose.NOISE, channel, box)
        return np.clip(np.rint(grey), 0, 65535).astype(np.uint16)


def _radius(sigma: float, pixel_size: float) -> int:
    return int(TRUNCATE * sigma / pixel_size + 0.5)


def _blur(light: Float32, sigma: float, inner: tuple[slice, slice]) -> Float32:
    """Gaussian blur of the inner part of a window."""
    radius = int(TRUNCATE * sigma + 0.5)
    options = {"mode": "nearest", "radius": radius}
    # Rows first: only the columns that the second pass needs are kept.
    across = gaussian_filter1d(light, sigma, axis=1, **options)[:, inner[1]]
    return np.ascontiguousarray(gaussian_filter1d(across, sigma, axis=0, **options)[inner[0]])


def _bell(pixel: npt.NDArray, centre: float, sigma: float, pixel_size: float) -> Float32:
    away = ((pixel + 0.5) * pixel_size - centre) / sigma
    return np.exp(-0.5 * away * away).astype(np.float32)


def _sigmoid(value: Float32) -> Float32:
    return 1 / (1 + np.exp(-1.5 * value))
