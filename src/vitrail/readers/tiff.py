"""TIFF files read strip by strip: tiled, striped or uncompressed, OME or plain, many pages."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from vitrail.errors import VitrailError
from vitrail.readers.raster_file import check_axes
from vitrail.readers.tiff_metadata import described

Array = npt.NDArray[Any]


class TiffRaster:
    """First series of a TIFF file at full resolution (contract: `raster_file.RasterFile`).

    Uncompressed files are read row by row from where they lie. Of compressed ones, the tiles or
    strips that a strip of rows touches are decoded, each once; a file with one compressed strip a
    page must be decoded a page at a time, since such a strip has no other beginning.
    """

    def __init__(self, path: str, axes: str | None, threads: int = 1) -> None:
        self.path = path
        self._file = _open(path)
        series = self._file.series[0]
        self._axes = check_axes(path, axes or series.axes, series.shape, named=axes is not None)
        if not self._axes.endswith(("YX", "YXS")):
            raise VitrailError(
                f"{path}: axes are '{self._axes}', wanted them to end in YX, or YXS for colours."
            )
        size = dict(zip(self._axes, series.shape, strict=True))
        self.shape = (size["Y"], size["X"])
        self.dtype = np.dtype(series.dtype).newbyteorder("=")
        self.planes = size.get("Z", 1)
        self._samples = size.get("S", 1)
        self.groups = [self._samples] * size.get("C", 1)
        self.pixel_size, self.names = described(path, self._file)
        self._pages = self._open_pages(series, threads)

    @staticmethod
    def unnamed_pages(path: str) -> int:
        """Number of pages of a file that does not say what their axis is; 0 where it does."""
        series = _open(path).series[0]
        return len(series.pages) if len(series.axes) == 3 and series.axes[0] in "QI" else 0

    def read(self, group: int, plane: int, y0: int, y1: int) -> Array:
        """Whole rows of one group of channels, as an array (c, y, x)."""
        try:
            return self._pages[group, plane].rows(y0, y1)
        except VitrailError:
            raise
        except Exception as error:  # decoders raise errors of many kinds
            raise VitrailError(
                f"{self.path}: rows {y0} to {y1} cannot be decoded "
                f"({type(error).__name__}: {error}); is the file damaged?"
            ) from error

    def release(self) -> None:
        """Forget decoded strips."""
        for page in self._pages.values():
            page.release()

    def _open_pages(self, series: Any, threads: int) -> dict[tuple[int, int], Any]:
        size = os.path.getsize(self.path)
        if series.dataoffset is not None:
            _check_end(self.path, series.dataoffset + series.nbytes, size)
            return _raw_planes(self.path, series, self._axes, self._file.byteorder)
        leading = self._axes[: -_page_axes(self._axes)]
        counts = series.shape[: len(leading)]
        pages = {}
        for i, index in enumerate(np.ndindex(*counts)):
            page = series.pages[i]
            if page is None:
                raise self._page_elsewhere(i)
            if page.parent is self._file:
                _check_end(self.path, _end(page), size)
            at = dict(zip(leading, index, strict=True))
            pages[at.get("C", 0), at.get("Z", 0)] = _CodedPlane(page, threads)
        return pages

    def _page_elsewhere(self, page: int) -> VitrailError:
        """The error of a page that lies in another file, of an OME-TIFF of several."""
        files = dict.fromkeys(re.findall(r'FileName="([^"]+)"', self._file.ome_metadata or ""))
        there = os.path.dirname(self.path)
        lacking = [name for name in files if not os.path.exists(os.path.join(there, name))]
        shown = ", ".join(lacking[:5]) + (", ..." if len(lacking) > 5 else "")
        return VitrailError(
            f"{self.path}: page {page} lies in a file that is not there, wanted all that its "
            f"OME-XML names beside it (missing {shown or 'none, but one cannot be read'})."
        )


def page_description(path: str) -> str:
    """What the first page of a TIFF says about itself."""
    page: Any = _open(path).pages[0]
    return str(page.description or "")


def _open(path: str) -> tifffile.TiffFile:
    try:
        file = tifffile.TiffFile(path)
        if not file.series or not file.series[0].shape:
            raise VitrailError("no image in it")
    except Exception as error:  # a torn file fails in as many ways as it has bytes
        raise VitrailError(
            f"{path}: is not a complete TIFF ({error}); is it truncated or still being copied?"
        ) from None
    return file


def _page_axes(axes: str) -> int:
    """Number of last axes that one page holds: YX, YXS, or SYX."""
    return 3 if axes.endswith(("YXS", "SYX")) else 2


def _end(page: Any) -> int:
    ends = zip(page.dataoffsets, page.databytecounts, strict=True)
    return max((offset + count for offset, count in ends), default=0)


def _check_end(path: str, end: int, size: int) -> None:
    if end > size:
        raise VitrailError(
            f"{path}: has {size} bytes and refers to byte {end}; is it truncated or still being "
            "copied?"
        )


def _raw_planes(path: str, series: Any, axes: str, order: str) -> dict[tuple[int, int], Any]:
    """Planes of a series that lies uncompressed in one piece."""
    last = _page_axes(axes)
    page_shape = series.shape[-last:]
    dtype = np.dtype(series.dtype).newbyteorder(order)
    page_bytes = int(np.prod(page_shape)) * dtype.itemsize
    planes = {}
    for i, index in enumerate(np.ndindex(*series.shape[:-last])):
        at = dict(zip(axes, index, strict=False))
        start = series.dataoffset + i * page_bytes
        planes[at.get("C", 0), at.get("Z", 0)] = _RawPlane(path, start, page_shape, axes, dtype)
    return planes


class _RawPlane:
    """Uncompressed page, read at its place in the file."""

    def __init__(
        self, path: str, start: int, shape: tuple[int, ...], axes: str, dtype: np.dtype[Any]
    ) -> None:
        self.path = path
        self.start = start
        self.dtype = dtype
        last = axes[-len(shape) :]
        size = dict(zip(last, shape, strict=True))
        self.height, self.width, self.samples = size["Y"], size["X"], size.get("S", 1)
        self.interleaved = last.endswith("S")

    def rows(self, y0: int, y1: int) -> Array:
        if self.interleaved:
            flat = self._read(y0 * self.width * self.samples, (y1 - y0) * self.width * self.samples)
            return np.moveaxis(flat.reshape(y1 - y0, self.width, self.samples), -1, 0)
        each = self.height * self.width
        parts = [
            self._read(sample * each + y0 * self.width, (y1 - y0) * self.width)
            for sample in range(self.samples)
        ]
        return np.stack(parts).reshape(self.samples, y1 - y0, self.width)

    def _read(self, first: int, count: int) -> Array:
        offset = self.start + first * self.dtype.itemsize
        values = np.fromfile(self.path, self.dtype, count=count, offset=offset)
        if len(values) < count:
            raise VitrailError(f"{self.path}: ended while it was read.")
        return values.astype(self.dtype.newbyteorder("="), copy=False)

    def release(self) -> None:
        pass


class _CodedPlane:
    """Page of compressed tiles or strips."""

    def __init__(self, page: Any, threads: int) -> None:
        self.page = page
        self.key = page.keyframe
        self.threads = threads
        # Segments that reach below the last row read: the next strip starts in them.
        self._kept: dict[int, tuple[Array | None, tuple[int, ...], tuple[int, ...]]] = {}

    def rows(self, y0: int, y1: int) -> Array:
        samples = self.key.samplesperpixel
        out = np.zeros((samples, y1 - y0, self.key.imagewidth), self.key.dtype.newbyteorder("="))
        kept = {}
        for index, (data, place, extent) in self._decoded(self._segments(y0, y1)):
            sample, _, top, left, _ = place
            _, rows, columns, inside = extent
            # The last tile of a row or column reaches beyond the image.
            rows = min(rows, self.key.imagelength - top)
            columns = min(columns, self.key.imagewidth - left)
            if top + rows > y1:
                kept[index] = (data, place, extent)
            if data is None:
                continue
            first, last = max(top, y0), min(top + rows, y1)
            part = data[0, first - top : last - top, :columns, :inside]
            target = out[sample : sample + inside, first - y0 : last - y0, left : left + columns]
            target[...] = np.moveaxis(part, -1, 0)
        self._kept = kept
        return out

    def release(self) -> None:
        self._kept = {}

    def _segments(self, y0: int, y1: int) -> list[int]:
        key = self.key
        height = key.tilelength if key.is_tiled else min(key.rowsperstrip, key.imagelength)
        across = -(-key.imagewidth // key.tilewidth) if key.is_tiled else 1
        down = -(-key.imagelength // height)
        copies = key.samplesperpixel if key.planarconfig == 2 else 1
        band = range(y0 // height * across, -(-y1 // height) * across)
        return [copy * down * across + i for copy in range(copies) for i in band]

    def _decoded(self, segments: list[int]) -> Iterator[tuple[int, Any]]:
        new = [index for index in segments if index not in self._kept]
        for index in segments:
            if index in self._kept:
                yield index, self._kept[index]
        yield from zip(new, self._decode_all(new), strict=True)

    def _decode_all(self, segments: list[int]) -> Iterable[Any]:
        # Few at a time: what is decoded waits until it is placed.
        if self.threads < 2 or len(segments) < 2:
            yield from map(self._decode, segments)
            return
        step = 4 * self.threads
        with ThreadPoolExecutor(self.threads) as pool:
            for start in range(0, len(segments), step):
                yield from pool.map(self._decode, segments[start : start + step])

    def _decode(self, index: int) -> tuple[Array | None, tuple[int, ...], tuple[int, ...]]:
        count = self.page.databytecounts[index]
        raw = self._bytes(self.page.dataoffsets[index], count) if count else None
        data, place, extent = self.key.decode(raw, index, jpegtables=self.key.jpegtables)
        return data, place, extent

    def _bytes(self, offset: int, count: int) -> bytes:
        with open(self.page.parent.filehandle.path, "rb") as file:
            file.seek(offset)
            return file.read(count)
