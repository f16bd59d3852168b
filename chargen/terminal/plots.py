"""Pictures of results, drawn by matplotlib, which is an extra."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chargen.errors import UsageError, argument
from chargen.files import reason
from chargen.tasks.comparing import Memory


def drawable(path: Path) -> None:
    """Make sure that a plot can be drawn, before anything is measured for it.

    Raises:
        UsageError: there is no library to draw with, no such folder, or no such kind of picture.
    """
    try:
        import matplotlib.figure
    except ImportError:
        raise UsageError(
            f"{argument('plot')} needs matplotlib", "Install it: pip install 'chargen[plots]'"
        ) from None
    why = None if path.parent.is_dir() else "there is no such folder"
    known = matplotlib.figure.Figure().canvas.get_supported_filetypes()
    if path.suffix.removeprefix(".") not in known:
        why = "its suffix is no picture's"
    if why:
        raise UsageError(f"{path} cannot be drawn: {why}", "Use .png, .svg or .pdf")


def memories(path: Path, models: Sequence[tuple[str, Memory]]) -> None:
    """Draw both measurements of several models, as PNG, SVG or PDF by the file's suffix.

    Raises:
        UsageError: see `drawable`, or the file cannot be written.
    """
    drawable(path)
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # Without a date and with fixed names, so that the same figures give the same file.
    with rc_context({"svg.hashsalt": "chargen", "font.size": 10}):
        figure = Figure(figsize=(10, 4), layout="constrained")
        helped, reached = figure.subplots(1, 2)
        for name, memory in models:
            helped.errorbar(memory.contexts, memory.bpc, memory.error, label=name, marker=".")
            backs = [
                (k, g) for k, g in zip(memory.contexts, memory.gradient[1:], strict=False) if g
            ]
            reached.plot(*zip(*backs, strict=True), label=name, marker=".")
        helped.set(xlabel="characters of context", ylabel="bits per character")
        reached.set(xlabel="characters back", ylabel="length of the gradient", yscale="log")
        for axes in (helped, reached):
            axes.set_xscale("log", base=2)
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(frameon=False)
        try:
            figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
        except OSError as error:
            raise UsageError(
                f"{path} cannot be drawn: {reason(error)}", "Use .png, .svg or .pdf"
            ) from error
