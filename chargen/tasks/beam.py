r"""Beam search through the gaps of a text, from its left to its right.

A hypothesis is a guess of everything that was missing so far. For each hypothesis, a reader
proposes the next character of a gap; the ``width`` cheapest hypotheses are kept. At the end of a
gap the reader computes the cost of each filling again, now together with the text around it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from chargen.engine.language_model import WINDOW, State, joined, pick
from chargen.engine.stack import Stack
from chargen.kinds import LONGEST_GAP

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ids = NDArray[np.int32]
    Doubles = NDArray[np.float64]

GIVEN = 256
"""The most characters that are read on each side of a gap to know its context."""


@dataclass(frozen=True)
class Gap:
    """A place where characters are missing: how many, or None if nobody knows."""

    length: int | None


Row = tuple["Ids", "Ids", "Ids"]
"""A filling in its place: the text before it, the filling, the text after it."""


class Reader(Protocol):
    """A model, as restoring needs it."""

    @property
    def bos(self) -> int:
        """V, the id that stands for "no character"."""

    @property
    def left(self) -> Stack:
        """What reads the text on the left of a gap."""

    def look(self, after: Ids) -> Floats:
        """Return what is to be known of the text to the right of a gap."""

    def predict(self, read: Floats, right: Floats, remaining: int) -> Floats:
        """Return the log-probabilities (B, V + 1) of the next character, the last: no more.

        Args:
            read: (B, H), what was read on the left.
            right: as from `look`.
            remaining: characters still missing; 0 for an unknown number.
        """

    def cost(self, rows: Sequence[Row], nats: Doubles) -> Doubles:
        """Return the costs of whole fillings; as proposals they cost ``nats`` (B,)."""


@dataclass
class Beam:
    """Hypotheses about all that was missing so far, side by side.

    Attributes:
        fills: for each hypothesis, the ids put into each gap.
        settled: (B,), the cost of each hypothesis before its last gap.
        nats: (B,), the cost of the last gap's filling, on top of that.
        read: (B, …), the last outputs of the reader's left side.
        state: the state of the reader's left side.
    """

    fills: list[tuple[tuple[int, ...], ...]]
    settled: Doubles
    nats: Doubles
    read: Floats
    state: State

    def pick(self, rows: Sequence[int] | NDArray[Any], nats: Doubles) -> Beam:
        """Return some of the hypotheses, their last filling at new costs."""
        fills = [self.fills[row] for row in rows]
        return Beam(fills, self.settled[rows], nats, self.read[rows], pick(self.state, rows))

    def best(self, width: int) -> Beam:
        """Return the cheapest hypotheses, the cheapest first."""
        order = np.argsort(self.settled + self.nats, kind="stable")[:width]
        return self.pick(order, self.nats[order])

    def put(self, ids: Ids, left: Stack) -> None:
        """Put a character at the end of each hypothesis's last gap."""
        self.fills = [
            (*fills[:-1], (*fills[-1], int(index)))
            for fills, index in zip(self.fills, ids, strict=True)
        ]
        read, self.state = left.forward(ids[:, None], self.state)
        self.read = read[:, 0]


def join(one: Beam, other: Beam) -> Beam:
    """Return the hypotheses of both as one beam."""
    return Beam(
        one.fills + other.fills,
        np.concatenate((one.settled, other.settled)),
        np.concatenate((one.nats, other.nats)),
        np.concatenate((one.read, other.read)),
        joined(one.state, other.state),
    )


def fill(
    reader: Reader, beam: Beam, before: Sequence[Ids], gap: Gap, after: Ids, width: int
) -> Beam:
    """Return the ``width`` best hypotheses after a gap, the best first.

    Args:
        before: the text to the left of the gap, or its end, for each hypothesis.
        after: the text to the right.
    """
    proposed = _propose(reader, beam, gap, after, width)
    came = dict(zip(beam.fills, before, strict=True))
    rows = [
        (came[fills[:-1]], np.array(fills[-1], dtype=np.int32), after) for fills in proposed.fills
    ]
    proposed.nats = reader.cost(rows, proposed.nats)
    return proposed.best(width)


def _propose(reader: Reader, beam: Beam, gap: Gap, after: Ids, width: int) -> Beam:
    right = reader.look(after[:GIVEN])
    zeros = np.zeros(len(beam.fills))
    fills = [(*fills, ()) for fills in beam.fills]
    beam = Beam(fills, beam.settled + beam.nats, zeros, beam.read, beam.state)
    ended: Beam | None = None
    for put in range(LONGEST_GAP if gap.length is None else gap.length):
        logs = reader.predict(beam.read, right, 0 if gap.length is None else gap.length - put)
        costs = beam.nats[:, None] - logs
        if gap.length is None:
            here = beam.pick(np.arange(len(costs)), costs[:, -1])
            ended = (here if ended is None else join(ended, here)).best(width)
            # Costs only grow: a hypothesis that costs more than all ended ones cannot replace one.
            dearest = (ended.settled + ended.nats)[-1]
            if len(ended.nats) == width and (beam.settled + beam.nats).min() >= dearest:
                break
        going = costs[:, :-1]
        order = np.argsort((beam.settled[:, None] + going).ravel(), kind="stable")[:width]
        beam = beam.pick(order // going.shape[1], going.ravel()[order])
        beam.put((order % going.shape[1]).astype(np.int32), reader.left)
    if gap.length is not None:
        return beam
    here = beam.pick(
        np.arange(len(beam.nats)), beam.nats - reader.predict(beam.read, right, 0)[:, -1]
    )
    return (here if ended is None else join(ended, here)).best(width)


def search(
    reader: Reader,
    pieces: Sequence[Ids | Gap],
    width: int,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Beam, Doubles]:
    """Fill all gaps; return the hypotheses, the best first, and the probability of each.

    Args:
        pieces: what is there as ids, and what is not.
        width: hypotheses followed side by side.
        progress: called with pieces done and pieces in all.
    """
    start = np.array([[reader.bos]], dtype=np.int32)
    read, state = reader.left.forward(start, reader.left.start(1))
    nothing = np.empty(0, dtype=np.int32)
    beam = Beam([()], np.zeros(1), np.zeros(1), read[:, 0], state)
    # The last `GIVEN` characters of each hypothesis's text: the reader needs no more.
    texts = [nothing]
    for number, piece in enumerate(pieces):
        if isinstance(piece, Gap):
            after = pieces[number + 1] if number + 1 < len(pieces) else nothing
            assert not isinstance(after, Gap)
            came = dict(zip(beam.fills, texts, strict=True))
            beam = fill(reader, beam, texts, piece, after, width)
            texts = [
                np.concatenate((came[fills[:-1]], fills[-1])).astype(np.int32)[-GIVEN:]
                for fills in beam.fills
            ]
        elif number + 1 < len(pieces):
            _read_on(reader, beam, piece)
            texts = [np.concatenate((text, piece))[-GIVEN:] for text in texts]
        if progress is not None:
            progress(number + 1, len(pieces))
    nats = beam.settled + beam.nats
    likely = np.exp(nats[0] - nats)
    return beam, likely / likely.sum()


def _read_on(reader: Reader, beam: Beam, ids: Ids) -> None:
    """Let all hypotheses read what stands after the gap."""
    for at in range(0, len(ids), WINDOW):
        rows = np.repeat(ids[None, at : at + WINDOW], len(beam.fills), axis=0)
        read, beam.state = reader.left.forward(rows, beam.state)
        beam.read = read[:, -1]
