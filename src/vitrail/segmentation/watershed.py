"""Classic segmentation: nuclei by local threshold and watershed, cells grown from them.

Every step reads a bounded neighbourhood and breaks ties by position, so that a cell does not depend
on the tile in which it is seen (`vitrail.segmentation.filters`, `vitrail.segmentation.basins`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from numba import njit

from vitrail.errors import VitrailError
from vitrail.segmentation import filters
from vitrail.segmentation.basins import basins
from vitrail.segmentation.contract import Context, Segmentation, Segmenter
from vitrail.segmentation.geodesic import STRAIGHT, nearest_seed
from vitrail.segmentation.tidy import compact, tidy

Image = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]

THRESHOLDS = ("local", "slide")
EXTENTS = ("auto", "cytoplasm", "membrane", "expansion")
BACKGROUND_RADIUS = 1.0  # of a nucleus' diameter: wider than a nucleus
CELL_BACKGROUND_RADIUS = 1.5  # of a nucleus' diameter: wider than a cell
LEVEL_RADIUS = 0.75  # of a nucleus' diameter
SEED_SMOOTHING = 0.08  # of a nucleus' diameter
LOOSE = 0.7  # foreground for finding basins, as a share of the final threshold
MEMBRANE_WIDTH_UM = 0.8  # thickness at which a membrane of full brightness has its resistance


@dataclass(frozen=True)
class Watershed(Segmenter):
    """Nucleus-seeded watershed.

    Parameters
    ----------
    nucleus_diameter_um
        Typical diameter of a nucleus in micrometres: the scale of background, local brightness and
        seeds.
    largest_nucleus_um
        Nuclei thicker than this are split by their light alone.
    smoothing_um
        Standard deviation of the Gaussian before thresholding, micrometres.
    threshold
        `local`: half way between the local background and the brightness nearby; `slide`: the
        slide-wide Otsu threshold.
    contrast
        Least brightness above the local background, in normalised units (0 and 1 are the
        percentiles of stage tile).
    level
        Where a nucleus ends, as a share of its own brightness above the background.
    dynamics
        How much a peak must stand out from the saddle to its neighbour, as a share of its height.
    min_nucleus_um2
        Smaller nuclei are dropped, square micrometres.
    extent
        How cells grow: `cytoplasm` (a stain that fills them), `membrane` (a stain of their border),
        `expansion` (by distance alone), or `auto`, the first of these whose channel there is.
    expansion_um
        How far a cell grows from its nucleus by distance alone.
    max_expansion_um
        How far it grows at most where a stain shows its border.
    cell_level
        Where a cell ends, as a share of the stain around its nucleus above the background.
    membrane_resistance
        How many micrometres of free path it costs to cross a membrane of full brightness.
    """

    name: ClassVar[str] = "watershed"

    nucleus_diameter_um: float = 7.0
    largest_nucleus_um: float = 20.0
    smoothing_um: float = 0.4
    threshold: str = "local"
    contrast: float = 0.1
    level: float = 0.5
    dynamics: float = 0.05
    min_nucleus_um2: float = 6.0
    extent: str = "auto"
    expansion_um: float = 1.5
    max_expansion_um: float = 5.0
    cell_level: float = 0.5
    membrane_resistance: float = 4.0

    def __post_init__(self) -> None:
        for key, allowed in (("threshold", THRESHOLDS), ("extent", EXTENTS)):
            if getattr(self, key) not in allowed:
                raise VitrailError(
                    f"segment.watershed.{key} is '{getattr(self, key)}'; wanted: one of "
                    f"{', '.join(allowed)}"
                )
        if self.nucleus_diameter_um <= 0:
            raise VitrailError(
                f"segment.watershed.nucleus_diameter_um is {self.nucleus_diameter_um}; wanted: "
                "more than 0"
            )

    def reach_um(self, context: Context) -> float:
        """Filters, a nucleus and its neighbour, and the growth of a cell, for typical nuclei."""
        diameter = self.nucleus_diameter_um
        filtered = filters.TRUNCATE * (self.smoothing_um + SEED_SMOOTHING * diameter)
        filtered += (2 * BACKGROUND_RADIUS + LEVEL_RADIUS) * diameter
        return filtered + 1.5 * diameter + max(self.expansion_um, self.max_expansion_um)

    def segment_window(self, image: Image, context: Context) -> Segmentation:
        """Segment one window; see `Segmenter.segment_window`."""
        plane = image[context.channels["nucleus"]]
        light = self._above_background(plane, BACKGROUND_RADIUS, context.pixel_size)
        nuclei, scores = self._nuclei(light, context)
        return Segmentation(self._cells(nuclei, image, context), nuclei, scores, scores)

    def _above_background(self, plane: Image, diameters: float, pixel_size: float) -> Image:
        smooth = filters.gaussian(plane, self.smoothing_um / pixel_size)
        radius = round(diameters * self.nucleus_diameter_um / pixel_size)
        return smooth - filters.opening(smooth, radius)

    def _nuclei(self, light: Image, context: Context) -> tuple[Labels, npt.NDArray[np.float32]]:
        """Nuclei, and for each a score: its brightness over that plus the least contrast."""
        diameter = self.nucleus_diameter_um / context.pixel_size
        nearby = filters.local_level(light, round(LEVEL_RADIUS * diameter))
        if self.threshold == "slide":
            least = float(context.values["otsu"][context.channels["nucleus"]])
            foreground = light > np.float32(LOOSE * least)
        else:
            least = 0.0
            share = np.float32(LOOSE * self.level)
            foreground = light > np.maximum(share * nearby, np.float32(self.contrast))
        found = basins(self._relief(light, nearby, foreground, context), foreground, self.dynamics)
        brightness = _brightness(light, found, int(found.max()))
        sharp = _at_level(light, found, brightness, self.level, least)
        nuclei, old = compact(tidy(sharp, None, self.min_nucleus_um2 / context.pixel_size**2))
        level = brightness[old]
        return nuclei, (level / (level + self.contrast)).astype(np.float32)

    def _relief(
        self, light: Image, nearby: Image, foreground: npt.NDArray[np.bool_], context: Context
    ) -> Image:
        """Depth inside the foreground times the root of the brightness: nuclei are its peaks.

        Depth separates nuclei that touch, brightness those that overlap or differ.
        """
        radius = max(round(self.largest_nucleus_um / 2 / context.pixel_size), 1)
        sigma = SEED_SMOOTHING * self.nucleus_diameter_um / context.pixel_size
        depth = np.sqrt(filters.squared_depth(foreground, radius).astype(np.float32))
        relative = np.clip(light / np.maximum(nearby, np.float32(1e-6)), 0, 2).astype(np.float32)
        return filters.gaussian(depth, sigma) * np.sqrt(filters.gaussian(relative, sigma))

    def _cells(self, nuclei: Labels, image: Image, context: Context) -> Labels:
        extent = self._extent(context)
        pixel_size = context.pixel_size
        if extent == "expansion":
            return filters.nearest_label(nuclei, self.expansion_um / pixel_size)[0]
        if extent == "membrane":
            plane = filters.gaussian(image[context.channels["membrane"]], 0.2 / pixel_size)
            grown = _within_membranes(
                nuclei, plane, self.max_expansion_um, self.membrane_resistance, pixel_size
            )
            return tidy(grown, nuclei)
        plane = image[context.channels["cytoplasm"]]
        stain = self._above_background(plane, CELL_BACKGROUND_RADIUS, pixel_size)
        grown, square = filters.nearest_label(nuclei, self.max_expansion_um / pixel_size)
        filled = _stained(stain, grown, nuclei, square, (1.0 / pixel_size) ** 2, self.cell_level)
        return tidy(filled, nuclei)

    def _extent(self, context: Context) -> str:
        if self.extent == "auto":
            found = [name for name in ("cytoplasm", "membrane") if name in context.channels]
            return found[0] if found else "expansion"
        if self.extent != "expansion" and self.extent not in context.channels:
            raise VitrailError(
                f"segment.watershed.extent is '{self.extent}', but no channel is named in "
                f"segment.channels.{self.extent}"
            )
        return self.extent


def _within_membranes(
    nuclei: Labels, membrane: Image, reach_um: float, resistance: float, pixel_size: float
) -> Labels:
    """Cells as the pixels that are cheapest to reach from their nucleus across membranes."""
    # Micrometres of path a micrometre of full membrane costs beyond its own thickness.
    factor = resistance / MEMBRANE_WIDTH_UM
    quantised = np.clip(np.round(membrane * np.float32(16 * factor)), 0, 255).astype(np.uint8)
    return nearest_seed(nuclei, quantised, round(STRAIGHT * reach_um / pixel_size))


@njit(cache=True)
def _brightness(light, labels, count):  # type: ignore[no-untyped-def]
    """Brightness of each label, weighted by itself so that a dim rim counts little."""
    squares, sums = np.zeros(count + 1), np.zeros(count + 1)
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            label = labels[y, x]
            if label > 0:
                value = max(np.float64(light[y, x]), 0.0)
                sums[label] += value
                squares[label] += value * value
    return squares / np.maximum(sums, 1e-12)


@njit(cache=True)
def _at_level(light, labels, brightness, share, floor):  # type: ignore[no-untyped-def]
    """Pixels brighter than `share` of their label's brightness, and than `floor`."""
    out = np.zeros(labels.shape, np.int32)
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            label = labels[y, x]
            if label > 0 and light[y, x] > max(share * brightness[label], floor):
                out[y, x] = label
    return out


@njit(cache=True)
def _stained(stain, grown, nuclei, square, near, share):  # type: ignore[no-untyped-def]
    """Nuclei and the pixels around them with `share` of the stain that is near their nucleus."""
    count = nuclei.max()
    sums, pixels = np.zeros(count + 1), np.zeros(count + 1)
    for y in range(grown.shape[0]):
        for x in range(grown.shape[1]):
            label = grown[y, x]
            if label > 0 and square[y, x] <= near:
                sums[label] += stain[y, x]
                pixels[label] += 1
    out = nuclei.copy()
    for y in range(grown.shape[0]):
        for x in range(grown.shape[1]):
            label = grown[y, x]
            if label > 0 and stain[y, x] * pixels[label] > share * sums[label]:
                out[y, x] = label
    return out
