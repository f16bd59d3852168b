"""A curve in the terminal, drawn in braille dots: two across and four down to a character."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from chargen.terminal.figures import duration

EMPTY = 0x2800
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of each dot, by row and column (Unicode Standard, section 21.1)."""


def points_of(history: Sequence[Mapping[str, Any]], key: str) -> list[tuple[float, float]]:
    """Return (seconds, value) of each record that has both as finite numbers."""
    pairs = [(record.get("seconds"), record.get(key)) for record in history]
    return [
        (x, y)
        for x, y in pairs
        if isinstance(x, int | float) and isinstance(y, int | float) and math.isfinite(x + y)
    ]


def curve(points: Sequence[tuple[float, float]], width: int, height: int) -> list[str]:
    r"""Draw points (x, y) joined by lines, and return ``height`` lines of ``width`` characters.

    The highest and the lowest y stand at the left of their lines, the rest is scaled between them.
    The last line is an axis of time, with x in seconds.

    Example:
        >>> print("\n".join(curve([(0, 0), (90, 1)], 20, 3)))
        1.000 ┤      ⢀⣀⡠⠤⠒⠒⠉
        0.000 ┤⣀⠤⠤⠒⠊⠉⠁
              └0s      1m30s
    """
    if not points or height < 2:
        return []
    height -= 1
    xs, ys = [x for x, _ in points], [y for _, y in points]
    low, high = min(ys), max(ys)
    labels = [f"{high:.3f} ┤", *[""] * (height - 2), f"{low:.3f} ┤"][:height]
    margin = max(map(len, labels))
    if width < margin + 2:
        return []
    across, down = (width - margin) * 2 - 1, height * 4 - 1
    cells = [[0] * (width - margin) for _ in range(height)]

    def place(value: float, least: float, most: float, steps: int) -> float:
        return (value - least) / (most - least) * steps if most > least else 0.0

    places = [
        (place(x, xs[0], xs[-1], across), down - place(y, low, high, down)) for x, y in points
    ]
    for (x0, y0), (x1, y1) in zip(places, [*places[1:], places[-1]], strict=True):
        steps = max(1, round(max(abs(x1 - x0), abs(y1 - y0))))
        for step in range(steps + 1):
            column = min(across, max(0, round(x0 + (x1 - x0) * step / steps)))
            row = min(down, max(0, round(y0 + (y1 - y0) * step / steps)))
            cells[row // 4][column // 2] |= DOTS[row % 4][column % 2]
    begin, end = duration(xs[0]), duration(xs[-1])
    axis = begin + end.rjust(width - margin - len(begin))
    lines = [
        (label.rjust(margin) if label else " " * (margin - 1) + "│")
        + "".join(chr(EMPTY + cell) if cell else " " for cell in line).rstrip()
        for label, line in zip(labels, cells, strict=True)
    ]
    return [*lines, " " * (margin - 1) + "└" + axis if len(axis) + margin <= width else ""]
