"""What a person sees while a network trains: a live screen on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import time
from typing import Protocol

from rich.console import Console as Rich
from rich.console import Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from chargen.kinds import PERPLEXITY, Metric
from chargen.terminal import figures
from chargen.terminal.console import Console
from chargen.terminal.curve import curve, points_of
from chargen.terminal.figures import duration
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

LINE_EVERY = 10.0
"""Seconds between two plain lines of progress."""

REFRESH = 4
CURVE_HEIGHT = 8
SHORTEST_SPEED = 1.0
BEGINNING = 80
WIDEST = 100


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


def opening(start: Start) -> str:
    """Say what is about to be trained, on what, with which choices."""
    settings = start.settings
    going_on = f", going on from step {start.step:,}" if start.step else ""
    return (
        f"run {start.run}\n"
        f"{start.network} ({start.parameters:,} parameters), {start.vocabulary} characters\n"
        f"{start.corpus}: {start.train_characters:,} characters to train on, "
        f"{start.valid_characters:,} held out\n"
        f"{start.budget} on {start.device} in {settings['precision']}, "
        f"batch {settings['batch']} × {settings['bptt']}, lr {settings['lr']:g}, "
        f"dropout {settings['dropout']:g}, seed {settings['seed']}{going_on}"
    )


def closing(done: Done, metric: Metric) -> str:
    """Say how training ended and what it came to."""
    why = {"budget": "done", "patience": "stopped early: no longer improving"}
    head = f"{why.get(done.stopped, done.stopped)} after {duration(done.seconds)}"
    lines = [f"{head}, {done.characters_seen:,} characters, {done.step:,} steps"]
    if done.valid is not None:
        lines.append(f"held-out {figures.final(metric, done.valid)}")
    if done.best:
        lines.append(f"best model: {done.best}")
    return "\n".join(lines)


def evaluated(evaluation: Evaluation, metric: Metric, dropout: float) -> str:
    """Say in one line what an evaluation found."""
    training = figures.training(metric, evaluation.train_nats_per_char, dropout)
    if not evaluation.figures:
        return f"step {evaluation.step:,}: training {training}"
    return (
        f"step {evaluation.step:,}: held-out {figures.found(metric, evaluation.figures)}, "
        f"training {training}{', best so far' * evaluation.best}"
    )


def concluding(conclusion: Conclusion) -> str:
    """Say that the last evaluation has begun."""
    return (
        f"scoring the best model, of step {conclusion.step:,}, on {conclusion.characters:,} "
        "held-out characters"
    )


def undone(rollback: Rollback) -> str:
    """Say that a non-finite loss was undone."""
    return (
        f"step {rollback.step:,}: the loss is not finite; back to step {rollback.to:,} with "
        f"{rollback.rate:g} × the learning rate"
    )


class Speed:
    """Characters a second, over the time between reports."""

    def __init__(self) -> None:
        self.first: Step | None = None
        self.since: tuple[float, int] | None = None
        self.value = 0.0

    def update(self, step: Step) -> None:
        """Take in a step's report."""
        self.first = self.first or step
        now = (step.seconds, step.characters_seen)
        if self.since is None:
            self.since = now
        elif now[0] - self.since[0] >= SHORTEST_SPEED:
            self.value = (now[1] - self.since[1]) / (now[0] - self.since[0])
            self.since = now

    def left(self, step: Step) -> float:
        """Return the seconds of training left, going by the pace so far."""
        first = self.first or step
        done = step.progress - first.progress
        return (step.seconds - first.seconds) * (1 - step.progress) / done if done > 0 else math.nan


class Lines:
    """One line now and then, for logs and pipes."""

    def __init__(self, console: Rich) -> None:
        self.console = console
        self.metric = PERPLEXITY
        self.dropout = 0.0
        self.speed = Speed()
        self.shown = -math.inf
        self.sample = ""

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def show(self, report: Report) -> None:
        """Print what deserves a line."""
        match report:
            case Start():
                self.metric = report.metric
                self.dropout = report.settings["dropout"]
                self._print(opening(report))
            case Step():
                self._step(report)
            case Evaluation():
                self._print(evaluated(report, self.metric, self.dropout))
            case Preview():
                self.sample = report.text
                beginning = visible(" ".join(self.sample.split()))[:BEGINNING]
                self._print(f"  it writes: {beginning} …")
            case Rollback():
                self._print(undone(report))
            case Conclusion():
                self._print(concluding(report))
            case Done():
                if self.sample:
                    body = visible(self.sample).strip("\n").replace("\n", "\n  | ")
                    self._print(f"a sample:\n  | {body}")
                self._print(closing(report, self.metric))

    def _step(self, step: Step) -> None:
        self.speed.update(step)
        if time.monotonic() - self.shown >= LINE_EVERY:
            self.shown = time.monotonic()
            nats = step.smooth_nats_per_char
            self._print(
                f"{step.progress:4.0%}  step {step.step:,}  "
                f"training {figures.training(self.metric, nats, self.dropout)}  lr {step.lr:.2g}  "
                f"gradient {step.gradient_norm:.2f}  {self.speed.value:,.0f} characters/s"
            )

    def _print(self, text: str) -> None:
        self.console.print(visible(text), markup=False, highlight=False, soft_wrap=True)


