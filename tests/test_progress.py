import itertools

import numpy as np

from vitrail.progress import Progress, silent


def followed(items, total=None, seconds=10.0):
    """Items that take so many seconds each, and what is said."""
    lines = []
    ticks = itertools.count()
    progress = Progress(lines.append, every=30, clock=lambda: seconds * next(ticks))
    return list(progress(items, "tiles", total)), lines


def test_every_item_is_handed_on_and_the_time_to_go_is_said():
    items, lines = followed(range(9))
    assert items == list(range(9))
    # The first reading of the clock is at the start, the next when the first item is asked for.
    assert lines == [
        "2 of 9 tiles, 1.8 min to go",
        "5 of 9 tiles, 0.8 min to go",
        "8 of 9 tiles, 0.2 min to go",
    ]


def test_work_without_a_known_end_says_how_much_is_done():
    items, lines = followed(iter("abcd"))
    assert items == list("abcd")
    assert lines == ["2 tiles in 0.5 min"]


def test_a_total_is_taken_where_items_have_no_length():
    assert followed(iter("abcd"), total=4)[1] == ["2 of 4 tiles, 0.5 min to go"]


def test_short_work_and_silence_say_nothing():
    assert followed(np.arange(5), seconds=1)[1] == []
    assert list(silent([1, 2], "tiles")) == [1, 2]
