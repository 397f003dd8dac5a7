"""Assignment and counting of transcripts without the workflow: arrays in, arrays out.

from vitrail.transcripts import by_labels, by_polygons, count

cell = by_polygons(x, y, polygons)
counts = count(cell, gene, len(polygons), len(genes))
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from scipy import sparse

from vitrail.assign.lookup import CellLookup, Frame, LabelImage, unpack
from vitrail.assign.outlines import Outlines
from vitrail.errors import VitrailError
from vitrail.matrix.blocks import RowBlocks
from vitrail.parallel import available_threads, spans, threaded

# Positions that a thread looks up at once.
AT_ONCE = 1 << 20
# The same where they are sorted by place first: more of them have more in common.
SORT_AT_ONCE = 1 << 22

Int = npt.NDArray[np.int32]


def by_labels(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    labels: LabelImage,
    *,
    pixel_size: float = 1.0,
    origin: tuple[float, float] = (0.0, 0.0),
    threads: int | None = None,
) -> Int:
    """Label of the pixel that holds each position.

    Pixel i of an axis covers ``[origin + i * pixel_size, origin + (i + 1) * pixel_size)``.

    Parameters
    ----------
    x, y
        Positions of shape (n,), in the unit of `pixel_size`.
    labels
        Label image of integers (y, x), 0 = background: a numpy array, or a zarr array int32, of
        which each chunk is read once (more often where its runs of labels exceed 640 MB).
    pixel_size, origin
        Edge of a pixel, and (x, y) of the outer corner of pixel (0, 0).
    threads
        Their number; None for all that the process may use.

    Returns
    -------
    int32 array of shape (n,); 0 on background, outside of the image and where x or y is not finite.

    Raises
    ------
    VitrailError
        If x and y differ in length, the labels are no image of integers or a pixel has no size.
    """
    px, py = _positions(x, y)
    _check_labels(labels, pixel_size)
    frame = Frame(pixel_size, origin)
    out = np.empty(len(px), np.int32)
    lookup = None if isinstance(labels, np.ndarray) else CellLookup(labels)

    def part(span: tuple[int, int]) -> None:
        here = slice(*span)
        if lookup is None:
            _pick(px[here], py[here], pixel_size, *origin, labels, out[here])
        else:
            out[here] = unpack(lookup(px[here], py[here], frame))[0]

    threaded(part, spans(len(px), -(-len(px) // AT_ONCE)), threads)
    return out


def by_polygons(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    polygons: npt.ArrayLike | Outlines,
    *,
    overlap: str = "nearest",
    centres: npt.ArrayLike | None = None,
    scores: npt.ArrayLike | None = None,
    threads: int | None = None,
) -> Int:
    """Polygon that holds each position, exactly.

    A position on an edge belongs to the side on which x (then y) grows: polygons with a common edge
    neither share nor lose a position.

    Parameters
    ----------
    x, y
        Positions of shape (n,), in the unit of the polygons.
    polygons
        m shapely Polygons and MultiPolygons with holes, parts and overlaps as they come, or
        `Outlines` of them, which can be used again.
    overlap, centres, scores
        Who gets a position in several polygons, see `Outlines`.
    threads
        Their number; None for all that the process may use.

    Returns
    -------
    int32 array of shape (n,): number of the polygon from 1; 0 in none and where x or y is not
    finite; -1 in several where `overlap` is ``drop``.

    Raises
    ------
    VitrailError
        If lengths differ or the policy is not known.
    """
    px, py = _positions(x, y)
    outlines = _outlines(polygons, overlap, centres, scores)
    out = np.empty(len(px), np.int32)
    workers = threads or available_threads()

    def part(span: tuple[int, int]) -> None:
        out[slice(*span)] = outlines(px[slice(*span)], py[slice(*span)])

    # Pieces of one size, as many for each thread.
    rounds = max(1, -(-len(px) // (SORT_AT_ONCE * workers)))
    threaded(part, spans(len(px), rounds * workers), threads)
    return out


def members(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    polygons: npt.ArrayLike | Outlines,
    *,
    threads: int | None = None,
) -> tuple[npt.NDArray[np.int64], Int]:
    """All polygons that hold each position; parameters as of `by_polygons`.

    Returns
    -------
    Pairs: position int64 (k,), ascending, and polygon int32 (k,), from 1.
    """
    px, py = _positions(x, y)
    outlines = _outlines(polygons, "drop", None, None)
    pieces = spans(len(px), -(-len(px) // AT_ONCE))
    found = threaded(lambda s: outlines.members(px[slice(*s)], py[slice(*s)]), pieces, threads)
    position = [part + first for (part, _), (first, _) in zip(found, pieces, strict=True)]
    return (
        np.concatenate([np.empty(0, np.int64), *position]),
        np.concatenate([np.empty(0, np.int32), *(polygon for _, polygon in found)]),
    )


def count(
    cell: npt.ArrayLike,
    gene: npt.ArrayLike,
    n_cells: int,
    n_genes: int,
    *,
    threads: int | None = None,
) -> sparse.csr_matrix:
    """Count transcripts by cell and gene.

    Parameters
    ----------
    cell
        Integers of shape (n,): cell from 1; 0 and below do not count.
    gene
        Integers of shape (n,): gene from 0.
    n_cells, n_genes
        Shape of the result.
    threads
        Their number; None for all that the process may use.

    Returns
    -------
    CSR int32 (n_cells, n_genes) with sorted columns.

    Raises
    ------
    VitrailError
        If a cell or a gene does not exist.
    """
    cells, genes = np.asarray(cell), np.asarray(gene)
    if len(cells) != len(genes):
        raise VitrailError(f"gene: {len(genes)} of them, wanted {len(cells)}, one a transcript.")
    if len(cells) and int(cells.max()) > n_cells:
        raise VitrailError(f"cell: {int(cells.max())} found, wanted at most {n_cells}.")
    if len(genes) and not (int(genes.min()) >= 0 and int(genes.max()) < n_genes):
        raise VitrailError(
            f"gene: {int(genes.min())} to {int(genes.max())}, wanted 0 to {n_genes - 1}."
        )
    sums = RowBlocks(n_cells, n_genes)
    nowhere = np.zeros(min(AT_ONCE, len(cells)), dtype=bool)

    def part(span: tuple[int, int]) -> None:
        here = slice(*span)
        inside = np.maximum(cells[here], 0).astype(np.int32)
        sums.add(inside, genes[here].astype(np.int32), nowhere[: len(inside)])

    threaded(part, spans(len(cells), -(-len(cells) // AT_ONCE)), threads)
    return sums.matrices(threads)[0]


def count_shared(
    position: npt.ArrayLike, cell: npt.ArrayLike, gene: npt.ArrayLike, n_cells: int, n_genes: int
) -> sparse.csr_matrix:
    """Count transcripts that several cells share: each of k cells gets 1 / k.

    Parameters
    ----------
    position, cell
        Pairs, as `members` gives them.
    gene
        Integers of shape (n,): gene of each transcript, from 0.
    n_cells, n_genes
        Shape of the result.

    Returns
    -------
    CSR float64 (n_cells, n_genes); its sum is the number of transcripts in any cell.
    """
    of, cells, genes = (np.asarray(values) for values in (position, cell, gene))
    share = 1.0 / np.bincount(of, minlength=len(genes))[of]
    pairs = sparse.coo_matrix((share, (cells - 1, genes[of])), shape=(n_cells, n_genes))
    return pairs.tocsr()


def _positions(x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Any, Any]:
    px, py = (np.asarray(values) for values in (x, y))
    if px.ndim != 1 or px.shape != py.shape:
        raise VitrailError(f"y: shape {py.shape}, wanted that of x {px.shape}, with one axis.")
    return tuple(v if v.dtype.kind == "f" else v.astype(np.float64) for v in (px, py))  # type: ignore[return-value]


def _check_labels(labels: Any, pixel_size: float) -> None:
    dtype = np.dtype(labels.dtype)
    if len(labels.shape) != 2 or dtype.kind not in "iu":
        raise VitrailError(
            f"labels: shape {tuple(labels.shape)} of {dtype}, wanted integers with two axes (y, x)."
        )
    if not pixel_size > 0:
        raise VitrailError(f"pixel_size: {pixel_size}, wanted a number above 0.")


def _outlines(
    polygons: npt.ArrayLike | Outlines,
    overlap: str,
    centres: npt.ArrayLike | None,
    scores: npt.ArrayLike | None,
) -> Outlines:
    if isinstance(polygons, Outlines):
        return polygons
    return Outlines(polygons, overlap, centres=centres, scores=scores)


@numba.njit(cache=True, nogil=True)
def _pick(x, y, size, x0, y0, labels, out):  # type: ignore[no-untyped-def]
    h, w = labels.shape
    for i in range(x.size):
        # The same arithmetic as `vitrail.coordinates.pixel_index`.
        column = np.floor((np.float64(x[i]) - x0) / size)
        row = np.floor((np.float64(y[i]) - y0) / size)
        inside = 0 <= column < w and 0 <= row < h
        out[i] = labels[np.int64(row), np.int64(column)] if inside else 0
