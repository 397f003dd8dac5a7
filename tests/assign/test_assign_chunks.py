"""Runs of equal labels give back every pixel of the chunk that they were made from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrail.assign.chunks import BYTES_PER_LOOKUP, IN_CACHE, MAX_SIDE, encode, gather


def pixels(labels):
    """Row << 16 | column of every pixel."""
    y, x = np.indices(labels.shape, dtype=np.uint32)
    return ((y << 16) | x).ravel()


def looked_up(labels, within):
    out = np.full(len(within), -9, np.int32)
    order = np.random.default_rng(0).permutation(len(within)).astype(np.int32)
    gather(*encode(labels), within[order], order, out)
    return out


@st.composite
def chunks(draw):
    """Images whose runs end anywhere: at the borders of groups, of strides and of rows."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 200)))
    mean_run = draw(st.sampled_from([1, 3, 20, 100]))
    starts = rng.random(shape) < 1 / mean_run
    return rng.integers(0, 3, shape, dtype=np.int32).ravel()[np.cumsum(starts) - 1].reshape(shape)


@settings(max_examples=200, deadline=None)
@given(chunks())
def test_every_pixel_gives_its_label(labels):
    assert np.array_equal(looked_up(labels, pixels(labels)), labels.ravel())


@settings(max_examples=100, deadline=None)
@given(chunks())
def test_a_run_ends_where_the_label_or_the_row_does(labels):
    runs = encode(labels)
    begins = np.diff(labels, axis=1, prepend=-1) != 0
    assert np.array_equal(runs.column, np.nonzero(begins)[1])
    assert np.array_equal(runs.label, labels[begins])


@pytest.mark.parametrize("lookups", [1, 10_000])
def test_few_and_many_look_ups_give_the_same_labels(lookups):
    labels = np.random.default_rng(3).integers(0, 9, (300, 257), dtype=np.int32)
    # One look-up is too few to read all runs first, so many are enough.
    size = encode(labels).nbytes
    assert BYTES_PER_LOOKUP < size <= min(IN_CACHE, BYTES_PER_LOOKUP * 10_000)
    within = np.random.default_rng(4).choice(pixels(labels), lookups)
    assert np.array_equal(looked_up(labels, within), labels[within >> 16, within & 0xFFFF])


def test_a_chunk_that_positions_cannot_name_is_refused():
    with pytest.raises(ValueError, match="wanted at most 65536 a side"):
        encode(np.zeros((1, MAX_SIDE + 1), np.int32))
