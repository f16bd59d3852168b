"""Damage that a model learns to undo, made from a text that is right.

Each character of a text stays, changes, or is lost. A damaged text has what stayed and what
changed; each of its characters has a mark that says how to mend it:

- nothing: it stays as it is;
- ``^``: it becomes a capital;
- ``=x``: it becomes x;
- then ``xy`` behind a separator, if xy was lost behind it and is to be put in again.

A mark may be used only if damaging what it gives is the character again (see `fits`). So if `of` is
applied to each character of a text and of the text mended, the same is left of both. Noise is the
exception: it may change any character into any other.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import cache

import numpy as np

from chargen.errors import UsageError, argument
from chargen.text.corpus import Span, read_all

ACCENTS, CASE, PUNCTUATION, SPACES, SENTENCES, NOISE = KINDS = (
    "accents", "case", "punctuation", "spaces", "sentences", "noise",
)  # fmt: skip
KEEP, CAPITAL, INSTEAD, BEHIND = "", "^", "=", "\x1f"
BREAK = INSTEAD + "\n"
"""The mark of a blank at which a sentence ends."""

INNER = "'’-‐‑"
"""Punctuation that stays between two letters: it belongs to a word."""

END = re.compile(r"[.!?…][\"”»’')\]]*(\s+)(?=[\"“„«‘'(\[]*([^\W\d_]))")
"""Where a sentence may end: a mark of its end, then blanks, then a letter; not if it is small."""

NOISY = 0.06
"""Share of the characters that noise changes, takes away, or puts another behind."""

STRETCH = 256
"""Characters of a text that are learned from together."""

SAMPLED, SAMPLES = 1 << 14, 512
"""Characters of the stretches in which marks are counted, and how many of these there are."""

FEWEST, MOST = 2, 1000
"""A mark must occur so many times to be learned, and so many of the commonest are."""


def kinds_of(undo: str) -> tuple[str, ...]:
    """Return the kinds of damage that an option names, with commas between them.

    Raises:
        UsageError: there is no such kind, or two that do not go together.
    """
    kinds = tuple(dict.fromkeys(part.strip() for part in undo.split(",")))
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise UsageError(f"unknown {argument('undo')} {unknown[0]!r}", f"Choose {', '.join(KINDS)}")
    alone = [kind for kind in kinds if kind in (SENTENCES, NOISE)]
    if alone and len(kinds) > 1:
        raise UsageError(
            f"{argument('undo')} {alone[0]} does not go with others", "Train a model for each"
        )
    return kinds


@cache
def plain(character: str) -> str:
    """Return a letter without its accents and strokes; another character as it is.

    Example:
        >>> plain("é"), plain("Ø"), plain("ß"), plain("й")
        ('e', 'O', 'ß', 'й')
    """
    base, _, _ = unicodedata.name(character, "").partition(" WITH ")
    if character.isascii() or not character.isalpha() or not base.startswith(("LATIN", "GREEK")):
        return character
    try:
        return unicodedata.lookup(base)
    except KeyError:
        return character


class Damage:
    """One or more kinds of damage.

    Args:
        undo: their names, see `kinds_of`.
    """

    def __init__(self, undo: str) -> None:
        self.kinds = kinds_of(undo)

    def of(self, character: str) -> str:
        """Return what becomes of a character that stands alone: it, another, or nothing."""
        if ACCENTS in self.kinds:
            character = plain(character)
        if CASE in self.kinds and len(character.lower()) == 1:
            character = character.lower()
        if character == BEHIND:
            return character
        if PUNCTUATION in self.kinds and unicodedata.category(character).startswith("P"):
            return ""
        return "" if SPACES in self.kinds and character == " " else character

    def shown(self, character: str) -> str:
        """Return what a network reads in the place of a character: damaged if it was not."""
        if SENTENCES in self.kinds:
            return " " if character.isspace() else character.lower()[:1]
        return self.of(character) or character

    def done(self, text: str, seed: int = 0) -> tuple[str, list[str]]:
        """Return a damaged text, and the mark of each of its characters.

        Args:
            seed: of noise; all other damage is always the same.
        """
        if SENTENCES in self.kinds:
            return unmarked(text)
        if NOISE in self.kinds:
            return noisy(text, seed)
        damaged: list[str] = []
        marks: list[str] = []
        for at, character in enumerate(text):
            left = self.of(character)
            # At the very beginning there is no character to carry the mark.
            if not left and (not damaged or within(text, at)):
                left = character
            if left:
                damaged.append(left)
                marks.append(KEEP if left == character else _changed(left, character))
            else:
                marks[-1] += character if BEHIND in marks[-1] else BEHIND + character
        return "".join(damaged), marks

    def fits(self, character: str, mark: str) -> bool:
        """Return whether a mark may be used on a character."""
        if mark == KEEP:
            return True
        if NOISE in self.kinds:
            return True
        if SENTENCES in self.kinds:
            return character == " "
        instead, behind = parts(character, mark)
        if len(instead) != 1 or any(self.of(one) for one in behind):
            return False
        # What is right already stays.
        return instead == character or self.of(instead) == character


def _changed(left: str, right: str) -> str:
    return CAPITAL if left.upper() == right else INSTEAD + right


def parts(character: str, mark: str) -> tuple[str, str]:
    """Return what a character becomes by a mark, and what is put behind it.

    Example:
        >>> parts("e", "=é"), parts("a", "^" + BEHIND + ","), parts("b", ""), parts("x", "=")
        (('é', ''), ('A', ','), ('b', ''), ('', ''))
    """
    change, _, behind = mark.partition(BEHIND)
    if change == CAPITAL:
        return character.upper(), behind
    return change.removeprefix(INSTEAD) if change else character, behind


def within(text: str, at: int) -> bool:
    """Return whether a sign stands inside a word, to which it belongs."""
    around = text[max(0, at - 1) : at + 2]
    return text[at] in INNER and len(around) == 3 and around[0].isalpha() and around[2].isalpha()


def mended(text: str, marks: Iterable[str]) -> str:
    """Return a text mended by the marks of its characters."""
    return "".join("".join(parts(one, mark)) for one, mark in zip(text, marks, strict=True))


def unmarked(text: str) -> tuple[str, list[str]]:
    """Return a text without capitals and punctuation, and marks where its sentences end."""
    ends = {found.start(1) for found in END.finditer(text) if not found[2].islower()}
    damaged: list[str] = []
    marks: list[str] = []
    for at, character in enumerate(text):
        left = " " if character.isspace() else character.lower()[:1]
        if unicodedata.category(left).startswith("P") and character not in INNER:
            continue
        if left == " " and damaged and damaged[-1] == " ":
            marks[-1] = BREAK if at in ends else marks[-1]
            continue
        damaged.append(left)
        marks.append(BREAK if at in ends else KEEP)
    return "".join(damaged), marks


def noisy(text: str, seed: int) -> tuple[str, list[str]]:
    """Return a text with mistakes of typing, and how to mend each."""
    random = np.random.default_rng(seed)
    letters = sorted({one for one in text if one.isalpha()}) or ["x"]
    damaged: list[str] = []
    marks: list[str] = []
    for character, chance in zip(text, random.random(len(text)).tolist(), strict=True):
        other = letters[int(random.integers(len(letters)))]
        if chance >= NOISY or not character.isalpha():
            damaged.append(character)
            marks.append(KEEP)
        elif chance < NOISY / 3:
            damaged.append(other)
            marks.append(KEEP if other == character else INSTEAD + character)
        elif chance < 2 * NOISY / 3 or not damaged or marks[-1] != KEEP:
            damaged += [character, other]
            marks += [KEEP, INSTEAD]
        else:
            marks[-1] = BEHIND + character
    return "".join(damaged), marks


class Stretches:
    """The stretches of a span that are learned from; they are read when they are asked for."""

    def __init__(self, span: Span, size: int = STRETCH) -> None:
        self.span, self.size = span, size

    def __len__(self) -> int:
        return -(-len(self.span) // self.size)

    def read(self, start: int, stop: int) -> list[str]:
        """Return the stretches from one place to another."""
        first, last = start * self.size, min(stop * self.size, len(self.span))
        text = read_all(self.span.blocks(first, last))
        return [text[at : at + self.size] for at in range(0, len(text), self.size)]


def learnable(span: Span, damage: Damage) -> tuple[Counter[str], Counter[str]]:
    """Return how often each character of a text occurs, damaged or not, and each mark.

    Of a long text, marks are counted in a sample from all over it.
    """
    characters = Counter({chr(point): count for point, count in span.text.counts.items()})
    marks = Counter[str]()
    stretches = Stretches(span, SAMPLED)
    for number in range(0, len(stretches), -(-len(stretches) // SAMPLES)):
        (text,) = stretches.read(number, number + 1)
        damaged, mending = damage.done(text, number)
        characters.update(set(damaged) - characters.keys())
        marks.update(mending)
    return characters, marks


def common(marks: Counter[str]) -> tuple[str, ...]:
    """Return the marks to learn, the commonest first, after the one that means nothing."""
    ranked = sorted(marks.items(), key=lambda item: (-item[1], item[0]))
    kept = [mark for mark, count in ranked if count >= FEWEST and mark != KEEP]
    return (KEEP, *kept[: MOST - 1])
