"""Network and counts, weighed together by compiled code: the twin of `chargen.text.ngrams.Ngrams`.

It also counts on in the text that it reads, where a model learns while reading. Loading the
compiler takes half a second, so that it is used where a text is long, or a network is trained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chargen import kernels
from chargen.text.contexts import LONGEST
from chargen.text.ngrams import CASES, Ngrams
from chargen.threads import divided

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ids = NDArray[np.integer]
    Array = NDArray[Any]

ALONE = 1, 0
"""The powers where the network is alone."""

WORTH = 1 << 17
"""For each so many probabilities, one thread."""


class Told:
    """Weighs a network and what was counted together.

    Args:
        ngrams: counted in the training text; None if nothing was.
        size: V.
        characters: of one text that is to be read, if its n-grams are to be counted as well.

    Attributes:
        counted: what was counted before.
        seen: what is counted in the text that is read, if anything is; and the powers.
    """

    def __init__(self, ngrams: Ngrams | None, size: int, characters: int = 0) -> None:
        self.ngrams, self.size = ngrams, size
        self.counted = _counted(ngrams, size)
        powers = ngrams.powers if ngrams else np.full((CASES, 2), ALONE)
        self.seen = _unseen(powers.astype(np.float32), size, characters)

    @property
    def learns(self) -> bool:
        """Whether the text that is read is counted as well."""
        return len(self.seen.row_of) > 0

    @property
    def powers(self) -> Floats:
        """α and β (`CASES`, 2), as they are now."""
        return self.seen.powers

    def weigh(
        self,
        ids: Ids,
        targets: Ids,
        past: Ids,
        ages: NDArray[np.int32] | None,
        wide: Array,
        rare: Array | None = None,
        *,
        logits: bool = False,
        kept: NDArray[np.bool_] | None = None,
    ) -> tuple[kernels.Weighed, Ids]:
        """Weigh network and counts together for the character after each of ``ids`` (B, T).

        If the text is counted as well, there is one, and each character is counted when the next
        one is asked for.

        Args:
            targets: (B, T), the characters that come.
            past: (B, `LONGEST` - 1), the ids before.
            ages: see `chargen.text.contexts.keys`.
            wide, rare: the network's logits as float32, or the bits of bfloat16; see
                `chargen.kernels.weigh`.
            logits: whether those of both together are asked for.
            kept: (B, T), the places of which logits and log q are asked for, each alone.

        Returns:
            What was asked for; and the ids before what follows.
        """
        if kept is None:
            kept = np.zeros(ids.shape, np.bool_)
        rows = int(kept.sum()), self.size
        weighed = kernels.Weighed(
            nats=np.empty(ids.shape, np.float32),
            hits=np.empty(ids.shape, np.bool_),
            cases=np.empty(ids.shape, np.uint8),
            alpha=np.empty(ids.shape, np.float32),
            logits=np.empty((*ids.shape, self.size) if logits else (0, 0, 0), np.float32),
            kept=np.where(kept, kept.cumsum().reshape(kept.shape), 0) - 1,
            own=np.empty(rows, np.float32),
            logs=np.empty(rows, np.float32),
        )
        after = past.astype(np.int32)
        given = (
            ids.astype(np.int32),
            np.full(ids.shape, LONGEST, np.int32) if ages is None else ages.astype(np.int32),
            targets.astype(np.int32),
            after,
            wide,
            np.empty((*wide.shape[:2], 0), wide.dtype) if rare is None else rare,
            self.counted,
            self.seen,
            weighed,
        )

        def some(first: int, stop: int) -> None:
            kernels.weigh(first, stop, *given)

        divided(some, len(ids), 1 if self.learns else ids.size * self.size // WORTH)
        return weighed, after


def _counted(ngrams: Ngrams | None, size: int) -> kernels.Counted:
    """Return what was counted as compiled code reads it; no keys if nothing was."""
    first = np.full(size, np.float32(1) / np.float32(size))
    if ngrams is None:
        none, places = np.zeros(0, np.float32), np.zeros(0, np.int64)
        return kernels.Counted(
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
        keys=ngrams.keys,
        first=first,
        firsts=np.append(0, np.cumsum(ngrams.weights["lengths"], dtype=np.int64)),
        begin=ngrams.begin,
        character=ngrams.character,
        part=part,
        left=left,
        cases=ngrams.cases,
    )


def _unseen(powers: Floats, size: int, characters: int) -> kernels.Seen:
    """Return room for what is counted in a text of so many characters; none if that is 0."""
    places = kernels.SEEN << kernels.BITS if characters else 0
    # The first row stands for "none". Memory that nobody has touched takes no room.
    room = 1 + min(kernels.SEEN * characters, places)
    return kernels.Seen(
        powers,
        np.zeros(1, np.int64),
        np.zeros(places, np.int32),
        np.ones(1, np.int64),
        np.zeros((room, size), np.uint16),
        np.zeros(room, np.float32),
        np.zeros(room, np.float32),
        np.full(kernels.SEEN, -1),
    )
