"""What was counted, told by compiled code: the twin of `chargen.text.ngrams.Ngrams`.

It also counts on in the text that it reads, where a model learns while reading. Loading the
compiler takes half a second, so that it is used where a text is long, or a network is trained.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from chargen import kernels
from chargen.ranks import share
from chargen.text.contexts import LONGEST
from chargen.text.ngrams import CASES, Ngrams

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ids = NDArray[np.integer]
    Cases = NDArray[np.uint8]

ALONE = 1, 0
"""The powers where the network is alone."""

WORTH = 1 << 18
"""Probabilities for which several processors are used."""


class Told:
    """Tells of the next character by counting.

    Args:
        ngrams: counted in the training text; None if nothing was.
        size: V.
        characters: of one text that is to be read, if its n-grams are to be counted as well.

    Attributes:
        counted: what was counted before.
        seen: what is counted in the text that is read; empty if nothing is.
    """

    def __init__(self, ngrams: Ngrams | None, size: int, characters: int = 0) -> None:
        self.ngrams, self.size = ngrams, size
        self.counted = _counted(ngrams, size)
        self.seen = _unseen(self.counted, size, characters)

    @property
    def learns(self) -> bool:
        """Whether the text that is read is counted as well."""
        return len(self.seen.row_of) > 0

    @property
    def powers(self) -> Floats:
        """α and β (`CASES`, 2), as they are now."""
        return (self.seen if self.learns else self.counted).powers

    def forward(
        self, ids: Ids, past: Ids, ages: NDArray[np.int32] | None = None
    ) -> tuple[Floats, Cases, tuple[Ids]]:
        """Return what is told of the character after each of ``ids`` (B, T); see `Ngrams.forward`.

        If the text is counted as well, there is one, and each character is counted when the next
        one is asked for.
        """
        logs = np.empty((*ids.shape, self.size), np.float32)
        cases = np.empty(ids.shape, np.uint8)
        after = past.astype(np.int64)
        if ages is None:
            ages = np.full(ids.shape, LONGEST, np.int32)
        if logs.size < WORTH or self.learns:
            self._tell(ids, ages, after, logs, cases)
        else:
            # Rows do not depend on one another, and compiled code leaves the interpreter to others.
            number = os.cpu_count() or 1
            parts = [share(len(ids), part, number) for part in range(number)]
            cut = ([array[part] for part in parts] for array in (ids, ages, after, logs, cases))
            with ThreadPoolExecutor(number) as threads:
                list(threads.map(self._tell, *cut))
        return logs, cases, (after.astype(np.int32),)

    def _tell(
        self, ids: Ids, ages: Ids, past: NDArray[np.int64], logs: Floats, cases: Cases
    ) -> None:
        """Write log q and cases; and the last ids over those before."""
        kernels.tell_all(ids, ages, past, self.counted, self.seen, logs, cases)

    def follow(self, cases: Cases, targets: Ids, own: Floats, logs: Floats) -> None:
        """Let the powers follow what was right of characters (N,), if the text is counted.

        Args:
            own, logs: (N, V), logits of the network and log q.
        """
        kernels.follow_all(cases, targets, own, logs, self.seen)


def _counted(ngrams: Ngrams | None, size: int) -> kernels.Counted:
    """Return what was counted as compiled code reads it; no keys if nothing was."""
    first = np.full(size, np.float32(1) / np.float32(size))
    if ngrams is None:
        none, places = np.zeros(0, np.float32), np.zeros(0, np.int64)
        return kernels.Counted(
            powers=np.full((CASES, 2), ALONE, np.float32),
            keys=places,
            first=first,
            firsts=np.zeros(LONGEST + 2, np.int64),
            begin=places,
            character=np.zeros(0, np.int32),
            part=none,
            left=none,
            cases=np.zeros(0, np.uint8),
        )
    part, left = ngrams.part.astype(np.float32), ngrams.left.astype(np.float32)
    whole = slice(*ngrams.begin[:2])
    first *= left[0]
    first[ngrams.character[whole]] += part[whole]
    return kernels.Counted(
        powers=np.ascontiguousarray(ngrams.powers, np.float32),
        keys=ngrams.keys,
        first=first,
        firsts=np.append(0, np.cumsum(ngrams.weights["lengths"], dtype=np.int64)),
        begin=ngrams.begin,
        character=ngrams.character,
        part=part,
        left=left,
        cases=ngrams.cases,
    )


def _unseen(counted: kernels.Counted, size: int, characters: int) -> kernels.Seen:
    """Return room for what is counted in a text of so many characters; none if that is 0."""
    places = kernels.SEEN << kernels.BITS if characters else 0
    # The first row stands for "none". Memory that nobody has touched takes no room.
    room = 1 + min(kernels.SEEN * characters, places)
    return kernels.Seen(
        counted.powers.copy(),
        np.zeros(1, np.int64),
        np.zeros(places, np.int32),
        np.ones(1, np.int64),
        np.zeros((room, size), np.uint16),
        np.zeros(room, np.float32),
        np.zeros(room, np.float32),
        np.full(kernels.SEEN, -1),
    )