class Screen:
    """A screen that is drawn over in place: progress, figures, curve, the latest sample."""

    def __init__(self, console: Rich) -> None:
        self.console = console
        self.metric = PERPLEXITY
        self.dropout = 0.0
        self.speed = Speed()
        self.ending = ""
        self.step: Step | None = None
        self.history: list[figures.Figures] = []
        self.sample = ""
        self.live = Live(console=console, refresh_per_second=REFRESH, get_renderable=self._draw)

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *error: object) -> None:
        self.live.stop()

    def show(self, report: Report) -> None:
        """Take in one report; the screen redraws itself."""
        match report:
            case Start():
                self.metric = report.metric
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
                self.sample = report.text
            case Rollback():
                self._print(undone(report))
            case Conclusion():
                self.ending = concluding(report)
            case Done():
                self.live.stop()
                self._print(closing(report, self.metric))

    def _print(self, text: str) -> None:
        self.console.print(visible(text), markup=False, highlight=False)

    @property
    def _scored(self) -> bool:
        """Whether a held-out text was scored."""
        return bool(self.history) and self._complete(self.history[-1])

    def _complete(self, entry: figures.Figures) -> bool:
        """Return whether a record has what is shown of it; an old or odd one may lack it."""
        shown = (entry.get(key) for key in (self.metric.loss, self.metric.headline))
        return all(isinstance(value, int | float) and math.isfinite(value) for value in shown)

    def _draw(self) -> RenderableType:
        if self.step is None:
            return Text("starting …", style="dim")
        width = min(self.console.width, WIDEST)
        parts: list[RenderableType] = [self._bar(self.step, width), self._figures(self.step)]
        loss = self.metric.loss if self._scored else "train_nats_per_char"
        points = points_of(self.history, loss)
        if len(points) > 1:
            body = Text(
                "\n".join(curve(points, width - 4, CURVE_HEIGHT)), style="cyan", no_wrap=True
            )
            name = f"held-out {self.metric.unit}" if self._scored else "training nats"
            parts.append(self._panel(body, name, width))
        if self.sample:
            body = Text(visible(self.sample).strip("\n"), overflow="fold")
            name = f"sample at step {self.history[-1]['step']:,}" if self.history else "sample"
            parts.append(self._panel(body, name, width))
        return Group(*parts)

    def _panel(self, body: Text, name: str, width: int) -> Panel:
        return Panel(body, title=name, title_align="left", width=width, border_style="dim")

    def _bar(self, step: Step, width: int) -> RenderableType:
        row = Table.grid(padding=(0, 1))
        if self.ending:
            row.add_row(Spinner("dots"), Text(self.ending, style="dim"))
            return row
        left = duration(self.speed.left(step))
        row.add_row(
            ProgressBar(total=1.0, completed=step.progress, width=max(10, width - 40)),
            f"{step.progress:4.0%}",
            Text(f"{duration(step.seconds)} so far, {left} left", style="dim"),
        )
        return row

    def _figures(self, step: Step) -> RenderableType:
        table = Table.grid(padding=(0, 3))
        rows = [
            (
                "training",
                figures.training_cells(self.metric, step.smooth_nats_per_char, self.dropout),
            )
        ]
        if self._scored:
            scored = [entry for entry in self.history if self._complete(entry)]
            best = min(scored, key=lambda entry: entry[self.metric.loss])
            rows += [
                ("held out", figures.cells(self.metric, self.history[-1])),
                ("best", figures.cells(self.metric, best)),
            ]
        for name, cells in rows:
            table.add_row(Text(name, style="bold"), *cells)
        table.add_row(
            Text("step", style="bold"),
            f"{step.step:,} (epoch {step.epoch + 1})",
            f"lr {step.lr:.2g}",
            f"gradient {step.gradient_norm:.2f}",
            f"{self.speed.value:,.0f} characters/s",
        )
        return table
