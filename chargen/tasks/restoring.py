r"""Filling the gaps of a damaged text, from its left to its right, by beam search.

A bidirectional model (see `chargen.networks.bidirectional`) proposes fillings that fit both sides,
and then judges each once more by what either of its stacks makes of the whole: with L and R the
text on the left and on the right, a filling F costs

    w₀ (-log P(F | L, R)) + w₁ (-log P(F R | L)) + w₂ (-log P(L F | R)),

the first from the proposal, the second from the stack that reads from the left, the third from the
mirror. A left-to-right model can do the same job with the second alone, and is the one to beat.

A filling's probability is its share of exp(-cost) among the fillings considered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from chargen.architecture import LONGEST_GAP, Architecture
from chargen.engine.stack import Engine, State, Tower
from chargen.errors import UsageError
from chargen.options import check
from chargen.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ids = NDArray[np.int32]
    Doubles = NDArray[np.float64]

MARK = re.compile(r"\\\[|\[(\.\.\.|…|\?|\d{1,9})\]")
"""A gap: [...] of unknown length, [?] one character, [5] five; \\[ is a bracket of the text."""

BEAM = 20
GIVEN = 256
"""Characters that are read on either side of a gap to know what it stands in, at most."""

NEAR = 64
"""Characters on either side of a filling that are charged to it."""

WEIGHTS = (0.1, 0.45, 0.45)
"""What a bidirectional model's three judgements of a filling count."""

READ = 256
"""Characters read at a time, at most: what a transformer attends to grows with them."""

READ_OUT = 1 << 21
"""Logits made at a time, at most, in numbers: 8 MiB."""


@dataclass(frozen=True)
class Gap:
    """Where characters are missing: so many, or None where nobody knows."""

    length: int | None


def parse(text: str) -> list[str | Gap]:
    """Cut a damaged text into what is there and what is not.

    Gaps side by side are one.

    Raises:
        UsageError: no gap is marked, one is longer than a model can hold, or the last is of unknown
            length with nothing behind it.

    Examples:
        >>> parse("To be, or [...] to be[?]")
        ['To be, or ', Gap(length=None), ' to be', Gap(length=1)]
    """
    pieces: list[str | Gap] = []
    kept = ""
    at = 0
    for mark in MARK.finditer(text):
        kept += text[at : mark.start()]
        at = mark.end()
        if mark[1] is None:
            kept += "["
            continue
        if kept:
            pieces.append(kept)
            kept = ""
        length = {"...": None, "…": None, "?": 1}.get(mark[1], 0)
        length = int(mark[1]) if length == 0 else length
        if pieces and isinstance(pieces[-1], Gap):
            before = pieces.pop()
            assert isinstance(before, Gap)
            if length is None or before.length is None:
                length = None
            else:
                length += before.length
        if length is not None and not 1 <= length <= LONGEST_GAP:
            raise UsageError(
                f"a gap of {length} characters cannot be held",
                f"Mark 1 to {LONGEST_GAP} characters, or [...] for an unknown number",
            )
        pieces.append(Gap(length))
    if at < len(text) or kept:
        pieces.append(kept + text[at:])
    if not any(isinstance(piece, Gap) for piece in pieces):
        raise UsageError(
            "no gap is marked in the text", "Write [...] where it is, or [?], or [5] for five"
        )
    if pieces[-1] == Gap(None):
        raise UsageError(
            "nothing stands to the right of the last gap to tell how long it is",
            "Say how many characters are missing, as [20], or continue it: chargen sample --prime",
        )
    return pieces


Row = tuple["Ids", "Ids", "Ids"]
"""A filling in its place: the text before it, the filling, the text after it."""


class Reader(Protocol):
    """A kind of model, as restoring needs it."""

    left: Tower

    def look(self, after: Ids) -> Floats:
        """Return what is to be known of the text to the right of a gap."""

    def predict(self, read: Floats, right: Floats, togo: int) -> Floats:
        """Return the log-probabilities (B, V + 1) of the next character, the last: no more.

        Args:
            read: (B, H), what was read on the left.
            right: as from `look`.
            togo: characters still missing; 0 for an unknown number.
        """

    def judge(self, rows: Sequence[Row], nats: Doubles) -> Doubles:
        """Return what fillings cost, all said and done, that cost ``nats`` as proposals."""


def log_softmax(logits: Floats) -> Floats:
    """Return the logarithm of the softmax over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    logs: Floats = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return logs


def along(
    tower: Tower,
    read_out: Callable[[Floats], Floats],
    none: int,
    given: Sequence[Ids],
    charged: Sequence[Ids],
) -> Doubles:
    """Return the nats (B,) that a stack charges for texts after what it is given before each.

    Args:
        read_out: from its outputs to logits (…, V).
        none: V; where it stands for an unknown character, that costs nothing.
    """
    # Read once for all, if it is the same for all.
    shared = given[0] if all(np.array_equal(given[0], other) for other in given) else given[0][:0]
    first = np.concatenate(([none], shared)).astype(np.int32)
    before, state = tower.climb(first[None], tower.start(1))
    own = [one[len(shared) :] for one in given]
    size = max(len(one) + len(text) for one, text in zip(own, charged, strict=True))
    rows = np.full((len(own), size), none, dtype=np.int32)
    counted = np.zeros(rows.shape, dtype=np.bool_)
    for row, (one, text) in enumerate(zip(own, charged, strict=True)):
        rows[row, : len(one) + len(text)] = np.concatenate((one, text))
        counted[row, len(one) : len(one) + len(text)] = True
    state = [tuple(np.repeat(part, len(rows), axis=0) for part in parts) for parts in state]
    counted &= rows != none
    wanted = np.where(counted, rows, 0)

    def charge(read: Floats, places: slice) -> Doubles:
        logs = log_softmax(read_out(read))
        taken = np.take_along_axis(logs, wanted[:, places, None], axis=-1)[..., 0]
        nats: Doubles = -np.where(counted[:, places], taken, 0).sum(axis=-1, dtype=np.float64)
        return nats

    nats = charge(np.repeat(before[:, -1:], len(rows), axis=0), slice(0, 1))
    # A window at a time, lest memory grow with the text.
    step = max(1, min(READ, READ_OUT // (len(rows) * none)))
    for at in range(1, size, step):
        places = slice(at, min(at + step, size))
        read, state = tower.climb(rows[:, at - 1 : places.stop - 1], state)
        nats += charge(read, places)
    return nats


class BothSides:
    """A bidirectional model; from the equations in `chargen.networks.bidirectional`."""

    def __init__(self, architecture: Architecture, weights: Mapping[str, Floats]) -> None:
        self.left = Tower(architecture, weights)
        self.mirror = Tower(architecture, weights, "mirror")
        self.weights = weights
        self.none = len(weights["embedding.weight"]) - 1

    def _linear(self, name: str, x: Floats) -> Floats:
        product: Floats = x @ self.weights[f"{name}.weight"].T
        return product

    def look(self, after: Ids) -> Floats:
        """Return g (1, H), what the mirror has read of the text to the right."""
        backwards = np.concatenate(([self.none], after[::-1])).astype(np.int32)
        read, _ = self.mirror.climb(backwards[None], self.mirror.start(1))
        return self._linear("right", read[:, -1])

    def predict(self, read: Floats, right: Floats, togo: int) -> Floats:
        """Return the log-probabilities (B, V + 1)."""
        both = np.tanh(self._linear("left", read) + right + self.weights["togo.weight"][togo])
        return log_softmax(self._linear("output", both) + self.weights["output.bias"])

    def follow(self, read: Floats) -> Floats:
        """Return the left stack's logits (…, V) for the character that follows."""
        return self._linear("following", read) + self.weights["following.bias"]

    def precede(self, read: Floats) -> Floats:
        """Return the mirror's logits (…, V) for the character that precedes."""
        return self._linear("preceding", read) + self.weights["preceding.bias"]

    def judge(self, rows: Sequence[Row], nats: Doubles) -> Doubles:
        """Return the cost by the proposal and by either stack; see above."""
        forwards = along(
            self.left,
            self.follow,
            self.none,
            [before[-GIVEN:] for before, _, _ in rows],
            [np.concatenate((filling, after[:NEAR])) for _, filling, after in rows],
        )
        backwards = along(
            self.mirror,
            self.precede,
            self.none,
            [after[:GIVEN][::-1] for _, _, after in rows],
            [np.concatenate((before[-NEAR:], filling))[::-1] for before, filling, _ in rows],
        )
        total: Doubles = WEIGHTS[0] * nats + WEIGHTS[1] * forwards + WEIGHTS[2] * backwards
        return total


class LeftToRight:
    """A model that continues texts, made to fill gaps."""

    def __init__(self, engine: Engine) -> None:
        self.left: Tower = engine
        self.engine = engine

    def look(self, after: Ids) -> Floats:
        """Return the first character to the right, if any, as a row that picks it."""
        first = np.zeros((1, self.engine.none), dtype=np.float32)
        known = after[:1][after[:1] < self.engine.none]
        first[0, known] = 1
        return first

    def predict(self, read: Floats, right: Floats, togo: int) -> Floats:
        """Return the log-probabilities (B, V + 1); "no more" is as likely as what follows then."""
        logs = log_softmax(self.engine.read_out(read))
        return np.concatenate((logs, (logs * right).sum(axis=-1, keepdims=True)), axis=-1)

    def judge(self, rows: Sequence[Row], nats: Doubles) -> Doubles:
        """Return the cost of the filling and of what stands after it."""
        return along(
            self.left,
            self.engine.read_out,
            self.engine.none,
            [before[-GIVEN:] for before, _, _ in rows],
            [np.concatenate((filling, after[:NEAR])) for _, filling, after in rows],
        )


@dataclass
class Beam:
    """Hypotheses about all that was missing so far, side by side.

    Attributes:
        fills: of each, the ids put into each gap.
        settled: (B,), what each cost up to the last gap.
        nats: (B,), what that gap's filling costs on top.
        read: (B, H), what the left stack has read of each, and
        state: its state.
    """

    fills: list[tuple[tuple[int, ...], ...]]
    settled: Doubles
    nats: Doubles
    read: Floats
    state: State

    def pick(self, rows: Sequence[int] | NDArray[Any], nats: Doubles) -> Beam:
        """Return some of the hypotheses, their last filling at new costs."""
        state = [tuple(part[rows] for part in parts) for parts in self.state]
        fills = [self.fills[row] for row in rows]
        return Beam(fills, self.settled[rows], nats, self.read[rows], state)

    def best(self, width: int) -> Beam:
        """Return the cheapest hypotheses, the cheapest first."""
        order = np.argsort(self.settled + self.nats, kind="stable")[:width]
        return self.pick(order, self.nats[order])

    def put(self, ids: Ids, left: Tower) -> None:
        """Put a character at the end of each hypothesis's last gap."""
        self.fills = [
            (*fills[:-1], (*fills[-1], int(index)))
            for fills, index in zip(self.fills, ids, strict=True)
        ]
        read, self.state = left.climb(ids[:, None], self.state)
        self.read = read[:, 0]


def join(one: Beam, other: Beam) -> Beam:
    """Return the hypotheses of both as one beam."""
    state = [
        tuple(np.concatenate(parts) for parts in zip(*layer, strict=True))
        for layer in zip(one.state, other.state, strict=True)
    ]
    return Beam(
        one.fills + other.fills,
        np.concatenate((one.settled, other.settled)),
        np.concatenate((one.nats, other.nats)),
        np.concatenate((one.read, other.read)),
        state,
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
    proposed.nats = reader.judge(rows, proposed.nats)
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
            # Costs only grow: what is dearer than all that ended cannot become one of them.
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


@dataclass(frozen=True)
class Restoration:
    """A damaged text with its gaps filled.

    Attributes:
        pieces: what was there and what was put in, in turn.
        filled: for each piece, whether it was put in.
        probability: of all fillings together, among those considered.
    """

    pieces: tuple[str, ...]
    filled: tuple[bool, ...]
    probability: float

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.pieces)

    @property
    def fills(self) -> tuple[str, ...]:
        """What was put in."""
        return tuple(p for p, new in zip(self.pieces, self.filled, strict=True) if new)

    def json(self) -> dict[str, Any]:
        """Return it under its usual keys."""
        return {"text": self.text, "fills": list(self.fills), "probability": self.probability}


def search(
    reader: Reader,
    none: int,
    pieces: Sequence[Ids | Gap],
    width: int,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Beam, Doubles]:
    """Fill all gaps; return the hypotheses, the best first, and the probability of each.

    Args:
        none: the id that stands for "no character".
        pieces: what is there as ids, and what is not.
        width: hypotheses followed side by side.
        progress: called with pieces done and pieces in all.
    """
    start = np.array([[none]], dtype=np.int32)
    read, state = reader.left.climb(start, reader.left.start(1))
    nothing = np.empty(0, dtype=np.int32)
    beam = Beam([()], np.zeros(1), np.zeros(1), read[:, 0], state)
    # The end of each hypothesis's text, for as long as one can be told from another by it.
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


def restore(
    reader: Reader,
    vocabulary: Vocabulary,
    pieces: Sequence[str | Gap],
    count: int = 1,
    beam: int = BEAM,
    progress: Callable[[int, int], None] | None = None,
) -> list[Restoration]:
    """Return the ``count`` likeliest restorations, the likeliest first.

    Args:
        pieces: as from `parse`.
        beam: hypotheses followed side by side; at least ``count``.
        progress: called with pieces done and pieces in all.

    Raises:
        UsageError: a number that cannot work.
    """
    check("--count", count, 1, 1 << 12)
    check("--beam", beam, 1, 1 << 12)
    known = [piece if isinstance(piece, Gap) else vocabulary.encode(piece) for piece in pieces]
    found, likely = search(reader, vocabulary.none, known, max(count, beam), progress)
    filled = tuple(isinstance(piece, Gap) for piece in pieces)
    restorations = []
    for fills, probability in zip(found.fills[:count], likely, strict=False):
        put = iter(fills)
        texts = tuple(
            vocabulary.decode(np.array(next(put), np.int32)) if isinstance(piece, Gap) else piece
            for piece in pieces
        )
        restorations.append(Restoration(texts, filled, float(probability)))
    return restorations


def _read_on(reader: Reader, beam: Beam, ids: Ids) -> None:
    """Let all hypotheses read what stands after the gap."""
    for at in range(0, len(ids), READ):
        rows = np.repeat(ids[None, at : at + READ], len(beam.fills), axis=0)
        read, beam.state = reader.left.climb(rows, beam.state)
        beam.read = read[:, -1]
