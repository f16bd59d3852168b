"""Threads that divide rows among them: for compiled code, which runs beside other threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from chargen.ranks import share


def divided(work: Callable[[int, int], None], rows: int, most: int) -> None:
    """Do work on all of some rows, by one thread for each processor at most.

    Args:
        work: is given the first of its rows, and where they stop.
        most: threads.
    """
    number = min(os.cpu_count() or 1, rows, most)
    if number < 2:
        work(0, rows)
        return
    parts = [share(rows, part, number) for part in range(number)]
    with ThreadPoolExecutor(number) as threads:
        list(threads.map(work, (part.start for part in parts), (part.stop for part in parts)))
