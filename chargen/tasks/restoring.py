r"""Filling the gaps of a damaged text.

A bidirectional model (see `chargen.networks.bidirectional`) proposes fillings that fit both sides.
Then each of its stacks judges every filling again, together with the text around it. Let L and R be
the text on the left and on the right. A filling F costs

    w₀ (-log P(F | L, R)) + w₁ (-log P(F R | L)) + w₂ (-log P(L F | R))

The first term is from the proposal, the second from the stack that reads from the left, the third
from the backward stack. A model that reads from left to right can do the same job with the second
term alone; it is the baseline.

The probability of a filling is its share of exp(-cost) among the fillings considered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chargen.checkpoint import Checkpoint
from chargen.declared import check
from chargen.engine.causal import Causal
from chargen.engine.gaps import GapFiller
from chargen.engine.language_model import LanguageModel
from chargen.engine.likelihood import log_softmax, sequence_nats
from chargen.errors import UsageError, argument
from chargen.kinds import LONGEST_GAP
from chargen.tasks.beam import GIVEN, Gap, Reader, Row, search
from chargen.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ids = NDArray[np.int32]
    Doubles = NDArray[np.float64]

BRACKETED = re.compile(r"\\\[|\[(\.\.\.|…|\?|\d{1,9})\]")
"""A gap: [...] of unknown length, [?] one character, [5] five; \\[ is a bracket of the text."""

BEAM = 20

NEAR = 64
"""How many characters on each side of a filling belong to its cost."""

WEIGHTS = (0.1, 0.45, 0.45)
"""The weights w₀, w₁ and w₂ of the three terms of a bidirectional model's cost."""


@dataclass(frozen=True)
class Mark:
    """A gap as it is marked in a text.

    Attributes:
        line, column: where it begins, both counted from 1.
        mark: what stands there.
        length: characters that are missing; None for an unknown number.
    """

    line: int
    column: int
    mark: str
    length: int | None

    def __str__(self) -> str:
        missing = {None: "of unknown length", 1: "of 1 character"}
        what = missing.get(self.length, f"of {self.length} characters")
        return f"line {self.line}, column {self.column}: {self.mark}, a gap {what}"


def marked(text: str, gap: str | None = None) -> list[str | Mark]:
    """Cut a damaged text into known pieces and marks.

    Args:
        gap: what marks a gap of unknown length; then brackets are part of the text. None for marks
            in brackets.

    Raises:
        UsageError: nothing marks a gap.
    """
    if gap == "":
        raise UsageError(f"{argument('gap')} is empty", "Give what marks a gap in the text")
    pattern = BRACKETED if gap is None else re.compile(f"({re.escape(gap)})")
    pieces: list[str | Mark] = []
    kept = ""
    at = 0
    for found in pattern.finditer(text):
        kept += text[at : found.start()]
        at = found.end()
        if found[1] is None:
            kept += "["
            continue
        if kept:
            pieces.append(kept)
            kept = ""
        length = int(found[1]) if found[1].isdecimal() and gap is None else None
        line = text.count("\n", 0, found.start()) + 1
        column = found.start() - text.rfind("\n", 0, found.start())
        known = 1 if gap is None and found[1] == "?" else length
        pieces.append(Mark(line, column, found[0], known))
    if at < len(text) or kept:
        pieces.append(kept + text[at:])
    return pieces


def parse(text: str, gap: str | None = None) -> list[str | Gap]:
    """Cut a damaged text into known pieces and gaps; see `marked`.

    Gaps next to each other become one gap.

    Raises:
        UsageError: no gap is marked, one is longer than a model can hold, or the last is of unknown
            length with nothing behind it.

    Examples:
        >>> parse("To be, or [...] to be[?]")
        ['To be, or ', Gap(length=None), ' to be', Gap(length=1)]
        >>> parse("a[16] = ___;", gap="___")
        ['a[16] = ', Gap(length=None), ';']
    """
    pieces: list[str | Gap] = []
    last: Mark | None = None
    for piece in marked(text, gap):
        if isinstance(piece, str):
            pieces.append(piece)
            continue
        last, length = piece, piece.length
        if pieces and isinstance(pieces[-1], Gap):
            before = pieces.pop()
            assert isinstance(before, Gap)
            if length is None or before.length is None:
                length = None
            else:
                length += before.length
        if length is not None and not 1 <= length <= LONGEST_GAP:
            raise UsageError(
                f"line {piece.line}, column {piece.column}: a gap of {length} characters cannot be "
                "held",
                f"Mark 1 to {LONGEST_GAP} characters, or [...] for an unknown number; if "
                f"{piece.mark} is text, choose another mark by {argument('gap')}",
            )
        pieces.append(Gap(length))
    if last is None:
        raise UsageError(
            "no gap is marked in the text", "Write [...] where it is, or [?], or [5] for five"
        )
    if pieces[-1] == Gap(None):
        raise UsageError(
            f"line {last.line}, column {last.column}: nothing stands to the right of the last gap "
            "to tell how long it is",
            "Say how many characters are missing, as [20], or continue it by `chargen sample`",
        )
    return pieces


def left_to_right(saved: Checkpoint) -> Reader:
    """Return what fills gaps with a model that continues texts."""
    return LeftToRight(Causal(saved.architecture, saved.weights))


def both_sides(saved: Checkpoint) -> Reader:
    """Return what fills gaps with a bidirectional model."""
    return BothSides(GapFiller(saved.architecture, saved.weights))


def _forwards(model: LanguageModel, rows: Sequence[Row]) -> Doubles:
    """Return -log P(F R | L) of each filling in its place."""
    return sequence_nats(
        model,
        [before[-GIVEN:] for before, _, _ in rows],
        [np.concatenate((filling, after[:NEAR])) for _, filling, after in rows],
    )


class BothSides:
    """A bidirectional model that fills gaps."""

    def __init__(self, model: GapFiller) -> None:
        self.model, self.left, self.bos = model, model.left, model.bos
        self.look, self.predict = model.look, model.predict

    def cost(self, rows: Sequence[Row], nats: Doubles) -> Doubles:
        """Return the weighted cost by the proposal and by either stack; see above."""
        backwards = sequence_nats(
            self.model.preceding,
            [after[:GIVEN][::-1] for _, _, after in rows],
            [np.concatenate((before[-NEAR:], filling))[::-1] for before, filling, _ in rows],
        )
        forwards = _forwards(self.model.following, rows)
        total: Doubles = WEIGHTS[0] * nats + WEIGHTS[1] * forwards + WEIGHTS[2] * backwards
        return total


class LeftToRight:
    """A model that continues texts, used to fill gaps."""

    def __init__(self, model: Causal) -> None:
        # The stack, not the model: most of what is read on the left needs no logits.
        self.model, self.left, self.bos = model, model.stack, model.bos

    def look(self, after: Ids) -> Floats:
        """Return the first character to the right as a one-hot row; zeros if there is none."""
        first = np.zeros((1, self.bos), dtype=np.float32)
        known = after[:1][after[:1] < self.bos]
        first[0, known] = 1
        return first

    def predict(self, read: Floats, right: Floats, remaining: int) -> Floats:
        """Return log-probabilities (B, V + 1); "no more" has that of the character to the right."""
        logs = log_softmax(self.model.read_out(read))
        return np.concatenate((logs, (logs * right).sum(axis=-1, keepdims=True)), axis=-1)

    def cost(self, rows: Sequence[Row], nats: Doubles) -> Doubles:
        """Return the cost of the filling and of what stands after it."""
        return _forwards(self.model, rows)


@dataclass(frozen=True)
class Restoration:
    """A damaged text with its gaps filled.

    Attributes:
        pieces: what was there and what was put in, in turn; a byte that is no UTF-8 is escaped
            (PEP 383).
        filled: for each piece, whether it was put in.
        probability: of all fillings together, among those considered.
    """

    pieces: tuple[str, ...]
    filled: tuple[bool, ...]
    probability: float

    @property
    def data(self) -> bytes:
        """The whole text as bytes; of a model of bytes, exactly those that were given and drawn."""
        return self.within("", "")

    def within(self, opening: str, closing: str) -> bytes:
        """Return the whole text as bytes, with what was put in between two marks."""
        return encoded(
            "".join(
                f"{opening}{piece}{closing}" if new else piece
                for piece, new in zip(self.pieces, self.filled, strict=True)
            )
        )

    @property
    def text(self) -> str:
        """The whole text; bytes that are no UTF-8 become U+FFFD."""
        return self.data.decode("utf-8", "replace")

    @property
    def fills(self) -> tuple[str, ...]:
        """What was put in."""
        put = (p for p, new in zip(self.pieces, self.filled, strict=True) if new)
        return tuple(encoded(piece).decode("utf-8", "replace") for piece in put)

    def json(self) -> dict[str, Any]:
        """Return it under its usual keys."""
        return {"text": self.text, "fills": list(self.fills), "probability": self.probability}


def encoded(text: str) -> bytes:
    """Return a text as UTF-8; a byte that was none comes back as it was."""
    return text.encode("utf-8", "surrogateescape")


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
    check("count", count, 1, 1 << 12)
    check("beam", beam, 1, 1 << 12)
    known = [piece if isinstance(piece, Gap) else vocabulary.encode(piece) for piece in pieces]
    found, likely = search(reader, known, max(count, beam), progress)
    filled = tuple(isinstance(piece, Gap) for piece in pieces)
    restorations = []
    for fills, probability in zip(found.fills[:count], likely, strict=False):
        put = iter(fills)
        texts = tuple(
            vocabulary.decode(np.array(next(put), np.int32), "surrogateescape")
            if isinstance(piece, Gap)
            else piece
            for piece in pieces
        )
        restorations.append(Restoration(texts, filled, float(probability)))
    return restorations
