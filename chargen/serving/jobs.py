"""What somebody wants to be written, and its texts while they are."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chargen.tasks.draft import Draft, pieces_of
from chargen.tasks.drawing import Sampling
from chargen.tasks.rules import Guide, Plan
from chargen.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ids = NDArray[np.int32]

AHEAD = 64
"""Random numbers that a text draws at once."""

BACKLOG = 4096
"""Bytes that wait for a slow reader; then its texts wait, too."""


class Told(NamedTuple):
    """What is told of a character.

    Attributes:
        id: the character.
        nats: what it cost, at temperature 1 without filters and rules.
        top: the likeliest characters instead of it, and their nats.
    """

    id: int
    nats: float
    top: list[tuple[int, float]]


class Piece(NamedTuple):
    """A part of a text that is ready to be sent.

    Attributes:
        row: which text of the job.
        data: its bytes.
        told: of each character; empty if nobody asked.
        finish: why the text has ended, ``length`` or ``stop``; None if it has not.
    """

    row: int
    data: bytes
    told: list[Told]
    finish: str | None


@dataclass(frozen=True)
class Wish:
    """What somebody wants to be written.

    Attributes:
        prompt: ids to go on from.
        sampling: how; ``count`` texts, of seeds that follow one another.
        plan: how to keep rules, if there are any.
        tell: how many of the likeliest characters to tell; None to tell nothing.
        echo: whether to tell of the prompt's characters, too.
        live: whether somebody reads along; else all is kept until it is done.
    """

    prompt: Ids
    sampling: Sampling
    plan: Plan | None = None
    tell: int | None = None
    echo: bool = False
    live: bool = False


class Job:
    """The texts of one wish while they are written. One thread writes, another reads.

    Attributes:
        pieces: what is ready; the reader takes it away.
        echoed: what is told of the prompt; complete before the first piece.
        error: why the job failed.
        gone: set by the reader, if it wants no more.
        sent, taken: bytes that were made ready, and those of them that the reader took.
        left: texts that have not ended.
    """

    def __init__(self, wish: Wish, vocabulary: Vocabulary) -> None:
        self.wish = wish
        self.pieces: deque[Piece] = deque()
        self.echoed: list[Told] = []
        self.error: Exception | None = None
        self.gone = False
        self.sent = self.taken = 0
        sampling, seeds = wish.sampling, range(wish.sampling.count)
        pieces = pieces_of(vocabulary)
        self.rows = [Row(self, number, sampling, pieces) for number in seeds]
        self.left = len(self.rows)

    @property
    def slow(self) -> bool:
        """Whether its reader is behind."""
        return self.wish.live and self.sent - self.taken > BACKLOG

    def put(self, piece: Piece) -> None:
        """Make a piece ready."""
        self.sent += len(piece.data)
        self.pieces.append(piece)
        # Set last, so that whoever sees that nothing is left finds every piece.
        self.left -= piece.finish is not None

    def take(self) -> list[Piece]:
        """Take away what is ready."""
        found = [self.pieces.popleft() for _ in range(len(self.pieces))]
        self.taken += sum(len(piece.data) for piece in found)
        return found


class Row:
    """One text of a job.

    Attributes:
        watched: whether each character is looked at as it comes: it may end the text, or somebody
            wants to know more of it.
        sent: whether anything was sent.
    """

    def __init__(self, job: Job, number: int, sampling: Sampling, pieces: Sequence[bytes]) -> None:
        seed = sampling.seed + number
        self.job, self.number, self.sampling = job, number, sampling
        self.ready = bytearray()
        self.told: deque[tuple[int, Told]] = deque()
        self.drawn = 0
        self.pieces = pieces
        self.draft = Draft(pieces, sampling, seed, self.ready.extend)
        self.random = np.random.Generator(np.random.PCG64(seed))
        self.uniform: deque[float] = deque()
        plan = job.wish.plan
        self.guide = None if plan is None else Guide(plan, 1)
        self.watched = bool(sampling.stops) or plan is not None or job.wish.tell is not None
        self.sent = False
        self.how = (sampling.temp, sampling.top_k, sampling.top_p, sampling.min_p)

    def chance(self) -> float:
        """Return the next random number in [0, 1)."""
        if not self.uniform:
            self.uniform.extend(self.random.random(AHEAD).tolist())
        return self.uniform.popleft()

    @property
    def left(self) -> int:
        """How many characters are still to be drawn, at most."""
        return self.sampling.length - self.drawn

    @property
    def over(self) -> bool:
        """Whether the text has ended."""
        return self.draft.stopped or self.left <= 0

    def read(self, told: Told) -> None:
        """Take in the next character, and look what it means.

        Raises:
            UsageError: its rules leave nothing that could follow.
        """
        over = False
        if self.guide is not None:
            self.guide.read(np.array([told.id], np.int32))
            self.guide.require_way()
            over = bool(self.guide.over[0])
        if self.job.wish.tell is not None:
            self.told.append((len(self.draft.data) + len(self.pieces[told.id]), told))
        self.drawn += 1
        self.draft.take([told.id], [told.nats], over)

    def read_on(self, ids: list[int], nats: list[float]) -> None:
        """Take in the next characters of a text that ends by its length alone."""
        self.drawn += len(ids)
        self.draft.take(ids, nats)

    def send(self) -> bool:
        """Make ready what is settled; return whether there was anything."""
        finish = self.draft.finish().finish if self.over else None
        if not self.ready and finish is None:
            return False
        told = []
        while self.told and self.told[0][0] <= self.draft.written:
            told.append(self.told.popleft()[1])
        self.job.put(Piece(self.number, bytes(self.ready), told, finish))
        self.ready.clear()
        self.sent = True
        return True


def told(logs: Floats, index: int, most: int) -> Told:
    """Return what is told of a character under log-probabilities (V,)."""
    likeliest = np.argsort(-logs, kind="stable")[:most] if most else ()
    return Told(index, -float(logs[index]), [(int(one), -float(logs[one])) for one in likeliest])
