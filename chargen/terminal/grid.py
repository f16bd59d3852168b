"""Tables as lines of text: columns side by side, or names with values below one another.

No line is wider than it may be, no name and no path is broken, and no line ends with blanks.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich.cells import cell_len

GAP = 2
"""Blanks between two columns."""

INDENT = "  "


def columns(
    rows: Sequence[Sequence[str]],
    head: Sequence[str],
    left: Collection[int] = (0,),
    width: int | None = None,
    spare: int = 0,
) -> list[str]:
    r"""Return the lines of a table, its head first.

    Where the lines would be too long, the spare columns are left out, the last one first. If that
    is not enough, the first column, which has the names, is taken out: each name then stands on a
    line of its own, above its figures, and there may be room for spare columns again.

    Args:
        left: the columns that are text, aligned left; the others are numbers.
        width: of the longest line, in cells; None for no limit.
        spare: how many of the last columns may be left out.

    Example:
        >>> print("\n".join(columns([("a", "10"), ("bcd", "5")], ("text", "nats"))))
        text  nats
        a       10
        bcd      5
        >>> print("\n".join(columns([("a/long/path", "10")], ("text", "nats"), width=12)))
        text
        nats
        a/long/path
          10
    """
    sizes = [max(map(cell_len, column)) for column in zip(head, *rows, strict=True)]

    def room(first: int, last: int) -> bool:
        return width is None or sum(sizes[first:last]) + GAP * (last - first - 1) <= width

    most = len(sizes)
    for last in range(most, most - spare - 1, -1):
        if room(0, last) or most == 1:
            return [_line(row[:last], sizes, left) for row in (head, *rows)]
    last = next((n for n in range(most, most - spare, -1) if room(1, n)), most - spare)
    rest = {number - 1 for number in left}
    lines = [head[0], _line(head[1:last], sizes[1:], rest)]
    for row in rows:
        lines += [row[0], _line(row[1:last], sizes[1:], rest)]
    return lines


def _line(row: Sequence[str], sizes: Sequence[int], left: Collection[int]) -> str:
    cells = []
    for number, (cell, size) in enumerate(zip(row, sizes, strict=False)):
        blank = " " * (size - cell_len(cell))
        cells.append(cell + blank if number in left else blank + cell)
    return (" " * GAP).join(cells).rstrip()


def pairs(rows: Sequence[tuple[str, str]], width: int | None = None) -> list[str]:
    r"""Return a line for each name and its value; a long value goes on below, at blanks only.

    A word that is too long for its column begins on a line of its own.

    Example:
        >>> print("\n".join(pairs([("network", "lstm 1 × 512"), ("loss", "1.4")], 16)))
        network  lstm 1
                 × 512
        loss     1.4
    """
    margin = max((cell_len(name) for name, _ in rows), default=0) + GAP
    lines = []
    for name, value in rows:
        begin = name + " " * (margin - cell_len(name))
        words = value.split(" ")
        room = None if width is None else width - margin
        if room is not None and max(map(cell_len, words)) > room:
            lines += [name, *(INDENT + line for line in wrapped(words, (width or 0) - len(INDENT)))]
            continue
        first, *more = wrapped(words, room)
        lines += [(begin + first).rstrip(), *(" " * margin + line for line in more)]
    return lines


def wrapped(words: Sequence[str], width: int | None) -> list[str]:
    """Return words on lines of a width; a word that is longer has a line of its own."""
    lines = [words[0]]
    for word in words[1:]:
        if width is not None and cell_len(lines[-1]) + 1 + cell_len(word) > width:
            lines.append(word)
        else:
            lines[-1] += " " + word
    return lines
