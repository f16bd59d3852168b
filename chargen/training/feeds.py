"""What a network reads in a pass over its texts, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from chargen.architecture import NONE
from chargen.options import Plan
from chargen.text.batches import CHUNK, ExampleFeed
from chargen.text.corpus import Span
from chargen.text.damage import Stretches
from chargen.text.mark_windows import MendCoder, TagCoder
from chargen.text.pair_windows import HIDDEN, Coder
from chargen.text.pairs import Pairs
from chargen.text.tagged import TaggedTexts
from chargen.text.vocabulary import Vocabulary
from chargen.text.windows import Window, beside, cuts, windows
from chargen.training.texts import Texts


class Feed(Protocol):
    """The steps of each pass, always the same ones."""

    @property
    def characters(self) -> int:
        """How many characters, or target symbols, a pass trains on."""

    @property
    def places(self) -> int:
        """The place at the end of a pass; each window has its own as ``end``."""

    def windows(self, epoch: int, place: int) -> Iterator[Any]:
        """Yield the steps of a pass that come after a place."""


class Lanes:
    """A text in lanes side by side; see `chargen.text.windows`."""

    def __init__(self, span: Span, vocabulary: Vocabulary, batch: int, bptt: int) -> None:
        self.span, self.vocabulary, self.bptt = span, vocabulary, bptt
        self.lanes = cuts(len(span), batch)
        self.characters = len(span)
        self.places = max(stop - start for start, stop in self.lanes)

    def windows(self, _epoch: int, place: int) -> Iterator[Window]:
        """See `Feed`; all passes are alike."""
        return windows(self.span, self.vocabulary, self.lanes, self.bptt, place)


class Kept:
    """Lanes of a text, and beside them lanes of an old one, so that it is not forgotten.

    A pass is one over the new text. The old one is read round and round: each pass goes on where
    the last one ended.

    Args:
        new: the lanes that learn something new.
        old: what is not to be forgotten.
        batch: B, lanes of the old text.
    """

    def __init__(self, new: Lanes, old: Span, batch: int) -> None:
        self.new, self.old, self.batch = new, old, batch
        self.places = new.places
        self.length = batch * self.places
        self.characters = new.characters + self.length

    def windows(self, epoch: int, place: int) -> Iterator[Window]:
        """See `Feed`."""
        vocabulary, bptt = self.new.vocabulary, self.new.bptt
        round_ = self.old.around(epoch * self.length, self.length)
        lanes = cuts(self.length, self.batch)
        old = windows(round_, vocabulary, lanes, bptt, place)
        for pair in zip(self.new.windows(epoch, place), old, strict=True):
            yield beside(*pair)


def old_lanes(batch: int, share: float) -> int:
    """Return how many of the lanes read an old text: about a share, at least one of each text."""
    return min(batch - 1, max(1, round(share * batch))) if share else 0


def feed(texts: Texts, vocabulary: Vocabulary, plan: Plan) -> Feed:
    """Return what a network of a plan reads."""
    marking = vocabulary.marking
    if marking is not None and marking.undo:
        stretches, mender = Stretches(texts.train), MendCoder(vocabulary)
        return ExampleFeed(stretches, mender, plan.batch, plan.seed, texts.characters)
    if marking is not None:
        tagged = TaggedTexts(texts.train)
        tagger = TagCoder(vocabulary, tagged.read(0, min(CHUNK, len(tagged))))
        return ExampleFeed(tagged, tagger, plan.batch, plan.seed, texts.characters)
    if vocabulary.symbols is None:
        old = old_lanes(plan.batch, plan.keep_share)
        lanes = Lanes(texts.train, vocabulary, plan.batch - old, plan.bptt)
        return Kept(lanes, texts.kept.train, old) if old and texts.kept else lanes
    pairs = Pairs(texts.train, vocabulary.symbols.form)
    coder = Coder(vocabulary, 0.0 if plan.architecture.attention == NONE else HIDDEN)
    return ExampleFeed(pairs, coder, plan.batch, plan.seed, texts.characters)
