"""What a person sees while a network trains: a live screen on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from chargen.tasks.scoring import perplexity
from chargen.terminal.console import visible
from chargen.terminal.curve import curve

if TYPE_CHECKING:
    from chargen.training.loop import Report

LINE_EVERY = 10.0
"""Seconds between two plain lines of progress."""

REFRESH = 4
CURVE_HEIGHT = 8
SHORTEST_SPEED = 1.0
BEGINNING = 80


class View(Protocol):
    """Shows reports; a context, so that the terminal is left in order."""

    def __enter__(self) -> View: ...
    def __exit__(self, *error: object) -> None: ...
    def show(self, report: Report) -> None:
        """Show one report."""


def duration(seconds: float) -> str:
    """Return seconds as people write them: 42s, 3m05s, 2h10m."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def opening(data: dict[str, Any]) -> str:
    """Say what is about to be trained, on what, with which choices."""
    settings = data["settings"]
    going_on = f", going on from step {data['step']:,}" if data["step"] else ""
    return (
        f"{data['network']} ({data['parameters']:,} parameters), {data['vocabulary']} characters\n"
        f"{data['corpus']}: {data['train_characters']:,} characters to train on, "
        f"{data['valid_characters']:,} held out\n"
        f"{data['budget']} on {data['device']} in {settings['precision']}, "
        f"batch {settings['batch']} × {settings['bptt']}, lr {settings['lr']:g}, "
        f"dropout {settings['dropout']:g}, seed {settings['seed']}{going_on}"
    )


def closing(data: dict[str, Any]) -> str:
    """Say how training ended and what it came to."""
    why = {"budget": "done", "patience": "stopped early: no longer improving"}
    head = f"{why.get(data['stopped'], data['stopped'])} after {duration(data['seconds'])}"
    lines = [f"{head}, {data['characters_seen']:,} characters, {data['step']:,} steps"]
    valid = data["valid"] or {}
    kind = measure(valid)
    if kind == LABEL:
        lines.append(
            f"held-out {accuracy(valid)} of {valid['examples']:,} examples "
            f"({valid['label_nats']:.4f} nats a label)"
        )
    elif kind is not None:
        value, nats = valid[f"{kind}perplexity"], valid[nats_key(kind)]
        error = valid[f"{kind}perplexity_error"]
        lines.append(
            f"held-out {title(kind)} {value:.3f} ± {error:.3f} per character "
            f"({nats:.4f} nats, {nats / math.log(2):.3f} bits)"
        )
    if data["best"]:
        lines.append(f"best model: {data['best']}")
    return "\n".join(lines)


LABEL = "label_"


def measure(entry: Mapping[str, Any]) -> str | None:
    """Return what a record's held-out figures begin with; None if there are none.

    Returns:
        Nothing, ``pseudo_`` of a network that sees both sides, or ``label_`` of a classifier.
    """
    if f"{LABEL}accuracy" in entry:
        return LABEL
    return next((kind for kind in ("", "pseudo_") if f"{kind}perplexity" in entry), None)


def nats_key(kind: str) -> str:
    """Return the name of the figure that is made as low as can be."""
    return "label_nats" if kind == LABEL else f"{kind}nats_per_char"


def unit(kind: str) -> str:
    """Return what is meant by that figure."""
    return "nats a label" if kind == LABEL else f"{title(kind, 'nats')} per character"


def accuracy(data: Mapping[str, Any]) -> str:
    """Return how many labels were told right."""
    return f"accuracy {data['label_accuracy']:.1%}"


def training(kind: str, nats: float) -> str:
    """Return what training costs: a perplexity only where it is one of characters to come."""
    return f"{perplexity(nats):.3f}" if kind == "" else f"{nats:.4f} nats"


def title(kind: str, name: str = "perplexity") -> str:
    """Return what such a figure is called."""
    return f"{kind}{name}".replace("_", "-")


class Speed:
    """Characters a second, over the training time between reports."""

    def __init__(self) -> None:
        self.since: tuple[float, int] | None = None
        self.value = 0.0

    def update(self, data: dict[str, Any]) -> None:
        """Take in a step's report."""
        now = (data["seconds"], data["characters_seen"])
        if self.since is None:
            self.since = now
        elif now[0] - self.since[0] >= SHORTEST_SPEED:
            self.value = (now[1] - self.since[1]) / (now[0] - self.since[0])
            self.since = now

    def left(self, data: dict[str, Any]) -> float:
        """Return the training seconds left, going by the pace so far."""
        done = data["progress"]
        return data["seconds"] * (1 - done) / done if done > 0 else math.nan


