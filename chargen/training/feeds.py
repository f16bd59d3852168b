"""What a network reads in a pass over its texts, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

import numpy as np

from chargen.architecture import NONE
from chargen.errors import CorpusError, UsageError, argument
from chargen.options import Plan
from chargen.ranks import ALONE, Ranks, share
from chargen.text.batches import CHUNK, ExampleFeed
from chargen.text.corpus import Span
from chargen.text.damage import Stretches
from chargen.text.mark_windows import MendCoder, TagCoder
from chargen.text.pair_windows import HIDDEN, Coder
from chargen.text.pairs import Pairs
from chargen.text.tagged import TaggedTexts
from chargen.text.vocabulary import Vocabulary
from chargen.text.windows import PAST, beside, cuts, windows
from chargen.training.texts import Texts


@dataclass(frozen=True)
class Portion:
    """The rows of one step's batch that one rank computes.

    Attributes:
        window: these rows.
        first: the number of the first of them.
        rows: in the whole batch.
        characters: targets in the whole batch.
    """

    window: Any
    first: int
    rows: int
    characters: int

    def pieces(self, number: int) -> list[tuple[Portion, slice]]:
        """Return pieces to compute one after the other, and which rows of the portion each has."""
        count = len(self.window.targets)
        found = [share(count, piece, number) for piece in range(number)]
        return [
            (replace(self, window=taken(self.window, rows), first=self.first + rows.start), rows)
            for rows in found
        ]


class Feed(Protocol):
    """The steps of each pass, always the same ones."""

    @property
    def characters(self) -> int:
        """How many characters, or target symbols, a pass trains on."""

    @property
    def places(self) -> int:
        """The place at the end of a pass; each window has its own as ``end``."""

    def portions(self, epoch: int, place: int) -> Iterator[Portion]:
        """Yield this rank's portion of the steps of a pass that come after a place."""


class Ahead:
    """Portions one after the other; the next one can be read early.

    If it cannot be read, the error is raised when it is asked for.
    """

    def __init__(self, portions: Iterator[Portion]) -> None:
        self.portions = portions
        self.next: Portion | None = None
        self.wrong: CorpusError | None = None

    def __iter__(self) -> Iterator[Portion]:
        return self

    def __next__(self) -> Portion:
        found = self.look()
        if self.wrong is not None:
            raise self.wrong
        if found is None:
            raise StopIteration
        self.next = None
        return found

    def look(self) -> Portion | None:
        """Return the next portion; None if there is none, or if it cannot be read."""
        if self.next is None and self.wrong is None:
            try:
                self.next = next(self.portions, None)
            except CorpusError as error:
                self.wrong = error
        return self.next


class Lanes:
    """A text in lanes side by side; see `chargen.text.windows`.

    Args:
        mine: the lanes that this rank reads.
    """

    def __init__(
        self, span: Span, vocabulary: Vocabulary, batch: int, bptt: int, mine: slice
    ) -> None:
        self.span, self.vocabulary, self.bptt, self.mine = span, vocabulary, bptt, mine
        self.lanes = cuts(len(span), batch)
        self.characters = len(span)
        self.places = max(stop - start for start, stop in self.lanes)

    def portions(self, _epoch: int, place: int) -> Iterator[Portion]:
        """See `Feed`; all passes are alike."""
        lengths = np.array([stop - start for start, stop in self.lanes])
        for window in windows(self.span, self.vocabulary, self.lanes, self.bptt, place, self.mine):
            read = np.minimum(lengths, window.end) - np.minimum(lengths, window.start)
            yield Portion(window, self.mine.start, len(lengths), int(read.sum()))


class Kept:
    """Lanes of a text, and after them lanes of an old one, so that it is not forgotten.

    A pass is one over the new text. The old one is read round and round: each pass goes on where
    the last one ended.

    Args:
        new, old: a text to learn, and one that is not to be forgotten.
        batch: B, lanes of both.
        share: lanes among them of the old text.
        mine: the lanes that this rank reads.
    """

    def __init__(
        self,
        new: Span,
        old: Span,
        vocabulary: Vocabulary,
        batch: int,
        bptt: int,
        share: int,
        mine: slice,
    ) -> None:
        count = batch - share
        self.first = mine.start
        self.new = Lanes(new, vocabulary, count, bptt, _moved(mine, 0, count))
        self.old, self.share, self.mine = old, share, _moved(mine, count, batch)
        self.places = self.new.places
        self.length = share * self.places
        self.characters = self.new.characters + self.length

    def portions(self, epoch: int, place: int) -> Iterator[Portion]:
        """See `Feed`."""
        new = self.new
        round_ = self.old.around(epoch * self.length, self.length)
        old = Lanes(round_, new.vocabulary, self.share, new.bptt, self.mine)
        for one, other in zip(new.portions(epoch, place), old.portions(epoch, place), strict=True):
            yield Portion(
                beside(one.window, other.window),
                self.first,
                one.rows + other.rows,
                one.characters + other.characters,
            )


