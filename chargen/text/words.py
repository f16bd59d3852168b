"""Words and sentences by Unicode's rules (Unicode Standard Annex 29).

Words are cut by the library `regex`, which knows the default word boundaries. Sentences follow the
rules SB3 to SB11 of the annex, written as one pattern over the property Sentence_Break.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import regex

WORD = regex.compile(r"\b", flags=regex.WORD)
LETTER = regex.compile(r"[\p{L}\p{M}\p{N}]")
"""What has one of these is a word; everything else is space, punctuation or a sign."""

PARAGRAPH = r"(?:\r\n|[\p{SB=SE}\p{SB=CR}\p{SB=LF}])"
IGNORED = r"[\p{SB=EX}\p{SB=FO}]*+"
# SB6: no number may follow a full stop; SB7: nor a capital, if a letter is before it; SB8: nor a
# small letter, whatever else stands between.
FULL_STOP = (
    rf"(?:(?<=[\p{{SB=UP}}\p{{SB=LO}}]{IGNORED})\p{{SB=AT}}{IGNORED}(?!\p{{SB=UP}})"
    rf"|(?<![\p{{SB=UP}}\p{{SB=LO}}]{IGNORED})\p{{SB=AT}}{IGNORED})(?!\p{{SB=NU}})"
)
SMALL_AHEAD = (
    r"(?![^\p{SB=LE}\p{SB=UP}\p{SB=LO}\p{SB=SE}\p{SB=CR}\p{SB=LF}\p{SB=ST}\p{SB=AT}]*+\p{SB=LO})"
)
CLOSING = rf"(?:\p{{SB=CL}}{IGNORED})*+(?:\p{{SB=SP}}{IGNORED})*+"
GOES_ON = r"(?![\p{SB=SC}\p{SB=ST}\p{SB=AT}])"
SENTENCE_END = regex.compile(
    rf"(?:\p{{SB=ST}}{IGNORED}{CLOSING}|{FULL_STOP}{CLOSING}{SMALL_AHEAD})"
    rf"{GOES_ON}{PARAGRAPH}?|{PARAGRAPH}"
)


def words(text: str) -> Iterator[tuple[int, int, bool]]:
    """Yield where words, and what is between words, start and stop; and whether it is a word.

    Example:
        >>> [text[start:stop] for text in ["It’s 3.5 m."] for start, stop, _ in words(text)]
        ['It’s', ' ', '3.5', ' ', 'm', '.']
    """
    cuts = [found.start() for found in WORD.finditer(text)]
    for start, stop in itertools.pairwise(sorted({0, *cuts, len(text)})):
        yield start, stop, LETTER.search(text, start, stop) is not None


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Yield where sentences start and stop; a new line ends one, too.

    Example:
        >>> text = "He paid 3.5 dollars. “Why?” she asked."
        >>> [text[start:stop] for start, stop in sentences(text)]
        ['He paid 3.5 dollars. ', '“Why?” ', 'she asked.']
    """
    start = 0
    for found in SENTENCE_END.finditer(text):
        if found.end() > start:
            yield start, found.end()
            start = found.end()
    if start < len(text):
        yield start, len(text)
