"""The live screen of a training: the latest sample, the curve, and figures, on any size.

It is drawn on the terminal's other page, so that a change of the window's size leaves nothing
behind, and what stood on the terminal before is still there afterwards.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Protocol

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.console import Console as Rich
from rich.live import Live
from rich.text import Text

from chargen.metrics import PERPLEXITY
from chargen.tasks.scoring import perplexity
from chargen.terminal import figures
from chargen.terminal.console import Console
from chargen.terminal.curve import curve, points_of
from chargen.terminal.figures import duration
from chargen.terminal.progress import Lines, Speed, closing, concluding, opening, undone
from chargen.terminal.streams import interactive, visible
from chargen.training.reports import (
    Conclusion,
    Done,
    Evaluation,
    Preview,
    Report,
    Rollback,
    Start,
    Step,
)

REFRESH = 4
"""Times a second that the screen is drawn."""

WIDEST = 120
BESIDE = 100
"""The widest screen, and the width from which sample and curve stand side by side."""

TALL = 12
"""Lines that a sample and a curve need, one above the other."""

LEFT_AT_END = 10
"""Lines of the terminal that the last sample leaves for the figures at the end."""

SHORTEST_BAR = 8

NARROWEST, LOWEST = 20, 4
"""The narrowest box that is drawn, and the lowest one with a curve."""

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class View(Protocol):
    """Shows reports; a context, so that the terminal is left in order."""

    def __enter__(self) -> View: ...
    def __exit__(self, *error: object) -> None: ...
    def show(self, report: Report) -> None:
        """Show one report."""


def view_on(console: Console) -> View:
    """Return what shows reports: a screen on a terminal, lines elsewhere."""
    shows = Screen if interactive() and not console.silent else Lines
    return shows(console.rich())


def fitted(parts: Sequence[str], width: int, between: str = "  ·  ") -> str:
    """Return as many of the parts, from the first, as fit on a line.

    Example:
        >>> fitted(["held out 1.44 nats", "2.08 bits", "best 1.44"], 33)
        'held out 1.44 nats  ·  2.08 bits'
    """
    line = parts[0]
    for part in parts[1:]:
        if cell_len(line + between + part) > width:
            break
        line += between + part
    return line if cell_len(line) <= width else set_cell_size(line, max(0, width - 1)) + "…"


def flowed(text: str, width: int, height: int) -> list[str]:
    """Return a text on so many lines, at most; short lines stand in columns, long ones are broken.

    What does not fit is left out, and an ellipsis says so.
    """
    lines = text.strip("\n").split("\n")
    longest = max(map(cell_len, lines)) + 2
    across = (width + 2) // longest
    if across > 1 and len(lines) > height:
        shown = lines[: across * height]
        columns = [shown[at : at + height] for at in range(0, len(shown), height)]
        rows = [[column[row] for column in columns if row < len(column)] for row in range(height)]
        return ["".join(set_cell_size(cell, longest) for cell in row).rstrip() for row in rows]
    broken = [part for line in lines for part in (chop_cells(line, width) or [""])]
    if len(broken) > height:
        broken = [*broken[: height - 1], "…"] if height > 1 else broken[:height]
    return broken


def boxed(title: str, body: Sequence[str], width: int, height: int, style: str = "") -> list[Text]:
    """Return a box of exactly this size around lines, which are cut where they are too long."""
    name = set_cell_size(title, min(cell_len(title), width - 6))
    top = f"╭─ {name} " + "─" * (width - 5 - cell_len(name)) + "╮"
    lines = [Text(top, style="dim")]
    for number in range(height - 2):
        inside = set_cell_size(body[number] if number < len(body) else "", width - 4)
        lines.append(Text.assemble(("│ ", "dim"), (inside, style), (" │", "dim")))
    return [*lines, Text("╰" + "─" * (width - 2) + "╯", style="dim")]


class Screen:
    """A screen that is drawn over in place; see `lines` for what stands on it."""

    def __init__(self, console: Rich) -> None:
        self.console = console
        self.start: Start | None = None
        self.metric = PERPLEXITY
        self.dropout = 0.0
        self.speed = Speed()
        self.ending = ""
        self.step: Step | None = None
        self.history: list[figures.Figures] = []
        self.sample = ""
        self.sampled = 0
        self.later: list[str] = []
        self.live = Live(
            console=console, screen=True, refresh_per_second=REFRESH, get_renderable=self._draw
        )

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *error: object) -> None:
        self._leave()

    def show(self, report: Report) -> None:
        """Take in one report; the screen redraws itself."""
        match report:
            case Start():
                self.start, self.metric = report, report.metric
                self.dropout = report.settings["dropout"]
                self._print(opening(report))
                self.history = list(report.history)
                self.live.start()
            case Step():
                self.speed.update(report)
                self.step = report
            case Evaluation():
                self.history.append(report.data)
            case Preview():
                self.sample, self.sampled = report.text, report.step
            case Rollback():
                self.later.append(undone(report))
            case Conclusion():
                self.ending = concluding(report)
            case Done():
                self._leave()
                self._print_sample()
                self._print(closing(report, self.metric))

    def _leave(self) -> None:
        """Go back to the terminal's usual page, and say there what must not be missed."""
        self.live.stop()
        for line in self.later:
            self._print(line)
        self.later.clear()

    def _print(self, text: str) -> None:
        self.console.print(visible(text), markup=False, highlight=False)

    def _print_sample(self) -> None:
        if not self.sample:
            return
        width, height = min(self.console.width, WIDEST), self.console.height
        body = flowed(visible(self.sample), width - 4, max(3, height - LEFT_AT_END - 2))
        for line in boxed(self._sample_title, body, width, len(body) + 2):
            self.console.print(line)

    @property
    def _sample_title(self) -> str:
        return f"sample at step {self.sampled:,}"

    @property
    def _scored(self) -> bool:
        """Whether a held-out text was scored."""
        return bool(self.history) and self._complete(self.history[-1])

    def _complete(self, entry: figures.Figures) -> bool:
        """Return whether a record has what is shown of it; an old or odd one may lack it."""
        shown = (entry.get(key) for key in (self.metric.loss, self.metric.headline))
        return all(isinstance(value, int | float) and math.isfinite(value) for value in shown)

    def _draw(self) -> Text:
        width, height = self.console.size
        lines = self.lines(width, height)
        return Text("\n", no_wrap=True, overflow="crop").join(lines)

    def lines(self, width: int, height: int) -> list[Text]:
        """Return the screen: progress, the figure to know, sample and curve, other figures.

        No line is wider and no screen taller than asked for. The sample gets the most room.
        """
        width = min(width, WIDEST)
        if self.step is None:
            return [Text(self._turning("the first step is the slowest"), style="dim")]
        top = [*self._progress(self.step, width), Text(self._headline(self.step, width), "bold")]
        below = [Text(line, style="dim") for line in self._details(self.step, width)]
        room = height - len(top) - len(below)
        loss = self.metric.loss if self._scored else "train_nats_per_char"
        points = points_of(self.history, loss)
        name = f"held-out {self.metric.unit}" if self._scored else "training nats"
        if width < NARROWEST:
            middle = []
        elif len(points) < 2 or (self.sample and room < TALL and width < BESIDE):
            middle = self._sample(width, room)
        elif not self.sample:
            middle = self._curve(points, name, width, min(room, TALL))
        elif width >= BESIDE and room >= LOWEST:
            beside = self._curve(points, name, width * 2 // 5, room)
            sample = self._sample(width - width * 2 // 5 - 1, room)
            middle = [
                Text.assemble(one, " ", other) for one, other in zip(sample, beside, strict=True)
            ]
        elif room < TALL:
            middle = self._sample(width, room)
        else:
            size = min(TALL, max(TALL // 2, room // 3))
            middle = self._sample(width, room - size) + self._curve(points, name, width, size)
        return (top + middle + below)[:height]

    def _sample(self, width: int, height: int) -> list[Text]:
        if not self.sample or height < 3:
            return []
        body = flowed(visible(self.sample), width - 4, height - 2)
        return boxed(self._sample_title, body, width, height)

    def _curve(
        self, points: Sequence[tuple[float, float]], name: str, width: int, height: int
    ) -> list[Text]:
        if height < LOWEST:
            return []
        return boxed(name, curve(points, width - 4, height - 2), width, height, "cyan")

    def _turning(self, words: str) -> str:
        return f"{SPINNER[int(time.monotonic() * 8) % len(SPINNER)]} {words}"

    def _progress(self, step: Step, width: int) -> list[Text]:
        """Return the title, and how far training is: a bar, or words while its end is unknown."""
        about = self.start
        title = "" if about is None else f"{about.run or 'training'}  ·  {about.network}"
        head = Text(fitted([title], width), style="dim")
        if self.ending:
            return [head, Text(fitted([self._turning(self.ending)], width))]
        left = self.speed.left(step)
        words = f" {step.progress:4.0%}  {duration(step.seconds)} so far"
        words += "" if math.isnan(left) else f", {duration(left)} left"
        size = width - cell_len(words)
        if size < SHORTEST_BAR:
            return [head, Text(fitted([words.strip()], width))]
        done = int(size * step.progress)
        return [head, Text.assemble(("━" * done, "cyan"), ("━" * (size - done), "dim"), words)]

    def _headline(self, step: Step, width: int) -> str:
        """Return the figure that a newcomer needs, in words."""
        metric, where = self.metric, ""
        if self._scored:
            value = self.history[-1][metric.headline]
        elif metric.same_in_training:
            value, where = perplexity(step.smooth_nats_per_char), " in training"
        else:
            return f"training {step.smooth_nats_per_char:.4f} nats"
        if not metric.lower:
            said = f"{metric.title}{where} {value:.1%}"
            return fitted([said, metric.meaning.format(round(value * 100))], width, ": ")
        said = f"{metric.title}{where} " + (
            f"{value:.2f}" if value < figures.LARGE else f"{value:.3g}"
        )
        choice = f"{max(1, round(value)):,}" if value < figures.LARGE else "thousands of"
        return fitted([said, f"about as sure as choosing among {choice} letters"], width, ": ")

    def _details(self, step: Step, width: int) -> list[str]:
        """Return the other figures, the more important first; what does not fit is left out."""
        metric = self.metric
        training = f"training {step.smooth_nats_per_char:.3f} nats"
        how = figures.with_dropout(self.dropout)
        parts = [training + (how and f", {how}")]
        if self._scored:
            now = self.history[-1]
            scored = [entry for entry in self.history if self._complete(entry)]
            best = min(scored, key=lambda entry: entry[metric.loss])
            bits = (
                []
                if metric.bits is None
                else [f"{now[metric.loss] / math.log(2):.3f} {metric.bits}"]
            )
            held_out = f"held out {now[metric.loss]:.3f} nats"
            parts = [held_out, *parts, f"best {best[metric.loss]:.3f}", *bits]
        return [
            fitted(parts, width),
            fitted(
                [
                    f"step {step.step:,} (epoch {step.epoch + 1})",
                    f"{self.speed.value:,.0f} characters/s",
                    f"lr {step.lr:.2g}",
                    f"gradient {step.gradient_norm:.2f}",
                ],
                width,
            ),
        ]
