import numpy as np
import pytest
from numba import njit

from vitrail.portrait.bits import BITS, either, load, none, rows, some, store, unlike
from vitrail.portrait.counter import EIGHT, PLANES, count_eight, read_counts


@njit(error_model="numpy")
def counted(words, counts):
    """Counts of the rows of `words`, a multiple of eight."""
    fresh, planes, waiting = rows(EIGHT), rows(PLANES), rows(PLANES)
    for _ in range(2):  # Twice: reading leaves the planes empty.
        mask = 0
        for i in range(len(words)):
            store(fresh, i % EIGHT, load(words, i))
            if i % EIGHT == EIGHT - 1:
                mask = count_eight(fresh, planes, waiting, mask)
        read_counts(planes, waiting, mask, counts)


@pytest.mark.parametrize("eights", [0, 1, 2, 3, 7, 8, 100, 129])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_counts_of_all_bits(eights, share):
    bits = np.random.default_rng(eights).random((8 * eights, BITS)) < share
    words = np.packbits(bits, axis=1, bitorder="little").view(np.uint64)
    found = np.full(BITS, -1, np.int32)
    counted(np.ascontiguousarray(words).reshape(-1, BITS // 64), found)
    assert np.array_equal(found, bits.sum(axis=0))


@njit
def met(words):
    return some(load(words, 0)), some(none()), some(unlike(load(words, 0), load(words, 1)))


@njit
def joined(words):
    store(words, 2, either(load(words, 0), load(words, 1)))
    return words


def test_rows():
    words = np.zeros((3, BITS // 64), np.uint64)
    words[:2, 7] = np.uint64(1 << 63)
    assert met(words) == (True, False, False)
    words[1, 0] = 5
    assert met(words) == (True, False, True)
    assert joined(words)[2].tolist() == [5, 0, 0, 0, 0, 0, 0, 1 << 63]
    room = rows(5)
    assert room.shape == (5, BITS // 64)
    assert room.ctypes.data % 64 == 0
