"""The processes that train one network together, and what they tell one another.

Each process, called a rank, has the whole network and a share of the rows of every batch: lanes of
a text, or examples. Rank 0 alone writes and prints. `Ranks` is what training asks of them, and is
itself the one process that trains alone; `chargen.training.group` is several, by PyTorch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")


class Ranks:
    """One process that trains alone.

    Methods from `told` to `joined` are meetings: all ranks call them in the same order, or wait.

    Attributes:
        rank: the number of this process, from 0.
        size: how many there are.
    """

    rank = 0
    size = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and prints."""
        return self.rank == 0

    def share(self, rows: int) -> slice:
        """Return which of some rows are this rank's."""
        return share(rows, self.rank, self.size)

    def told(self, number: float) -> float:
        """Return the number that rank 0 has."""
        return number

    def given(self, make: Callable[[], T]) -> T:
        """Return what rank 0 makes; the other ranks make nothing.

        Raises:
            ChargenError: what rank 0 raised, on every rank.
        """
        return make()

    def alone(self, make: Callable[[], T]) -> T | None:
        """Return what rank 0 makes to it alone, and None to the others.

        Raises:
            ChargenError: what rank 0 raised, on every rank.
        """
        made: list[T] = []
        self.given(lambda: made.append(make()))
        return made[0] if made else None

    def summed(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of each number over all ranks."""
        return numbers

    def together(self, parts: Sequence[T]) -> list[T]:
        """Return what all ranks have, in their order."""
        return list(parts)

    def joined(self, rows: T) -> T:
        """Return the rows of a tensor, those of all ranks, in their order.

        Ranks may have different numbers of rows.
        """
        return rows

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Say clearly which rank does not answer, if one does not.

        Raises:
            TrainingError: a rank does not answer.
        """
        yield

    def leave(self) -> None:
        """Meet no more."""


ALONE = Ranks()


def share(rows: int, number: int, shares: int) -> slice:
    """Return one of several shares of some rows, which differ by one row at most.

    Example:
        >>> share(8, 1, 3)
        slice(3, 6, None)
    """
    each, more = divmod(rows, shares)
    start = number * each + min(number, more)
    return slice(start, start + each + (number < more))


def place() -> tuple[int, int]:
    """Return the rank of this process and how many there are, as ``torchrun`` tells it."""
    try:
        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    except (KeyError, ValueError):
        return 0, 1
    return (rank, size) if 0 <= rank < size else (0, 1)


def starts() -> int:
    """Return how often ``torchrun`` has started the processes again, after one of them failed."""
    try:
        return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))
    except ValueError:
        return 0


def job() -> str:
    """Return a name of the work that ``torchrun`` does here, the same after each of its starts."""
    return f"{os.environ.get('TORCHELASTIC_RUN_ID', '')} {os.getppid()}"
