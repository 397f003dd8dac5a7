"""Look-up in the outlines that a sample brings along: exact, where label images know pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from vitrail.assign.lookup import NOT_FINITE, NOT_INSIDE, SEVERAL, CellLookup, Frame, LabelImage
from vitrail.assign.outlines import AMBIGUOUS, Outlines
from vitrail.errors import VitrailError

if TYPE_CHECKING:
    from vitrail.io.cell_table import CellTable, NucleusTable
    from vitrail.io.slide import Slide

Int = npt.NDArray[np.int32]


class LabelledOutlines:
    """Outlines with the label that each has in the segmentation.

    Parameters
    ----------
    outlines
        n outlines.
    label
        int32 array of shape (n,): label of each, 0 where the segmentation does not have it.
    """

    def __init__(self, outlines: Outlines, label: Int) -> None:
        self.outlines = outlines
        # The last entry is what `AMBIGUOUS` finds.
        self.label = np.concatenate([[0], label, [SEVERAL]]).astype(np.int32)

    def __call__(
        self, x: npt.NDArray[np.floating], y: npt.NDArray[np.floating], frame: Frame
    ) -> Int:
        """Label at each position in micrometres; 0 in none, `SEVERAL` in several."""
        assert AMBIGUOUS == -1
        return self.label[self.outlines(x, y)]


class LabelledPixels:
    """The same of a label image.

    Parameters
    ----------
    labels
        Label image int32 (y, x).
    """

    def __init__(self, labels: LabelImage) -> None:
        self._lookup = CellLookup(labels)

    def __call__(
        self, x: npt.NDArray[np.floating], y: npt.NDArray[np.floating], frame: Frame
    ) -> Int:
        """Label at each position in micrometres; 0 in none and outside of the image."""
        return np.maximum(self._lookup(x, y, frame), 0) >> 1


class GivenLookup:
    """Cell and nucleus at positions on a slide, from given outlines; threads may share one.

    Parameters
    ----------
    cells
        The cells' outlines.
    nuclei
        The nuclei, by outlines or pixels.
    owner
        int32 array of shape (number of nuclei + 1,): cell that each nucleus belongs to, 0 = none.
    shape
        (height, width) of the slide in pixels: positions beyond it are outside.
    """

    def __init__(
        self,
        cells: LabelledOutlines,
        nuclei: LabelledOutlines | LabelledPixels,
        owner: Int,
        shape: tuple[int, int],
    ) -> None:
        self.cells = cells
        self.nuclei = nuclei
        self.owner = owner
        self.shape = shape

    def __call__(
        self, x: npt.NDArray[np.floating], y: npt.NDArray[np.floating], frame: Frame
    ) -> Int:
        """Packed cells, as `CellLookup` gives them; `SEVERAL` where the policy gives none."""
        cell = self.cells(x, y, frame)
        nucleus = np.maximum(self.nuclei(x, y, frame), 0)
        in_nucleus = (cell > 0) & (self.owner[nucleus] == cell)
        packed = np.where(cell > 0, (cell << 1) | in_nucleus, cell).astype(np.int32)
        packed[~_inside(x, frame, 0, self.shape[1])] = NOT_INSIDE
        packed[~_inside(y, frame, 1, self.shape[0])] = NOT_INSIDE
        packed[~(np.isfinite(x) & np.isfinite(y))] = NOT_FINITE
        return packed


def given_lookup(
    slide: Slide, cells: CellTable, nuclei: NucleusTable, nucleus_labels: LabelImage, overlap: str
) -> GivenLookup:
    """Look-up in the outlines that a slide has.

    Parameters
    ----------
    slide
        Slide with the element ``shapes/cells``; ``shapes/nuclei`` where nuclei are outlines too.
    cells, nuclei
        Tables of the segmentation.
    nucleus_labels
        Label image of the nuclei, for slides without outlines of them.
    overlap
        Policy, see `Outlines`; the centre of a cell is that of its first nucleus, of its own
        outline where it has none.

    Raises
    ------
    VitrailError
        If two outlines have one id.
    """
    ids, geometry = slide.boundaries("cells")
    label = _labels(f"{slide.path}: shapes/cells", ids, cells.source)
    known = label > 0
    scores = np.zeros(len(label))
    scores[known] = cells.score[label[known] - 1]
    centres = np.zeros((len(label), 2))
    centres[known] = _cell_centres(cells, nuclei)[label[known] - 1]
    # Outlines that the segmentation does not have hold no transcript.
    kept = np.flatnonzero(known)
    outlines = Outlines(geometry[kept], overlap, centres=centres[kept], scores=scores[kept])
    return GivenLookup(
        LabelledOutlines(outlines, label[kept]),
        _nuclei(slide, nuclei, nucleus_labels),
        nuclei.owner,
        slide.shape,
    )


def _nuclei(
    slide: Slide, nuclei: NucleusTable, labels: LabelImage
) -> LabelledOutlines | LabelledPixels:
    if not slide.has("shapes/nuclei"):
        return LabelledPixels(labels)
    ids, geometry = slide.boundaries("nuclei")
    label = _labels(f"{slide.path}: shapes/nuclei", ids, nuclei.source)
    kept = np.flatnonzero(label)
    return LabelledOutlines(Outlines(geometry[kept]), label[kept])


def _cell_centres(cells: CellTable, nuclei: NucleusTable) -> npt.NDArray[np.float64]:
    centres = cells.centroid.copy()
    owner = nuclei.owner[1:]
    # Backwards, so that the first nucleus of a cell is written last.
    for k in np.flatnonzero(owner > 0)[::-1]:
        centres[owner[k] - 1] = nuclei.centroid[k]
    return centres


def _labels(where: str, ids: Sequence[str], sources: Sequence[str | None]) -> Int:
    """Label of each outline by its own id."""
    if len(set(ids)) != len(ids):
        twice = Counter(ids).most_common(1)[0][0]
        raise VitrailError(
            f"{where}: two outlines have the id {twice!r}, wanted an id of its own for each, or "
            "assign: boundaries: pixels."
        )
    label = {source: k + 1 for k, source in enumerate(sources) if source is not None}
    return np.array([label.get(name, 0) for name in ids], dtype=np.int32)


def _inside(
    place: npt.NDArray[np.floating], frame: Frame, axis: int, length: int
) -> npt.NDArray[np.bool_]:
    with np.errstate(invalid="ignore", over="ignore"):
        index = np.floor((place.astype(np.float64) - frame.origin[axis]) / frame.pixel_size)
    return (index >= 0) & (index < length)
