"""Stage score: a segmenter over a labelled table to scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vitrail.errors import VitrailError
from vitrail.io.examples import Row, read_image, read_labels
from vitrail.segmentation.evaluation import Measured, measure_image, score_rows
from vitrail.segmentation.metrics import median_diameter, summarise

if TYPE_CHECKING:
    from vitrail.segmentation.contract import Segmenter

AUTO, TRUTH = "auto", "truth"
# What the one or two channels of a table show, see `vitrail.io.examples.Row`.
ROLES: dict[int, dict[str, int]] = {1: {"nucleus": 0}, 2: {"cytoplasm": 0, "nucleus": 1}}


def score(
    rows: Sequence[Row],
    segmenter: Segmenter,
    diameter: str | float = AUTO,
    resamples: int = 1000,
    seed: int = 1,
    progress: Callable[[str], None] = lambda line: None,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Segment labelled images and score what was found.

    Parameters
    ----------
    rows
        Of a table; those without labels are left out.
    segmenter
        What is scored.
    diameter
        Typical diameter in pixels of what is segmented: a number for all images, `truth` (the
        median of the image's own true objects) or `auto` (nothing is said: a segmenter that needs
        a scale cannot run).
    resamples, seed
        See `vitrail.segmentation.evaluation.score_rows`.
    progress
        Called with a line now and then.

    Returns
    -------
    Scores
        Rows of `score_rows`. Sets are named by what comes before the first hyphen of `domain`.
    Images
        One row an image: `set`, `image`, `objects`, `found`, `f1` (at an IoU of 0.5), `mean_f1`.

    Raises
    ------
    VitrailError
        Where no row has labels, or an image and its labels differ in shape.
    """
    labelled = [row for row in rows if row.labels]
    if not labelled:
        raise VitrailError("no image of the table to evaluate on has labels; wanted: at least one")
    measured = []
    for number, row in enumerate(labelled, start=1):
        measured.append(_measure(row, segmenter, diameter))
        if number % 20 == 0 or number == len(labelled):
            progress(f"{number} of {len(labelled)} images")
    return score_rows(measured, resamples, seed), [_image_row(entry) for entry in measured]


def chosen_rows(rows: Sequence[Row], split: str | None) -> list[Row]:
    """Rows of one split, or all of them."""
    return [row for row in rows if split is None or row.split == split]


def _measure(row: Row, segmenter: Segmenter, diameter: str | float) -> Measured:
    image, truth = read_image(row), read_labels(row)
    if truth.shape != image.shape[1:]:
        raise VitrailError(
            f"{row.labels} has shape {truth.shape}; wanted: {image.shape[1:]}, as {row.image}"
        )
    found = segmenter.segment(
        image, diameter=_diameter(truth, diameter), channels=ROLES[len(image)]
    )
    return measure_image(row.image, row.domain.split("-")[0], truth, found)


def _diameter(truth: npt.NDArray[np.int32], asked: str | float) -> float | None:
    if asked == AUTO:
        return None
    # An empty image has no scale of its own, and nothing in it depends on one.
    return median_diameter(truth) or 1.0 if asked == TRUTH else float(asked)


def _image_row(entry: Measured) -> dict[str, Any]:
    tp, fp, fn = (int(n) for n in entry.counts.objects[:, 0])
    found = summarise([entry.counts])
    return {
        "set": entry.set,
        "image": entry.image,
        "objects": tp + fn,
        "found": tp + fp,
        "f1": float(found.f1[0]),
        "mean_f1": found.mean_f1,
    }
