"""Lines that are broken between words: prompt_toolkit breaks them anywhere."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache

from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.layout.screen import Char
from prompt_toolkit.layout.utils import explode_text_fragments

Rows = tuple[tuple[int, int], ...]


@lru_cache(maxsize=4096)
def rows(line: str, width: int) -> Rows:
    """Return where each row of a line begins, and how many columns are left free at its end.

    A word that is wider than a row is broken.

    Example:
        >>> rows("the red sea", 8)
        ((0, 0), (8, 5))
    """
    found: list[tuple[int, int]] = []
    start = begin = taken = word = 0
    for at, character in enumerate(line):
        wide = Char(character).width
        if taken + wide > width and at > start:
            # The word goes to the next row, unless it has a row for itself already.
            stop, moved = (begin, word) if begin > start else (at, 0)
            found.append((start, max(0, width - (taken - moved))))
            start, taken = stop, moved
            begin, word = stop, moved
        taken, word = taken + wide, word + wide
        if character == " ":
            begin, word = at + 1, 0
    return (*found, (start, max(0, width - taken)))


def wrapped(text: str, width: int) -> list[str]:
    """Return the rows of a text."""
    lines = list[str]()
    for line in text.split("\n"):
        starts = [start for start, _ in rows(line, width)]
        stops = [*starts[1:], len(line)]
        lines += [line[start:stop] for start, stop in zip(starts, stops, strict=True)]
    return lines


def moved(text: str, place: int, width: int, steps: int) -> int:
    """Return the place that is ``steps`` rows further down, in the same column; up, if negative.

    If there is no such row, return ``place``.

    Example:
        >>> moved("the red sea", 1, 8, 1)
        9
    """
    starts = row_starts(text, width)
    row = bisect_right(starts, place) - 1
    if not 0 <= row + steps < len(starts):
        return place
    column = columns(text[starts[row] : place])
    at, last = row_of(text, starts, row + steps)
    taken = 0
    while at < last and taken < column:
        taken += Char(text[at]).width
        at += 1
    return at


def edge(text: str, place: int, width: int, *, end: bool) -> int:
    """Return the beginning or the end of the row that a place is in."""
    starts = row_starts(text, width)
    first, last = row_of(text, starts, bisect_right(starts, place) - 1)
    return last if end else first


def columns(text: str) -> int:
    """Return how many columns a text takes on the screen."""
    return sum(Char(character).width for character in text)


def row_starts(text: str, width: int) -> list[int]:
    """Return where each row of a text begins."""
    starts, before = list[int](), 0
    for line in text.split("\n"):
        starts += [before + start for start, _ in rows(line, width)]
        before += len(line) + 1
    return starts


def row_of(text: str, starts: Sequence[int], row: int) -> tuple[int, int]:
    """Return the first place of a row, and the last at which the cursor is in it."""
    # The place behind the last character of a row is the first place of the next row.
    end = starts[row + 1] - 1 if row + 1 < len(starts) else len(text)
    return starts[row], end


class WordWrap(Processor):
    """Fills up each row with blanks, so that the next word begins a row."""

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        """Return the line with the blanks, and where each character has gone."""
        fragments = explode_text_fragments(transformation_input.fragments)
        found = rows("".join(one[1] for one in fragments), transformation_input.width)
        shown: StyleAndTextTuples = []
        added = 0
        # For each row, where it begins in the line, and where on the screen.
        begins: list[tuple[int, int]] = []
        for number, (start, free) in enumerate(found):
            begins.append((start, start + added))
            last = number + 1 == len(found)
            shown += fragments[start : None if last else found[number + 1][0]]
            if not last:
                shown.append(("", " " * free))
                added += free

        def to_screen(place: int) -> int:
            return place + max(there - start for start, there in begins if start <= place)

        def to_line(place: int) -> int:
            start, there = [one for one in begins if one[1] <= place][-1]
            following = [one[0] for one in begins if one[0] > start]
            return min([start + place - there, *(one - 1 for one in following[:1])])

        return Transformation(shown, source_to_display=to_screen, display_to_source=to_line)
