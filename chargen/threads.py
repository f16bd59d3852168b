"""Threads that divide rows among them: for compiled code, which runs beside other threads.

There are two kinds. Python's own are for work of a millisecond and more. Numba's share the rounds
of one compiled loop, and cost a few microseconds: for a step of a recurrence.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache

from chargen.processes import processors
from chargen.ranks import share

EACH = 1 << 11
"""Units of a recurrent layer that a thread should have, if it is to save time."""

PROCESS = os.getpid()


def team(rows: int, hidden: int, most: int) -> int:
    """Return how many of Numba's threads should share a step of a recurrent layer.

    Args:
        rows, hidden: texts side by side, and units of each.
        most: threads at most.
    """
    wanted = min(most, rows, rows * hidden // EACH)
    # OpenMP does not survive a fork: a child goes on with one thread.
    if wanted < 2 or os.getpid() != PROCESS or not _openmp():
        return 1
    import numba

    return min(wanted, numba.get_num_threads())


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Let Numba share a loop among so many threads; no matter for one, which shares nothing."""
    if number == 1:
        yield
        return
    import numba

    before = numba.get_num_threads()
    numba.set_num_threads(number)
    try:
        yield
    finally:
        numba.set_num_threads(before)


@cache
def _openmp() -> bool:
    """Return whether Numba has OpenMP's threads; its own ones do not allow two callers at once."""
    try:
        importlib.import_module("numba.np.ufunc.omppool")
    except ImportError:
        return False
    return True


def divided(work: Callable[[int, int], None], rows: int, most: int) -> None:
    """Do work on all of some rows, by one thread for each processor at most.

    Args:
        work: is given the first of its rows, and where they stop.
        most: so many threads at most.
    """
    number = max(1, min(processors(), rows, most))
    mine, *others = (share(rows, part, number) for part in range(number))
    waiting = [_threads().submit(work, part.start, part.stop) for part in others]
    try:
        work(mine.start, mine.stop)
    finally:
        for other in waiting:
            other.result()


@cache
def _threads() -> ThreadPoolExecutor:
    """Return all threads but the caller's; to start them takes longer than many a work."""
    return ThreadPoolExecutor(max(1, processors() - 1), "divided")


# A process that is forked has none of them.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)
