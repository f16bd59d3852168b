"""Texts whose models know symbols beside characters: pairs, tags, and damage to undo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from chargen.errors import CorpusError, argument
from chargen.options import Options
from chargen.text.corpus import Span, Text
from chargen.text.damage import KEEP, STRETCH, Damage, common, learnable
from chargen.text.marking import Marking, of_labels
from chargen.text.pair_form import CUT, DEFAULT_COLUMNS, Form
from chargen.text.pairs import Pairs, read_pairs
from chargen.text.tagged import TaggedTexts, read_tagged
from chargen.text.vocabulary import Vocabulary

Note = Callable[[str], None]
"""Called with each line that the user should read."""


@dataclass(frozen=True)
class Counted:
    """What was counted while such texts were read.

    Attributes:
        learned: target symbols, or characters, that a pass trains on.
        usual, longest: characters of a usual source (the mean), and of the longest text.
        vocabulary: returns the vocabulary: what is known, then what was found.
    """

    learned: int
    usual: float
    longest: int
    vocabulary: Callable[[Vocabulary | None], Vocabulary]


Divided = tuple[Text, Text | None, Counted]
"""Examples to learn from, those held out, and what was counted."""


def form_of(options: Options) -> Form:
    """Return how the pairs asked for are written.

    Raises:
        UsageError: columns that are no pair.
    """
    return Form.of(
        options.columns or DEFAULT_COLUMNS,
        options.usual("target_symbols"),
        options.usual("longest"),
        options.usual("too_long"),
    )


def pairs(text: Text, own: Text | None, options: Options, note: Note) -> Divided:
    """Return pairs to learn from, and those held out: a share of them, or a text of their own.

    Raises:
        CorpusError, UsageError: see `form_of` and `chargen.text.pairs.read_pairs`.
    """
    form = form_of(options)
    found = read_pairs(text, form, 0 if own else options.usual("valid_fraction"), note)
    if own is not None:
        held = read_pairs(own, form, 0, note)
        # A vocabulary may know held-out symbols; what they mean is learned from the others alone.
        both = zip(vars(found.counts).values(), vars(held.counts).values(), strict=True)
        for mine, theirs in both:
            mine.update(theirs)
        found = replace(found, valid=held.train)
        _shared(found.train, held.train, "pairs", note)
    _say(len(Pairs(found.train.span(), form)), found.valid, "pairs", note)

    def vocabulary(known: Vocabulary | None) -> Vocabulary:
        return Vocabulary.of_pairs(found, known)

    counted = Counted(found.learned, found.usual, found.longest, vocabulary)
    return found.train, found.valid, counted


def tags(text: Text, own: Text | None, options: Options, note: Note) -> Divided:
    """Return tagged texts to learn from, and those held out.

    Raises:
        CorpusError: see `chargen.text.tagged.read_tagged`.
    """
    longest, cut = options.usual("longest"), options.usual("too_long") == CUT
    fraction = 0 if own else options.usual("valid_fraction")
    found = read_tagged(text, fraction, longest, cut, note)
    labels, characters, valid = found.labels, found.characters, found.valid
    if own is not None:
        held = read_tagged(own, 0, longest, cut, note)
        labels = tuple(sorted({*labels, *held.labels}))
        characters, valid = characters + held.characters, held.train
        _shared(found.train, held.train, "texts", note)
    count = len(TaggedTexts(found.train.span()))
    _say(count, valid, "texts", note)
    marks = of_labels(labels)
    counted = Counted(
        found.learned,
        found.learned / count,
        found.longest,
        lambda known: _marked(characters, marks, "", longest, known),
    )
    return found.train, valid, counted


def damage(span: Span, options: Options) -> Counted:
    """Return what was counted in a text that is damaged, to learn to undo that.

    Raises:
        CorpusError: the damage takes nothing away from the text.
        UsageError: there is no such damage.
    """
    undo = options.undo or ""
    characters, marks = learnable(span, Damage(undo))
    learned = common(marks)
    if learned == (KEEP,):
        raise CorpusError(
            f"{span.text.names[0]} has nothing that {argument('undo')} {undo} takes away",
            "Give a text that has it, or undo something else",
        )
    return Counted(
        len(span), 0.0, 0, lambda known: _marked(characters, learned, undo, STRETCH, known)
    )


def _marked(
    characters: Counter[str],
    marks: tuple[str, ...],
    undo: str,
    longest: int,
    known: Vocabulary | None,
) -> Vocabulary:
    """Return the vocabulary of a model that marks texts: what is known, then the others."""
    made = Vocabulary.counted(characters, known.characters if known else "")
    # The marks of a model that does something else mean something else.
    same = known is not None and known.marking is not None and known.marking.undo == undo
    had = known.marking.marks if known and known.marking and same else ()
    every = (*had, *(mark for mark in marks if mark not in had))
    return replace(made, marking=Marking(every, undo, longest))


def _shared(train: Text, held: Text, what: str, note: Note) -> None:
    """Say how many held-out examples are learned from as well."""
    assert train.marks is not None
    assert held.marks is not None
    shared = int(np.isin(held.marks.prints, train.marks.prints).sum())
    if shared:
        note(
            f"{shared:,} of the held-out {what} are among those to learn from, so the figures are "
            "better than on new ones"
        )


def _say(count: int, valid: Text | None, what: str, note: Note) -> None:
    held = 0 if valid is None or valid.marks is None else len(valid.marks.starts)
    note(f"{count:,} {what} to learn from, {held:,} held out")
