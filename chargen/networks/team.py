"""The threads that share a step of a recurrence.

Between two products, a cell's work takes tens of microseconds. To wake a thread of Python takes
longer; Numba's threads share the rounds of a compiled loop within a few (`chargen.kernels.spread`).
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numba
import torch
from numba.core import config

EACH = 1 << 11
"""Units of all rows that a thread should have, if it is to save time."""

PROCESS = os.getpid()


def team(rows: int, hidden: int) -> int:
    """Return how many threads should share a step.

    They are no more than PyTorch uses for a product.

    Args:
        rows, hidden: texts side by side, and units of each.
    """
    wanted = min(torch.get_num_threads(), rows, rows * hidden // EACH)
    # OpenMP does not survive a fork: a child goes on with one thread.
    if wanted < 2 or os.getpid() != PROCESS or not _openmp():
        return 1
    return min(wanted, numba.get_num_threads())


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Let Numba share a loop among so many threads; one shares nothing, so nothing is changed."""
    if number == 1:
        yield
        return
    before = numba.get_num_threads()
    numba.set_num_threads(number)
    try:
        yield
    finally:
        numba.set_num_threads(before)


@cache
def _openmp() -> bool:
    """Return whether Numba has OpenMP's threads; its own ones do not allow two callers at once.

    If nothing else is wished (``NUMBA_THREADING_LAYER``), it is told to use them.
    """
    try:
        importlib.import_module("numba.np.ufunc.omppool")
    except ImportError:
        return False
    settings = vars(config)
    if settings["THREADING_LAYER"] == "default":
        settings["THREADING_LAYER"] = "omp"
    return True
