"""Pictures of runs and of networks: curves over time, and values along a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chargen.terminal.plots import SIZES, drawn, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chargen.metrics import Metric
    from chargen.tasks.units import Unit

BY = {"seconds": "seconds", "steps": "step", "characters": "characters_seen"}
"""What a curve may run along, and the key of that in a history."""

COLUMNS = 80
"""Characters in a line of a picture."""

SMALLEST = 4.0
"""Points of the smallest letters that are drawn beside a square."""

STYLES = ("-", "--", "-.", ":")
MARKERS = "os^Dvp*X"


def curves(
    path: Path,
    metric: Metric,
    runs: Sequence[tuple[str, Sequence[Mapping[str, Any]]]],
    by: str = "seconds",
) -> None:
    """Draw the held-out figures of several runs.

    Args:
        runs: a name and the history of each.
        by: one of `BY`.

    Raises:
        UsageError: see `drawable`, or the file cannot be written.
    """
    with drawn(path, (10, 6)) as figure:
        axes = figure.subplots()
        for number, (name, history) in enumerate(runs):
            rows = [row for row in history if BY[by] in row and metric.loss in row]
            axes.plot(
                [row[BY[by]] for row in rows],
                [row[metric.loss] for row in rows],
                label=name,
                # Other strokes and marks, for those who see no colours.
                linestyle=STYLES[number % len(STYLES)],
                marker=MARKERS[number % len(MARKERS)],
            )
        axes.set(xlabel=by, ylabel=f"held-out {metric.unit}")
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)


def units(path: Path, text: str, found: Sequence[Unit], told: str) -> None:
    """Draw a text once for each unit, each character on a background by the unit's value.

    Args:
        told: what the numbers beside the units are.

    Raises:
        UsageError: see `drawable`, or the file cannot be written.
    """
    lines = -(-len(text) // COLUMNS)
    high = min(len(found) * (0.28 * lines + 0.45) + 0.6, 200)
    with drawn(path, (12.8, high), SIZES | {"font.family": "monospace"}) as figure:
        for axes, unit in zip(np.atleast_1d(figure.subplots(len(found), 1)), found, strict=True):
            values = np.full(lines * COLUMNS, np.nan)
            values[: len(text)] = unit.values
            most = float(np.nanmax(np.abs(values))) or 1.0
            image = axes.imshow(
                values.reshape(lines, COLUMNS), cmap="PuOr", vmin=-most, vmax=most, aspect="auto"
            )
            for at, character in enumerate(text):
                row, column = divmod(at, COLUMNS)
                strong = abs(unit.values[at]) > 0.7 * most
                axes.text(
                    column, row, sign(character), ha="center", va="center", fontsize=9,
                    color="white" if strong else "black",
                )  # fmt: skip
            axes.set_title(
                f"layer {unit.layer}, unit {unit.number}: {told} {unit.correlation:+.2f}",
                loc="left", fontsize=11,
            )  # fmt: skip
            axes.set_axis_off()
            figure.colorbar(image, ax=axes, pad=0.01, fraction=0.02)


def attention(path: Path, text: str, shares: NDArray[np.float32]) -> None:
    """Draw what each head attends to: a square for each, a row for each character that reads.

    Args:
        shares: (L, heads, T + 1, T + 1), see `chargen.measured.Measured.attention`.

    Raises:
        UsageError: see `drawable`, or the file cannot be written.
    """
    layers, heads, places, _ = shares.shape
    size = min(max(3.2, 0.14 * places), 40 / max(layers, heads))
    # Letters that fit beside one another; smaller ones cannot be read.
    letters = min(11.0, 50 * size / places)
    names = ["⊢", *map(sign, text)] if letters >= SMALLEST else []
    with drawn(path, (size * heads + 1, size * layers + 0.6)) as figure:
        for layer, row in enumerate(figure.subplots(layers, heads, squeeze=False)):
            for head, axes in enumerate(row):
                # The darkest is where a head looks at one place; the root shows faint ones, too.
                axes.imshow(shares[layer, head] ** 0.5, cmap="Greys", vmin=0, vmax=1)
                axes.set_title(f"layer {layer}, head {head}", fontsize=11)
                axes.set_xticks(range(len(names)), names, fontsize=letters)
                axes.set_yticks(range(len(names)), names, fontsize=letters)
                axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
        figure.supxlabel("the character that is read", fontsize=11)
        figure.supylabel("the last character so far", fontsize=11)


def rolling(path: Path, places: Sequence[float], shares: Mapping[str, Sequence[float]]) -> None:
    """Draw the probability of each label along a text.

    Args:
        places: the middle of each window, in characters.
        shares: for each label, its probability in each window.

    Raises:
        UsageError: see `drawable`, or the file cannot be written.
    """
    with drawn(path, (12.8, 4.8)) as figure:
        axes = figure.subplots()
        for number, (label, values) in enumerate(shares.items()):
            axes.plot(places, values, label=label, linestyle=STYLES[number % len(STYLES)])
        axes.set(xlabel="characters from the beginning", ylabel="probability", ylim=(0, 1))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))


def sign(character: str) -> str:
    """Return a character as it is drawn: a new line as a sign, a blank as nothing."""
    return "⏎" if character == "\n" else " " if character.isspace() else shown(character)
