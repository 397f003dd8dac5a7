"""A user's own function as a segmenter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail.errors import VitrailError
from vitrail.segmentation.contract import Context, Segmentation, Segmenter


class FunctionSegmenter(Segmenter):
    """Calls ``function(image, context, **options)``.

    Parameters
    ----------
    name
        As the configuration calls it.
    function
        Gets what `Segmenter.segment_window` gets; returns cells, or (cells, nuclei), as label
        images of any integer dtype.
    options
        Keyword arguments.
    """

    def __init__(
        self, name: str, function: Callable[..., Any], options: Mapping[str, Any] | None = None
    ) -> None:
        self._name, self._function, self._options = name, function, dict(options or {})

    def segment_window(self, image: npt.NDArray[np.float32], context: Context) -> Segmentation:
        """Segment one window; every instance has score 1."""
        found = self._function(image, context, **self._options)
        cells, nuclei = found if isinstance(found, tuple) else (found, None)
        cells = self._labels(cells, image)
        nuclei = np.zeros_like(cells) if nuclei is None else self._labels(nuclei, image)
        return Segmentation(cells, nuclei, _ones(cells), _ones(nuclei))

    def _labels(self, labels: Any, image: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
        labels = np.asarray(labels)
        if labels.shape[-2:] != image.shape[-2:] or labels.dtype.kind not in "ui":
            raise VitrailError(
                f"segment.segmenter '{self._name}' returned {labels.dtype} of shape "
                f"{labels.shape}; wanted: integer labels of shape {image.shape[-2:]}"
            )
        return labels.astype(np.int32)


def _ones(labels: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    return np.ones(int(labels.max(initial=0)), np.float32)
