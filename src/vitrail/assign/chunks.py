"""Chunks of a label image as runs of equal labels, shared by threads and held within a limit."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

# Columns between two entries of the index into a row's runs: a look-up steps over few runs.
STRIDE = 64
# Position in a chunk is one number of 32 bits.
MAX_SIDE = 1 << 16
# Pixels that are compared with their left neighbours at once.
AT_ONCE = 8
# Bytes of runs a look-up up to which reading all of them first is faster, and those that a core's
# cache holds.
BYTES_PER_LOOKUP = 512
IN_CACHE = 1 << 19


class Runs(NamedTuple):
    """A label chunk as runs of equal labels in a row, which take a tenth of its pixels' memory.

    A slide's labels then fit where its transcripts come in no spatial order, and each chunk is
    decoded once.

    Attributes
    ----------
    first
        int32 array of shape (height, ceil(width / STRIDE)): run that holds every STRIDE-th column.
    column
        uint16 array: first column of each run.
    label
        int32 array: label of each run.
    """

    first: npt.NDArray[np.int32]
    column: npt.NDArray[np.uint16]
    label: npt.NDArray[np.int32]

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(part.nbytes for part in self)


def encode(labels: npt.NDArray[np.int32]) -> Runs:
    """Runs of a label image int32 (y, x), at most `MAX_SIDE` pixels wide."""
    if max(labels.shape) > MAX_SIDE:
        raise ValueError(f"a chunk of {labels.shape} pixels, wanted at most {MAX_SIDE} a side")
    return Runs(*_encode(labels, _count_runs(labels)))


class ChunkCache:
    """Chunks that are read when first asked for and forgotten when memory is short.

    Threads may ask for chunks at the same time; each chunk is read by one of them.

    Parameters
    ----------
    read
        Gives the chunk of a number.
    limit
        Bytes that are held. Only time depends on it.
    """

    def __init__(self, read: Callable[[int], Runs], limit: int) -> None:
        self._read = read
        self._limit = limit
        self._lock = threading.Lock()
        self._chunks: OrderedDict[int, Future[Runs]] = OrderedDict()
        self._bytes = 0

    def __getitem__(self, number: int) -> Runs:
        with self._lock:
            chunk = self._chunks.get(number)
            is_new = chunk is None
            if chunk is None:
                chunk = self._chunks[number] = Future()
            self._chunks.move_to_end(number)
        if is_new:
            self._fill(number, chunk)
        return chunk.result()

    def _fill(self, number: int, chunk: Future[Runs]) -> None:
        try:
            runs = self._read(number)
        except BaseException as error:
            with self._lock:
                del self._chunks[number]
            chunk.set_exception(error)
            return
        chunk.set_result(runs)
        with self._lock:
            self._bytes += runs.nbytes
            for oldest in list(self._chunks):
                if self._bytes <= self._limit:
                    break
                if oldest != number and self._chunks[oldest].done():
                    self._bytes -= self._chunks.pop(oldest).result().nbytes


@numba.njit(cache=True, nogil=True)
def _count_runs(labels):  # type: ignore[no-untyped-def]
    h, w = labels.shape
    n = 0
    for i in range(h):
        row = labels[i]
        n += 1
        for j in range(1, w):
            n += row[j] != row[j - 1]
    return n


@numba.njit(cache=True, nogil=True)
def _encode(labels, runs):  # type: ignore[no-untyped-def]
    h, w = labels.shape
    first = np.empty((h, (w + STRIDE - 1) // STRIDE), np.int32)
    column = np.empty(runs, np.uint16)
    label = np.empty(runs, np.int32)
    n = 0
    for i in range(h):
        row, begin = labels[i], n
        column[n], label[n] = 0, row[0]
        n += 1
        groups = (w - 1) // AT_ONCE
        for group in range(groups):
            left = 1 + group * AT_ONCE
            if _changes(row, left):
                n = _append_runs(row, left, left + AT_ONCE, column, label, n)
        n = _append_runs(row, 1 + groups * AT_ONCE, w, column, label, n)
        run = begin
        for k in range(first.shape[1]):
            while run + 1 < n and column[run + 1] <= k * STRIDE:
                run += 1
            first[i, k] = run
    return first, column, label


@numba.njit(cache=True, nogil=True, inline="always")
def _append_runs(row, begin, end, column, label, n):  # type: ignore[no-untyped-def]
    """Add the runs that begin in some columns of a row; returns the new number of runs."""
    for j in range(begin, end):
        if row[j] != row[j - 1]:
            column[n], label[n] = j, row[j]
            n += 1
    return n


@numba.njit(cache=True, nogil=True, inline="always")
def _changes(row, j):  # type: ignore[no-untyped-def]
    """Whether one of `AT_ONCE` pixels from j on differs from its left neighbour.

    Written out, since the compiler then compares them with one instruction.
    """
    return (
        (row[j] ^ row[j - 1])
        | (row[j + 1] ^ row[j])
        | (row[j + 2] ^ row[j + 1])
        | (row[j + 3] ^ row[j + 2])
        | (row[j + 4] ^ row[j + 3])
        | (row[j + 5] ^ row[j + 4])
        | (row[j + 6] ^ row[j + 5])
        | (row[j + 7] ^ row[j + 6])
    ) != 0


@numba.njit(cache=True, nogil=True)
def gather(first, column, label, within, order, out):  # type: ignore[no-untyped-def]
    """Write the label of each pixel (row << 16 | column, in the chunk) to out[order]."""
    size = first.nbytes + column.nbytes + label.nbytes
    if size <= min(IN_CACHE, BYTES_PER_LOOKUP * within.size):
        _read_through(first, column, label)
    last = label.size - 1
    for k in range(within.size):
        y, x = within[k] >> 16, within[k] & 0xFFFF
        run = first[y, x // STRIDE]
        # The next row's first run starts at column 0, which ends every row.
        while run < last and column[run] < column[run + 1] <= x:
            run += 1
        out[order[k]] = label[run]


@numba.njit(cache=True, nogil=True)
def _read_through(first, column, label):  # type: ignore[no-untyped-def]
    """Bring a chunk into the cache at the speed of memory; look-ups would wait for each line.

    Returns a number, so that the compiler leaves nothing out.
    """
    found = 0
    for part in (first.ravel(), label):
        for k in range(0, part.size, 16):
            found ^= part[k]
    for k in range(0, column.size, 32):
        found ^= column[k]
    return found
