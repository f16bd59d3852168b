"""Threads that divide rows among them: for compiled code, which runs beside other threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from chargen.processes import processors
from chargen.ranks import share


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
