"""Runs of characters that a text shares with a model's corpus, while it is being written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from chargen.errors import UsageError, argument
from chargen.text.grams import Grams, prints
from chargen.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]
    Ids = NDArray[np.int32]


class Limit:
    """How long a run may be that the corpus has, too.

    A run of more than ``most`` characters consists of stretches of a length whose fingerprints are
    known, one a character: so many stretches of the corpus, one after another, are not allowed.

    Args:
        grams: what is known of the corpus.
        most: characters of a run, at most.
        vocabulary: the model's.

    Raises:
        UsageError: all lengths that are known are longer.
    """

    def __init__(self, grams: Grams, most: int, vocabulary: Vocabulary) -> None:
        known = [size for size in grams.filters if size <= most + 1]
        if not known:
            least = min(grams.filters, default=1) - 1
            raise UsageError(
                f"{argument('max_copy')} is {most}, and the model knows only longer stretches of "
                "its corpus, or none",
                f"Give {least} at least",
            )
        self.grams, self.size = grams, max(known)
        self.stretches = most + 1 - self.size
        self.points = np.frombuffer(vocabulary.characters.encode("utf-32-le"), np.uint32)


class Runs:
    """The runs at the end of some texts.

    Args:
        limit: of a run.
        count: texts, all at their beginning.
    """

    def __init__(self, limit: Limit, count: int) -> None:
        self.limit = limit
        self.last = np.zeros((count, limit.size), np.uint32)
        self.drawn = 0
        self.stretches = np.zeros(count, np.int64)

    def read(self, ids: Ids) -> None:
        """Take in the next character of each text (B,)."""
        self.last = np.concatenate((self.last[:, 1:], self.limit.points[ids][:, None]), axis=1)
        self.drawn += 1
        found = self._known(self.last)
        self.stretches = np.where(found, self.stretches + 1, 0)

    def forbidden(self) -> Flags:
        """Return which characters would make a run too long (B, V)."""
        points = self.limit.points
        found = np.zeros((len(self.last), len(points)), np.bool_)
        for row in np.flatnonzero(self.stretches >= self.limit.stretches).tolist():
            begin = np.broadcast_to(self.last[row, 1:], (len(points), self.limit.size - 1))
            found[row] = self._known(np.concatenate((begin, points[:, None]), axis=1), coming=1)
        return found

    def _known(self, stretches: NDArray[np.uint32], coming: int = 0) -> Flags:
        """Return which stretches (N, size) the corpus has; none before there are characters."""
        size = self.limit.size
        if self.drawn + coming < size:
            return np.zeros(len(stretches), np.bool_)
        found = prints(stretches.ravel(), size)[::size]
        return self.limit.grams.has(found, size)

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these texts only."""
        self.last, self.stretches = self.last[rows], self.stretches[rows]
