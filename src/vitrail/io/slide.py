"""A slide as later stages see it: image, given labels and boundaries, transcripts.

Reads ``slide.zarr`` and ``slide.json`` with zarr, pyarrow and shapely; spatialdata is not needed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

from vitrail.errors import VitrailError

IMAGE = "images/image"
TRANSCRIPTS = "points/transcripts"


class Slide:
    """One slide on disk.

    Attributes
    ----------
    pixel_size
        Micrometres a pixel.
    origin
        (x, y) in micrometres of the outer corner of pixel (0, 0).
    shape
        (height, width) in pixels.
    channels
        Names of the image's channels; empty without an image.
    info
        All of ``slide.json``.
    """

    def __init__(self, path: Path, info: dict[str, Any]) -> None:
        self.path = path
        self.info = info
        self.pixel_size = float(info["pixel_size_um"])
        x, y = info["origin_um"]
        self.origin = (float(x), float(y))
        height, width = info["shape"]
        self.shape = (int(height), int(width))
        self.channels: list[str] = list(info["channels"])
        self._elements = frozenset(info["elements"])
        self._image: Any = None

    def has(self, element: str) -> bool:
        """Whether the slide has an element, for example ``labels/cells``."""
        return element in self._elements

    @property
    def image(self) -> Any:
        """Level 0 of the image: zarr array (c, y, x)."""
        if self._image is None:
            self._image = self._array(IMAGE)
        return self._image

    def read(self, y0: int, x0: int, y1: int, x1: int) -> npt.NDArray[Any]:
        """Pixels of a box of level 0, all channels.

        Parameters
        ----------
        y0, x0, y1, x1
            Half-open box in pixels, inside the slide.

        Returns
        -------
        Array (c, y, x) of the image's dtype.
        """
        height, width = self.shape
        if not (0 <= y0 <= y1 <= height and 0 <= x0 <= x1 <= width):
            raise ValueError(f"box {(y0, x0, y1, x1)} does not lie in a slide of {self.shape}")
        return np.asarray(self.image[:, y0:y1, x0:x1])

    def labels(self, kind: str) -> Any:
        """Given label image of ``cells`` or ``nuclei``: zarr array int32 (y, x)."""
        return self._array(f"labels/{kind}")

    def label_names(self, kind: str) -> list[str] | None:
        """The vendor's names of the given labels 1 to n; None where labels have numbers alone."""
        from vitrail.io.label_names import read_names

        self._need(f"labels/{kind}")
        return read_names(self.path / "labels" / kind)

    def transcript_parts(self) -> list[Path]:
        """Parquet files of the raw transcripts, in order; none where the slide has none."""
        from vitrail.io.points import part_paths

        return part_paths(self.path / TRANSCRIPTS) if self.has(TRANSCRIPTS) else []

    def boundaries(self, kind: str) -> tuple[list[str], npt.NDArray[np.object_]]:
        """Given outlines of ``cells`` or ``nuclei``: their own ids, shapely geometries in um."""
        from vitrail.io.boundaries import read_boundaries

        self._need(f"shapes/{kind}")
        return read_boundaries(self.path / "shapes" / kind / "shapes.parquet")

    def _array(self, element: str) -> Any:
        self._need(element)
        return zarr.open_array(str(self.path / element / "s0"), mode="r")

    def _need(self, element: str) -> None:
        if not self.has(element):
            raise VitrailError(
                f"{self.path}: has no {element} (found {', '.join(sorted(self._elements))})."
            )


def open_slide(slide_zarr: str | Path, slide_json: str | Path) -> Slide:
    """Open a slide.

    Parameters
    ----------
    slide_zarr, slide_json
        What stage `ingest` wrote.
    """
    return Slide(Path(slide_zarr), json.loads(Path(slide_json).read_text(encoding="utf-8")))
