"""A text with some of its characters marked: by colour, or in brackets where there is none."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from chargen.terminal.heat import coloured
from chargen.terminal.streams import visible

ON, OFF = "\x1b[48;5;215m\x1b[38;5;16m", "\x1b[0m"
BEGIN, END = "⟦", "⟧"
"""Brackets that hardly any text has itself."""


def show(text: str, marks: Iterable[bool]) -> None:
    """Print a text; ``marks`` tells of each character whether it is marked."""
    begin, end = (ON, OFF) if coloured() else (BEGIN, END)
    parts = []
    for mark, pairs in groupby(zip(text, marks, strict=True), key=lambda pair: bool(pair[1])):
        piece = visible("".join(character for character, _ in pairs))
        if mark:
            # A terminal would colour the rest of a line that ends within a mark.
            piece = "\n".join(f"{begin}{line}{end}" if line else "" for line in piece.split("\n"))
        parts.append(piece)
    print("".join(parts).removesuffix("\n"))
