r"""Filling the gaps of a damaged text, from its left to its right, by beam search.

A bidirectional model says how likely a filling is, given what stands on both sides (see
`chargen.bidirectional`). A left-to-right model can do the same job in a roundabout way, and is the
one to beat: among the fillings that it finds likely after the left side, those win after which it
finds the right side likely, too, log P(filling, right | left).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from chargen.architecture import LONGEST_GAP, Architecture
from chargen.corpus import Span
from chargen.engine import Engine, State, Tower
from chargen.errors import CorpusError, UsageError
from chargen.settings import check
from chargen.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ids = NDArray[np.int32]

MARK = re.compile(r"\\\[|\[(\.\.\.|…|\?|\d+)\]")
"""A gap: [...] of unknown length, [?] one character, [5] five; \\[ is a bracket of the text."""

BEAM = 20
RIGHT = 512
"""Characters that are read to the right of a gap, at most."""

READ = 256


@dataclass(frozen=True)
class Gap:
    """Where characters are missing: so many, or None where nobody knows."""

    length: int | None


def parse(text: str) -> list[str | Gap]:
    """Cut a damaged text into what is there and what is not.

    Gaps side by side are one.

    Raises:
        UsageError: no gap is marked, or one is longer than a model can hold.

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
            known = length is not None and before.length is not None
            length = length + before.length if known else None  # type: ignore[operator]
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
    return pieces


class Reader(Protocol):
    """A kind of model, as restoring needs it."""

    left: Tower
    exact: bool

    def look(self, after: Ids) -> Floats:
        """Return what is to be known of the text to the right of a gap."""

    def predict(self, read: Floats, right: Floats, togo: int) -> Floats:
        """Return the log-probabilities (B, V + 1) of the next character, the last: no more.

        Args:
            read: (B, H), what was read on the left.
            right: as from `look`.
            togo: characters still missing; 0 for an unknown number.
        """

    def charge(self, read: Floats, ids: Ids) -> Floats:
        """Return the nats (B,) that the text to the right, ids (T,), adds to those of a filling.

        Args:
            read: (B, T, H), what was read on the left of each of its characters.
        """


def log_softmax(logits: Floats) -> Floats:
    """Return the logarithm of the softmax over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    logs: Floats = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return logs


class BothSides:
    """A bidirectional model; from the equations in `chargen.bidirectional`."""

    exact = True

    def __init__(self, architecture: Architecture, weights: Mapping[str, Floats]) -> None:
        self.left = Tower(architecture, weights)
        self.mirror = Tower(architecture, weights, "mirror")
        self.weights = weights

    def look(self, after: Ids) -> Floats:
        """Return g (1, H), what the mirror has read of the text to the right."""
        none = np.array([len(self.weights["embedding.weight"]) - 1], dtype=np.int32)
        backwards = np.concatenate((none, after[::-1]))
        read, _ = self.mirror.climb(backwards[None], self.mirror.start(1))
        right: Floats = read[:, -1] @ self.weights["right.weight"].T
        return right

    def predict(self, read: Floats, right: Floats, togo: int) -> Floats:
        """Return the log-probabilities (B, V + 1)."""
        both = np.tanh(
            read @ self.weights["left.weight"].T + right + self.weights["togo.weight"][togo]
        )
        return log_softmax(both @ self.weights["output.weight"].T + self.weights["output.bias"])

    def charge(self, read: Floats, ids: Ids) -> Floats:
        """Return zeros: a filling's probability has taken in the right side already."""
        return np.zeros(len(read), dtype=np.float32)


class LeftToRight:
    """A model that continues texts, made to fill gaps."""

    exact = False

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

    def charge(self, read: Floats, ids: Ids) -> Floats:
        """Return what the text to the right costs after each filling."""
        logs = log_softmax(self.engine.read_out(read))
        known = ids < self.engine.none
        taken = np.take_along_axis(logs[:, known], ids[known][None, :, None], axis=-1)
        nats: Floats = -taken[..., 0].sum(axis=-1)
        return nats


@dataclass
class Beam:
    """Hypotheses about all that was missing so far, side by side.

    Attributes:
        fills: of each, the ids put into each gap.
        nats: (B,), what each costs.
        read: (B, H), what the left stack has read of each, and
        state: its state.
    """

    fills: list[tuple[tuple[int, ...], ...]]
    nats: NDArray[np.float64]
    read: Floats
    state: State

    def pick(self, rows: Sequence[int] | NDArray[Any], nats: NDArray[np.float64]) -> Beam:
        """Return some of the hypotheses, at new costs."""
        state = [tuple(part[rows] for part in parts) for parts in self.state]
        return Beam([self.fills[row] for row in rows], nats, self.read[rows], state)

    def put(self, ids: Ids, left: Tower) -> None:
        """Put a character at the end of each hypothesis's last gap."""
        self.fills = [
            (*fills[:-1], (*fills[-1], int(index)))
            for fills, index in zip(self.fills, ids, strict=True)
        ]
        read, self.state = left.climb(ids[:, None], self.state)
        self.read = read[:, 0]


def join(beams: Sequence[Beam], width: int) -> Beam:
    """Return the cheapest hypotheses of several beams as one."""
    nats = np.concatenate([beam.nats for beam in beams])
    fills = [fill for beam in beams for fill in beam.fills]
    layers = zip(*(beam.state for beam in beams), strict=True)
    state = [tuple(np.concatenate(parts) for parts in zip(*layer, strict=True)) for layer in layers]
    together = Beam(fills, nats, np.concatenate([beam.read for beam in beams]), state)
    best = np.argsort(nats, kind="stable")[:width]
    return together.pick(best, nats[best])


def fill(reader: Reader, beam: Beam, gap: Gap, after: Ids, width: int) -> Beam:
    """Return the ``width`` best hypotheses after a gap, in ascending order of their cost."""
    right = reader.look(after[:RIGHT])
    beam.fills = [(*fills, ()) for fills in beam.fills]
    ended: Beam | None = None
    for put in range(LONGEST_GAP if gap.length is None else gap.length):
        logs = reader.predict(beam.read, right, 0 if gap.length is None else gap.length - put)
        costs = beam.nats[:, None] - logs
        if gap.length is None:
            ended = _end(beam, costs[:, -1], ended, width)
            # Costs only grow: what is dearer than all that ended cannot become one of them.
            if len(ended.nats) == width and beam.nats.min() >= ended.nats[-1]:
                break
        going = costs[:, :-1].ravel()
        best = np.argsort(going, kind="stable")[:width]
        beam = beam.pick(best // (costs.shape[1] - 1), going[best])
        beam.put((best % (costs.shape[1] - 1)).astype(np.int32), reader.left)
    if gap.length is None:
        logs = reader.predict(beam.read, right, 0)
        return _end(beam, beam.nats - logs[:, -1], ended, width)
    return beam


def _end(beam: Beam, nats: NDArray[np.float64], ended: Beam | None, width: int) -> Beam:
    """Let each hypothesis end here, and return the best of all that ended."""
    here = beam.pick(np.arange(len(nats)), nats)
    return join([here] if ended is None else [ended, here], width)


@dataclass(frozen=True)
class Restoration:
    """A damaged text with its gaps filled.

    Attributes:
        pieces: what was there and what was put in, in turn.
        filled: for each piece, whether it was put in.
        probability: of all fillings together; for a left-to-right model, among those considered.
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
) -> tuple[Beam, Floats]:
    """Fill all gaps; return the hypotheses, the best first, and the probability of each.

    Args:
        none: the id that stands for "no character".
        pieces: what is there as ids, and what is not.
        width: hypotheses followed side by side.
        progress: called with pieces done and pieces in all.
    """
    start = np.array([[none]], dtype=np.int32)
    read, state = reader.left.climb(start, reader.left.start(1))
    beam = Beam([()], np.zeros(1), read[:, 0], state)
    for number, piece in enumerate(pieces):
        if isinstance(piece, Gap):
            after = pieces[number + 1] if number + 1 < len(pieces) else np.empty(0, np.int32)
            assert not isinstance(after, Gap)
            beam = fill(reader, beam, piece, after, width)
        else:
            _read_on(reader, beam, piece, charged=number > 0)
        if progress is not None:
            progress(number + 1, len(pieces))
    order = np.argsort(beam.nats, kind="stable")
    beam = beam.pick(order, beam.nats[order])
    likely = np.exp(-beam.nats)
    if not reader.exact:
        likely = np.exp(beam.nats[0] - beam.nats)
        likely /= likely.sum()
    return beam, likely


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


def _read_on(reader: Reader, beam: Beam, ids: Ids, charged: bool) -> None:
    """Let all hypotheses read what stands after the gap."""
    for at in range(0, len(ids), READ):
        window = ids[at : at + READ]
        rows = np.repeat(window[None], len(beam.nats), axis=0)
        read, beam.state = reader.left.climb(rows, beam.state)
        if charged:
            before = np.concatenate((beam.read[:, None], read[:, :-1]), axis=1)
            beam.nats = beam.nats + reader.charge(before, window)
        beam.read = read[:, -1]


# How good it is.

LENGTHS = range(1, 11)
"""Gaps of which restoration is judged, as Pythia's (Assael et al. 2019, arXiv:1910.06262)."""

BEFORE, AFTER = 200, 100
"""Characters that are shown on either side."""

TOP = 20


@dataclass(frozen=True)
class Quality:
    """How well gaps of one length were filled.

    Attributes:
        length: in characters; 0 for all together.
        gaps: how many.
        characters: missing in them.
        wrong: edits between the best filling and the truth, summed.
        first, listed: gaps whose truth came first, or among the first `TOP`.
    """

    length: int
    gaps: int
    characters: int
    wrong: int
    first: int
    listed: int

    def json(self) -> dict[str, Any]:
        """Return the figures; rates are shares of one."""
        return {
            "length": self.length,
            "gaps": self.gaps,
            "character_error_rate": self.wrong / max(1, self.characters),
            "top_1": self.first / max(1, self.gaps),
            f"top_{TOP}": self.listed / max(1, self.gaps),
        }


def edits(mine: Sequence[Any], theirs: Sequence[Any]) -> int:
    """Return the fewest insertions, deletions and replacements between two texts.

    Example:
        >>> edits("sitting", "kitten")
        3
    """
    row = list(range(len(theirs) + 1))
    for number, one in enumerate(mine, 1):
        previous, row[0] = row[0], number
        for at, other in enumerate(theirs, 1):
            previous, row[at] = (
                row[at],
                min(row[at] + 1, row[at - 1] + 1, previous + (one != other)),
            )
    return row[-1]


def evaluate(
    reader: Reader,
    vocabulary: Vocabulary,
    span: Span,
    *,
    gaps: int = 300,
    seed: int = 0,
    unknown: bool = False,
    beam: int = BEAM,
    progress: Callable[[int, int], None] | None = None,
) -> list[Quality]:
    """Return how well gaps made in a text are filled, for each length, and last for all.

    Args:
        gaps: how many, evenly over `LENGTHS`, at random places.
        unknown: do not tell how long a gap is.

    Raises:
        CorpusError: the text is too short for a gap with both its sides.
    """
    check("--gaps", gaps, 1, 1 << 20)
    if len(span) <= BEFORE + AFTER + LENGTHS[-1]:
        raise CorpusError(
            f"a text of {len(span)} characters is too short to make gaps in",
            f"Give one of more than {BEFORE + AFTER + LENGTHS[-1]}",
        )
    random = np.random.default_rng(seed)
    counts = {length: [0, 0, 0, 0, 0] for length in (*LENGTHS, 0)}
    for number in range(gaps):
        length = LENGTHS[number % len(LENGTHS)]
        at = int(random.integers(BEFORE, len(span) - AFTER - length + 1))
        points = np.concatenate(list(span.blocks(at - BEFORE, at + length + AFTER)))
        before, missing, after = np.split(vocabulary.lookup(points), (BEFORE, BEFORE + length))
        gap = Gap(None if unknown else length)
        ranked, _ = search(reader, vocabulary.none, [before, gap, after], max(TOP, beam))
        truth = tuple(missing.tolist())
        found = [fills[0] for fills in ranked.fills[:TOP]]
        for key in (length, 0):
            counts[key][0] += 1
            counts[key][1] += length
            counts[key][2] += edits(found[0], truth)
            counts[key][3] += found[0] == truth
            counts[key][4] += truth in found
        if progress is not None:
            progress(number + 1, gaps)
    return [Quality(length, *numbers) for length, numbers in counts.items() if numbers[0]]
