"""A text with each character's surprise: as colour, or as bars where there is no colour."""

from __future__ import annotations

import itertools
import os
import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rich.cells import cell_len

from chargen.terminal.console import one_line
from chargen.terminal.streams import interactive

if TYPE_CHECKING:
    from chargen.terminal.console import Console

EDGES = (0.5, 1.0, 2.0, 3.0, 4.5, 6.0, 8.0)
"""Bits at which the next level begins."""

BARS = " ▁▂▃▄▅▆█"
COLOURS = (None, 230, 229, 222, 215, 208, 202, 160)
"""A bar, and a background of xterm's 256 colours, for each level."""

WIDTH = 80
"""Columns, where there is no terminal."""


def level(bits: float) -> int:
    """Return how surprising a character is, from 0 to 7."""
    return bisect_right(EDGES, bits)


def coloured() -> bool:
    """Return whether standard output shows colours."""
    return sys.stdout.isatty() and interactive() and not os.environ.get("NO_COLOR")


def show(console: Console, text: str, bits: Iterable[float]) -> None:
    """Print a text, each character by its bits."""
    width = console.width() or WIDTH
    colour = coloured()
    print(legend(colour))
    for line in lines(text, bits, width):
        if colour:
            print("".join(painted(shown, level(cost)) for shown, cost in line))
        else:
            print("".join(shown for shown, _ in line).rstrip())
            bars = "".join(BARS[level(cost)] * cell_len(shown) for shown, cost in line).rstrip()
            if bars:
                print(bars)


def names() -> list[str]:
    """Return what each level means, in bits."""
    between = [f"{low:g}–{high:g}" for low, high in itertools.pairwise(EDGES)]
    return [f"<{EDGES[0]:g}", *between, f"≥{EDGES[-1]:g}"]


def legend(colour: bool) -> str:
    """Return a line that says what the levels mean."""
    if colour:
        return "bits: " + " ".join(painted(f" {name} ", at) for at, name in enumerate(names()))
    return "bits, below each line: " + "  ".join(
        f"{BARS[at].strip() or 'nothing'} {name}" for at, name in enumerate(names())
    )


def painted(text: str, at: int) -> str:
    """Return a text on the background of a level, in black letters."""
    colour = COLOURS[at]
    return text if colour is None else f"\x1b[48;5;{colour}m\x1b[38;5;16m{text}\x1b[0m"


def lines(text: str, bits: Iterable[float], width: int) -> Iterator[list[tuple[str, float]]]:
    """Yield lines of so many columns: of each character what is shown, and its bits.

    A new line is shown as a sign of its own, because it costs bits as well. A character without
    width, such as an accent, is shown with the one before it, and adds its bits.
    """
    line: list[tuple[str, float]] = []
    columns = 0
    for character, cost in zip(text, bits, strict=True):
        shown = one_line(character)
        wide = cell_len(shown)
        if wide == 0 and line:
            line[-1] = (line[-1][0] + shown, line[-1][1] + cost)
            continue
        if columns + wide > width:
            yield line
            line, columns = [], 0
        line.append((shown, cost))
        columns += wide
        if character == "\n":
            yield line
            line, columns = [], 0
    if line:
        yield line
