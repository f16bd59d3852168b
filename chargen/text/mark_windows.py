"""From texts with a mark at each character to ids, and to what a network is given in one step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from chargen.text.damage import NOISE, Damage
from chargen.text.marking import BEGIN, INSIDE
from chargen.text.tagged import Tagged, marks_of
from chargen.text.vocabulary import Vocabulary
from chargen.text.windows import PAST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ids = NDArray[np.int32]

SWAPPED = 0.3
"""Share of the spans in whose place another one is shown in a step."""

FORGOTTEN = 0.05
"""Share of the characters that are not shown in a step, so that a network learns to read on past
unknown ones."""


@dataclass(frozen=True)
class Marked:
    """A text as ids.

    Attributes:
        source: (1 + T + 1,) ids of characters; the first and the last place are "no character".
        targets: (T,) ids of the marks.
    """

    source: Ids
    targets: Ids


M = TypeVar("M", bound=Marked)


@dataclass(frozen=True)
class MarkWindow:
    """One step's data: texts side by side.

    Attributes:
        sources: (B, 1 + T + 1) ids, "no character" after a text.
        lengths: (B,) places of each text, its edges included.
        targets: (B, T) ids of marks; ``PAST`` after the end.
        end: how many texts of the pass are done with this step.
    """

    sources: Ids
    lengths: Ids
    targets: Ids
    end: int

    @property
    def characters(self) -> int:
        """How many characters are marked."""
        return int((self.targets != PAST).sum())


@dataclass(frozen=True)
class Stretch:
    """A part of a long text: what is marked, start to stop, and what is read, first to last."""

    first: int
    start: int
    stop: int
    last: int


def overlapping(length: int, window: int, margin: int) -> Iterator[Stretch]:
    """Yield stretches that cover a text, each read with a margin on both its sides."""
    for start in range(0, length, window):
        stop = min(start + window, length)
        yield Stretch(max(0, start - margin), start, stop, min(stop + margin, length))


class Marker:
    """Turns texts into ids; what their marks are, `marked` says.

    Args:
        vocabulary: of a model that marks texts.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        marking = vocabulary.marking
        assert marking is not None
        self.vocabulary, self.marking = vocabulary, marking
        self.ids = {mark: index for index, mark in enumerate(marking.marks)}

    def source(self, text: str) -> Ids:
        """Return the ids of a text, between two that mean "no character"."""
        edge = [self.vocabulary.bos]
        return np.concatenate((edge, self.vocabulary.encode(text), edge)).astype(np.int32)

    def marked(self, text: str, marks: Sequence[str]) -> Marked:
        """Return a text as ids; an unknown mark counts as the first one, which means nothing."""
        known = [self.ids.get(mark, 0) for mark in marks]
        return Marked(self.source(text), np.array(known, dtype=np.int32))

    def size(self, text: Marked) -> tuple[int, int]:
        """Return the places of a text; it has no other side."""
        return len(text.source), 1

    def window(self, texts: Sequence[Marked], end: int = 0) -> MarkWindow:
        """Return texts side by side."""
        wide = max(len(text.source) for text in texts)
        sources = np.full((len(texts), wide), self.vocabulary.bos, dtype=np.int32)
        targets = np.full((len(texts), wide - 2), PAST, dtype=np.int32)
        for row, text in enumerate(texts):
            sources[row, : len(text.source)] = text.source
            targets[row, : len(text.targets)] = text.targets
        lengths = np.array([len(text.source) for text in texts], dtype=np.int32)
        return MarkWindow(sources, lengths, targets, end)


def drawn(chance: float) -> np.random.Generator:
    """Return a generator that is begun by a number from 0 to 1."""
    return np.random.default_rng(int(chance * (1 << 53)))


def forgetful(text: M, random: np.random.Generator, nothing: int) -> M:
    """Return a text in which some characters are not shown."""
    shown = random.random(len(text.source)) >= FORGOTTEN
    return replace(text, source=np.where(shown, text.source, nothing))


class TagCoder(Marker):
    """Turns tagged texts into ids.

    Args:
        vocabulary: of a model that marks spans.
        examples: from which spans are taken to put in place of others (see `varied`).
    """

    def __init__(self, vocabulary: Vocabulary, examples: Sequence[Tagged] = ()) -> None:
        super().__init__(vocabulary)
        self.begins = np.array([mark.startswith(BEGIN) for mark in self.marking.marks])
        self.others: dict[str, list[Ids]] = {}
        for example in examples:
            for start, end, label in example.spans:
                told = self.vocabulary.encode(example.text[start:end]).astype(np.int32)
                self.others.setdefault(label, []).append(told)

    def encoded(self, example: Tagged) -> Marked:
        """Return a tagged text as ids."""
        return self.marked(example.text, marks_of(example))

    def varied(self, text: Marked, chance: float) -> Marked:
        """Return a text as it is shown in one step of training.

        In the place of some spans stand others with the same label, so that a network learns from
        what is around a span, and not only which names there are (Dai & Adel 2020,
        arXiv:2010.11683, section 3.1, "mention replacement").
        """
        random = drawn(chance)
        return forgetful(self._swapped(text, random), random, self.vocabulary.bos)

    def _swapped(self, text: Marked, random: np.random.Generator) -> Marked:
        sources, targets = [text.source[:1]], []
        done = 0
        for start in np.flatnonzero(self.begins[text.targets]).tolist():
            label = self.marking.marks[text.targets[start]].removeprefix(BEGIN)
            others = self.others.get(label, [])
            if not others or random.random() >= SWAPPED:
                continue
            inside = self.ids[INSIDE + label]
            end = start + 1
            while end < len(text.targets) and text.targets[end] == inside:
                end += 1
            other = others[int(random.integers(len(others)))]
            marks = np.full(len(other), inside, dtype=np.int32)
            marks[0] = text.targets[start]
            sources += [text.source[1 + done : 1 + start], other]
            targets += [text.targets[done:start], marks]
            done = end
        sources.append(text.source[1 + done :])
        targets.append(text.targets[done:])
        return Marked(np.concatenate(sources), np.concatenate(targets))


@dataclass(frozen=True)
class Damaged(Marked):
    """A damaged text as ids, with the text that is right."""

    right: str


class MendCoder(Marker):
    """Damages texts, and turns them into ids."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__(vocabulary)
        self.damage = Damage(self.marking.undo)

    def encoded(self, right: str, seed: int = 0) -> Damaged:
        """Return a text, damaged, as ids."""
        text = self.marked(*self.damage.done(right, seed))
        return Damaged(text.source, text.targets, right)

    def varied(self, text: Damaged, chance: float) -> Damaged:
        """Return a text as it is shown in one step of training: with other noise in each."""
        if NOISE in self.damage.kinds:
            text = self.encoded(text.right, int(chance * (1 << 31)))
        return forgetful(text, drawn(chance), self.vocabulary.bos)
