"""Rows of a table as examples in memory."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from vitrail.errors import VitrailError
from vitrail.io.examples import Row, read_image, read_labels
from vitrail.segmentation.metrics import median_diameter
from vitrail.training.example import Example, make_example


def load_examples(rows: Iterable[Row], diameter: float) -> list[Example]:
    """Read, normalise and measure images: 8 bytes a pixel are kept.

    Parameters
    ----------
    rows
        Of a table. An image without labels or without objects is taken to have objects of the
        median diameter of its domain, or of all images.
    diameter
        Pixels that the network wants the median object to have.

    Raises
    ------
    VitrailError
        Where labels have another shape than their image.
    """
    rows = list(rows)
    labels = [read_labels(row) if row.labels else None for row in rows]
    found = [0.0 if image is None else median_diameter(image) for image in labels]
    examples = []
    for row, truth in zip(rows, labels, strict=True):
        image = read_image(row)
        if truth is not None and truth.shape != image.shape[1:]:
            raise VitrailError(
                f"{row.labels} has shape {truth.shape}; wanted: {image.shape[1:]}, as {row.image}"
            )
        fallback = _fallback(rows, found, row.domain, diameter)
        examples.append(make_example(image, truth, row.domain, diameter, fallback))
    return examples


def _fallback(rows: list[Row], found: list[float], domain: str, diameter: float) -> float:
    """Median diameter of a domain's images with objects, else of all, else the network's."""
    pairs = list(zip(rows, found, strict=True))
    near = [size for row, size in pairs if size and row.domain == domain]
    return float(np.median(near or [size for size in found if size] or [diameter]))
