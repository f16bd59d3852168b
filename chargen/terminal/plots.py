"""Pictures of results, drawn by matplotlib, which is an extra."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chargen.errors import UsageError
from chargen.files import reason
from chargen.tasks.comparing import Memory, conclusion

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

CELL, LARGEST = 0.36, 40.0
"""Inches of a cell, and of a picture at most."""

FLOOR = 1e-8
"""The shortest gradient that is drawn; a shorter one, or none, stands on the floor."""

SIZES = {
    "font.size": 13, "axes.titlesize": 14, "figure.titlesize": 17, "lines.linewidth": 2.2,
    "lines.markersize": 7,
}  # fmt: skip
"""Letters and lines that can be read from the back of a room."""


def drawable(path: Path) -> None:
    """Make sure that a plot can be drawn, before anything is measured for it.

    Raises:
        UsageError: there is no library to draw with, no such folder, or no such kind of picture.
    """
    try:
        import matplotlib.figure
    except ImportError:
        raise UsageError(
            "pictures need matplotlib", "Install it: pip install 'chargen[plots]'"
        ) from None
    why = None if path.parent.is_dir() else "there is no such folder"
    known = matplotlib.figure.Figure().canvas.get_supported_filetypes()
    if path.suffix.lower().removeprefix(".") not in known:
        why = "its suffix is no picture's"
    if why:
        raise UsageError(f"{path} cannot be drawn: {why}", "Use .png, .svg or .pdf")


@contextmanager
def drawn(
    path: Path, size: tuple[float, float], settings: Mapping[str, Any] = SIZES
) -> Iterator[Figure]:
    """Yield a figure, and save it: without a date and with fixed names, so that it stays the same.

    Args:
        size: in inches.
        settings: of matplotlib.

    Raises:
        UsageError: see `drawable`, or the file cannot be written.
    """
    drawable(path)
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    chosen: dict[Any, Any] = {**settings, "svg.hashsalt": "chargen"}
    with rc_context(chosen):
        figure = Figure(figsize=size, layout="constrained")
        yield figure
        save(figure, path)


def alignment(path: Path, source: str, symbols: Sequence[str], shares: NDArray[np.float64]) -> None:
    """Draw from which characters of a source each symbol of a target was written.

    Args:
        shares: (T, S), for each symbol the share of each character.

    Raises:
        UsageError: see `drawable`, or the file cannot be written.
    """
    wide, high = (max(3.0, 1.5 + CELL * size) for size in (len(source), len(symbols)))
    with drawn(path, (min(wide, LARGEST), min(high, LARGEST))) as figure:
        axes = figure.subplots()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(len(source)), [shown(one) for one in source])
        axes.set_yticks(range(len(symbols)), [shown(one) for one in symbols])
        axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False)
        axes.set(xlabel="source", ylabel="target")
        axes.xaxis.set_label_position("top")


def shown(symbol: str) -> str:
    """Return a symbol as a label: a blank as a mark that can be seen."""
    return "␣" if symbol.isspace() else symbol.replace("$", r"\$")


def save(figure: Figure, path: Path) -> None:
    """Write a picture, without a date, so that the same figures give the same file.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        dated = {".svg": "Date", ".pdf": "CreationDate"}.get(path.suffix.lower())
        with warnings.catch_warnings(action="ignore"):
            # It warns of each letter that its fonts lack.
            figure.savefig(path, metadata={dated: None} if dated else None)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be drawn: {reason(error)}", "Use .png, .svg or .pdf"
        ) from error


def memories(path: Path, models: Sequence[tuple[str, Memory]]) -> None:
    """Draw both measurements of several models, as PNG, SVG or PDF by the file's suffix.

    Raises:
        UsageError: see `drawable`, or the file cannot be written.
    """
    with drawn(path, (12.8, 7.2)) as figure:
        figure.suptitle("How much context each network makes use of")
        helped, reached = figure.subplots(1, 2)
        ticks: set[int] = set()
        lowest = 1.0
        for number, (name, memory) in enumerate(models):
            # Another mark for each, for those who see no colours.
            marker = "os^Dvp*X"[number % 8]
            helped.errorbar(
                memory.contexts, memory.bpc, memory.error, label=name, marker=marker, capsize=3
            )
            backs = {back: max(g, FLOOR) for back, g in memory.back.items() if back}
            reached.plot(list(backs), list(backs.values()), label=name, marker=marker)
            ticks |= {context for context in memory.contexts if (context.bit_length() - 1) % 2 == 0}
            lowest = min(lowest, *backs.values())
        helped.set(
            title="Bits per character, by context",
            xlabel="characters given before (log scale)",
            ylabel="bits per character",
        )
        reached.set(
            title="Gradient, by distance",
            xlabel="characters back (log scale)",
            ylabel="length of the gradient (log scale)",
            yscale="log",
        )
        if lowest <= FLOOR:
            reached.axhline(FLOOR, color="gray", linewidth=1, linestyle=":")
            reached.annotate(
                "the dotted line: nothing", (1, FLOOR), xytext=(0, 5), textcoords="offset points",
                color="gray", fontsize=11,
            )  # fmt: skip
        for axes in (helped, reached):
            axes.set_xscale("log", base=2)
            axes.set_xticks(sorted(ticks), [f"{tick:,}" for tick in sorted(ticks)])
            axes.minorticks_off()
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(frameon=False)
        said = conclusion(models).replace("tell, ", "tell,\n").replace("; ", "\n")
        figure.supxlabel(said, fontsize=13, x=0.02, ha="left")
