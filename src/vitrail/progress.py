"""How far long work is, said now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

Item = TypeVar("Item")
# What library functions take: it hands on the items of a loop, whose unit it is told.
Follow = Callable[[Iterable[Item], str], Iterable[Item]]


def silent(items: Iterable[Item], unit: str) -> Iterable[Item]:
    """Hand on the items and say nothing."""
    return items


class Progress:
    """Hands on the items of a loop; says how many are done, and the time to go.

    Parameters
    ----------
    say
        Gets each line.
    every
        Seconds between two lines at the least; shorter work says nothing.
    clock
        Gives seconds.
    """

    def __init__(
        self,
        say: Callable[[str], object],
        every: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._say = say
        self._every = every
        self._clock = clock

    def __call__(
        self, items: Iterable[Item], unit: str, total: int | None = None
    ) -> Iterator[Item]:
        """Hand on the items one by one.

        Parameters
        ----------
        items
            Of the loop.
        unit
            What they are, in the plural.
        total
            How many there are, where `items` has no length; None for not known.
        """
        total = len(items) if total is None and isinstance(items, Sized) else total
        started = said = self._clock()
        for done, item in enumerate(items):
            now = self._clock()
            if done and now - said >= self._every:
                self._say(_line(done, total, unit, now - started))
                said = now
            yield item


def _line(done: int, total: int | None, unit: str, seconds: float) -> str:
    if total is None:
        return f"{done} {unit} in {seconds / 60:.1f} min"
    left = (total - done) * seconds / done / 60
    return f"{done} of {total} {unit}, {left:.1f} min to go"
