"""Results in the order of the items, few of them held."""

import threading
import time

import pytest

from vitrail.parallel import in_order


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_in_order_keeps_the_order(threads):
    def slow_first(item):
        time.sleep(0.01 if item == 0 else 0)
        return item * item

    assert list(in_order(slow_first, range(20), threads)) == [item * item for item in range(20)]


def test_in_order_holds_few_results():
    lock, begun = threading.Lock(), []

    def note(item):
        with lock:
            begun.append(item)
        return item

    results = in_order(note, iter(range(100)), 2)
    assert next(results) == 0
    time.sleep(0.05)
    assert len(begun) <= 4
    assert list(results) == list(range(1, 100))


@pytest.mark.parametrize("threads", [1, 3])
def test_in_order_passes_an_error_on(threads):
    def fail(item):
        if item == 3:
            raise ValueError("three")
        return item

    with pytest.raises(ValueError, match="three"):
        list(in_order(fail, range(10), threads))
