"""What is said while a network trains, in words: plain lines for logs and pipes."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console as Rich

from chargen.metrics import PERPLEXITY, Metric
from chargen.terminal import figures
from chargen.terminal.figures import duration
from chargen.terminal.streams import visible
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

SHORTEST_SPEED = 1.0
"""Seconds over which a speed is measured, at least."""

BEGINNING = 80
"""Characters of a sample that stand on its line."""


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
        f"{kept(start.kept, start.metric)}"
    )


def closing(done: Done, metric: Metric) -> str:
    """Say how training ended and what it came to."""
    why = {"budget": "done", "patience": "stopped early: no longer improving"}
    head = f"{why.get(done.stopped, done.stopped)} after {duration(done.seconds)}"
    lines = [f"{head}, {done.characters_seen:,} characters, {done.step:,} steps"]
    if done.valid is not None:
        lines.append(f"held-out {figures.final(metric, done.valid)}")
    lines += kept(done.kept, metric).splitlines()[1:]
    if done.best:
        lines.append(f"best model: {done.best}")
    return "\n".join(lines)


def kept(old: Mapping[str, Any] | None, metric: Metric) -> str:
    """Say on a line of its own how well an old text is known; nothing without one."""
    if old is None:
        return ""
    words = f"\nold text {old['corpus']}, held out: {metric.title}"
    before, after = old["before"], old["after"]
    if after is None:
        share = f"; {old['share']:.0%} of the lanes read it" if old["share"] else ""
        return f"{words} {before[metric.headline]:.3f} before training{share}"
    lost = after[metric.loss] - before[metric.loss]
    return (
        f"{words} {before[metric.headline]:.3f} before, {after[metric.headline]:.3f} now "
        f"({lost:+.4f} nats)"
    )


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