def _moved(rows: slice, start: int, stop: int) -> slice:
    """Return which rows from start to stop are among some rows, counted from start."""
    first, last = (min(max(edge, start), stop) for edge in (rows.start, rows.stop))
    return slice(first - start, last - start)


class Shared:
    """Examples, of which each rank computes some in each step.

    Every rank reads all of them, because their lengths say which are put side by side.
    """

    def __init__(self, feed: ExampleFeed[Any, Any], ranks: Ranks) -> None:
        self.feed, self.ranks = feed, ranks
        self.characters, self.places = feed.characters, feed.places

    def portions(self, epoch: int, place: int) -> Iterator[Portion]:
        """See `Feed`."""
        for window in self.feed.windows(epoch, place):
            rows = len(window.targets)
            mine = self.ranks.share(rows)
            # A rank without rows is given one that costs nothing; it has to be one of the batch.
            first = min(mine.start, rows - 1)
            yield Portion(taken(window, mine), first, rows, window.characters)


def taken(window: Any, rows: slice) -> Any:
    """Return some rows of a window; for none, a row without a target, because it must be run."""
    if rows == slice(0, len(window.targets)):
        return window
    nothing = rows.start == rows.stop
    kept = slice(0, 1) if nothing else rows
    arrays = {
        field.name: value[kept]
        for field in fields(window)
        if isinstance(value := getattr(window, field.name), np.ndarray)
    }
    if nothing:
        arrays["targets"] = np.full_like(arrays["targets"], PAST)
    return replace(window, **arrays)


def old_lanes(batch: int, share: float) -> int:
    """Return how many of the lanes read an old text: about a share, at least one of each text."""
    return min(batch - 1, max(1, round(share * batch))) if share else 0


def feed(texts: Texts, vocabulary: Vocabulary, plan: Plan, ranks: Ranks = ALONE) -> Feed:
    """Return what a network of a plan reads on this rank.

    Raises:
        UsageError: there are fewer lanes than ranks.
    """
    marking, symbols = vocabulary.marking, vocabulary.symbols
    if marking is None and symbols is None:
        return _lanes(texts, vocabulary, plan, ranks)
    examples: ExampleFeed[Any, Any]
    if marking is None:
        assert symbols is not None
        pairs = Pairs(texts.train, symbols.form)
        coder = Coder(vocabulary, 0.0 if plan.architecture.attention == NONE else HIDDEN)
        examples = ExampleFeed(pairs, coder, plan.batch, plan.seed, texts.characters)
    elif marking.undo:
        stretches, mender = Stretches(texts.train), MendCoder(vocabulary)
        examples = ExampleFeed(stretches, mender, plan.batch, plan.seed, texts.characters)
    else:
        tagged = TaggedTexts(texts.train)
        tagger = TagCoder(vocabulary, tagged.read(0, min(CHUNK, len(tagged))))
        examples = ExampleFeed(tagged, tagger, plan.batch, plan.seed, texts.characters)
    return Shared(examples, ranks)


def _lanes(texts: Texts, vocabulary: Vocabulary, plan: Plan, ranks: Ranks) -> Feed:
    """Return the lanes of running text that this rank reads."""
    if plan.batch < ranks.size:
        raise UsageError(
            f"{argument('batch')} {plan.batch} cannot be divided among {ranks.size} processes",
            f"Give {argument('batch')} {ranks.size} or more, or start fewer",
        )
    mine = ranks.share(plan.batch)
    old = old_lanes(plan.batch, plan.keep_share)
    if old and texts.kept is not None:
        kept = texts.kept.train
        return Kept(texts.train, kept, vocabulary, plan.batch, plan.bptt, old, mine)
    return Lanes(texts.train, vocabulary, plan.batch, plan.bptt, mine)