class Lines:
    """One line now and then, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.speed = Speed()
        self.shown = -math.inf
        self.sample = ""

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def show(self, report: Report) -> None:
        """Print what deserves a line."""
        data = report.data
        if report.event == "start":
            self._print(f"run {data['run']}\n{opening(data)}")
        elif report.event == "step":
            self.speed.update(data)
            if time.monotonic() - self.shown >= LINE_EVERY:
                self.shown = time.monotonic()
                self._print(
                    f"{data['progress']:4.0%}  step {data['step']:,}  "
                    f"train {data['smooth_nats_per_char']:.4f} nats  lr {data['lr']:.2g}  "
                    f"gradient {data['gradient_norm']:.2f}  {self.speed.value:,.0f} characters/s"
                )
        elif report.event == "eval":
            self._print(evaluation(data))
        elif report.event == "sample":
            self.sample = data["text"]
            beginning = visible(" ".join(self.sample.split()))[:BEGINNING]
            self._print(f"  it writes: {beginning} …")
        elif report.event == "rollback":
            self._print(rollback(data))
        elif report.event == "done":
            if self.sample:
                body = visible(self.sample).strip("\n").replace("\n", "\n  | ")
                self._print(f"a sample:\n  | {body}")
            self._print(closing(data))

    def _print(self, text: str) -> None:
        self.console.print(visible(text), markup=False, highlight=False, soft_wrap=True)


def evaluation(data: dict[str, Any]) -> str:
    """Say in one line what an evaluation found."""
    kind = measure(data)
    if kind is None:
        return f"step {data['step']:,}: training {data['train_nats_per_char']:.4f} nats"
    nats = data[nats_key(kind)]
    if kind == LABEL:
        found = f"{accuracy(data)} ({nats:.4f} nats a label)"
    else:
        bits = nats / math.log(2)
        found = f"{title(kind)} {perplexity(nats):.3f} ({nats:.4f} nats, {bits:.3f} bits)"
    return (
        f"step {data['step']:,}: held-out {found}, "
        f"training {training(kind, data['train_nats_per_char'])}{', best so far' * data['best']}"
    )


def rollback(data: dict[str, Any]) -> str:
    """Say that a non-finite loss was undone."""
    return (
        f"step {data['step']:,}: the loss is not finite; back to step {data['to']:,} with "
        f"{data['rate']:g} × the learning rate"
    )


class Screen:
    """A screen that is drawn over in place: progress, figures, curve, the latest sample."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.speed = Speed()
        self.kind = ""
        self.step: dict[str, Any] = {}
        self.evals: list[dict[str, Any]] = []
        self.sample = ""
        self.live = Live(console=console, refresh_per_second=REFRESH, get_renderable=self._draw)

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *error: object) -> None:
        self.live.stop()

    def show(self, report: Report) -> None:
        """Take in one report; the screen redraws itself."""
        data = report.data
        if report.event == "start":
            self._print(f"run {data['run']}\n{opening(data)}")
            self.evals = list(data["history"])
            if data["settings"]["bidirectional"]:
                self.kind = LABEL if data["labels"] else "pseudo_"
            self.live.start()
        elif report.event == "step":
            self.speed.update(data)
            self.step = data
        elif report.event == "eval":
            self.evals.append(data)
        elif report.event == "sample":
            self.sample = data["text"]
        elif report.event == "rollback":
            self._print(rollback(data))
        elif report.event == "done":
            self.live.stop()
            self._print(closing(data))

    def _print(self, text: str) -> None:
        self.console.print(visible(text), markup=False, highlight=False)

    def _draw(self) -> RenderableType:
        if not self.step:
            return Text("starting …", style="dim")
        width = min(self.console.width, 100)
        parts: list[RenderableType] = [self._bar(width), self._figures()]
        held_out = bool(self.evals) and measure(self.evals[-1]) is not None
        key = nats_key(self.kind) if held_out else "train_nats_per_char"
        points = [(e["seconds"], e[key]) for e in self.evals]
        if len(points) > 1:
            body = Text(
                "\n".join(curve(points, width - 4, CURVE_HEIGHT)), style="cyan", no_wrap=True
            )
            name = f"held-out {unit(self.kind)}" if held_out else "training nats"
            parts.append(self._panel(body, name, width))
        if self.sample:
            body = Text(visible(self.sample).strip("\n"), overflow="fold")
            name = f"sample at step {self.evals[-1]['step']:,}" if self.evals else "sample"
            parts.append(self._panel(body, name, width))
        return Group(*parts)

    def _panel(self, body: Text, name: str, width: int) -> Panel:
        return Panel(body, title=name, title_align="left", width=width, border_style="dim")

    def _bar(self, width: int) -> RenderableType:
        data = self.step
        row = Table.grid(padding=(0, 1))
        left = duration(self.speed.left(data))
        row.add_row(
            ProgressBar(total=1.0, completed=data["progress"], width=max(10, width - 40)),
            f"{data['progress']:4.0%}",
            Text(f"{duration(data['seconds'])} trained, {left} left", style="dim"),
        )
        return row

    def _figures(self) -> RenderableType:
        data = self.step
        table = Table.grid(padding=(0, 3))
        smooth = data["smooth_nats_per_char"]
        cost: tuple[str, ...] = (f"{smooth:.4f} nats",)
        if self.kind == "":
            cost = _cells("", {"nats_per_char": smooth})
        rows = [("training", cost)]
        if self.evals and measure(self.evals[-1]) is not None:
            best = min(self.evals, key=lambda entry: entry[nats_key(self.kind)])
            rows += [
                ("held out", _cells(self.kind, self.evals[-1])), ("best", _cells(self.kind, best))
            ]  # fmt: skip
        for name, cells in rows:
            table.add_row(Text(name, style="bold"), *cells)
        table.add_row(
            Text("step", style="bold"),
            f"{data['step']:,} (epoch {data['epoch'] + 1})",
            f"lr {data['lr']:.2g}",
            f"gradient {data['gradient_norm']:.2f}",
            f"{self.speed.value:,.0f} characters/s",
        )
        return table


def _cells(kind: str, entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a cost in the forms that its kind has."""
    nats = entry[nats_key(kind)]
    if kind == LABEL:
        return accuracy(entry), f"{nats:.4f} nats a label"
    bits = f"{nats / math.log(2):.3f} {'bpc' if kind == '' else 'bits'}"
    return f"{title(kind)} {perplexity(nats):.3f}", bits, f"{nats:.4f} nats"
