"""Threads for compiled code that releases the interpreter's lock."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def available_threads() -> int:
    """Threads that this process may use: NUMBA_NUM_THREADS where set, else the usable cores."""
    fixed = os.environ.get("NUMBA_NUM_THREADS", "")
    if fixed.isdigit() and int(fixed) > 0:
        return int(fixed)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def spans(n: int, pieces: int) -> list[tuple[int, int]]:
    """Cut ``range(n)`` into at most `pieces` consecutive, non-empty spans of like length."""
    pieces = max(1, min(pieces, n))
    cuts = [n * i // pieces for i in range(pieces + 1)]
    return list(itertools.pairwise(cuts)) if n else []


def threaded(
    function: Callable[[Item], Result], items: Sequence[Item], threads: int | None = None
) -> list[Result]:
    """Results of `function` on each item, in the order of the items.

    Parameters
    ----------
    function
        Releases the interpreter's lock for most of its time.
    items
        One argument each.
    threads
        Number of threads; None for `available_threads`.
    """
    workers = min(threads or available_threads(), len(items))
    if workers <= 1:
        return [function(item) for item in items]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, items))


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int | None = None
) -> Iterator[Result]:
    """Results of `function` on each item, one by one in the order of the items.

    At most one result more than there are threads is held, so that memory does not grow with the
    number of items.

    Parameters
    ----------
    function, threads
        As in `threaded`.
    items
        One argument each; taken as threads become free.
    """
    workers = threads or available_threads()
    if workers <= 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
