"""Held-out loss against seconds of training: chargen's defaults beside a plain `torch.nn` loop.

Run by ``python -m tests.benchmarks.race TEXT MINUTES RESULTS [FIGURE]``: both are trained one after
the other on the same nine tenths of the text and scored on the rest, the time for which does not
count; the points are added to RESULTS as JSON lines. FIGURE, an SVG or PNG, is drawn from every
line there is, which needs ``pip install -e .[plots]``.

The plain loop is what a careful user of `torch.nn` writes: one LSTM as wide as chargen's in
float32, batch and window as chargen's, state carried from window to window, AdamW, the gradient
clipped, the learning rate falling in a line from 0.003 to zero. Its learning rate was not searched.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

import chargen
from chargen.architecture import Architecture
from chargen.text.catalog import resolve
from chargen.text.corpus import Span, open_text
from chargen.text.vocabulary import Vocabulary
from chargen.text.windows import cuts, windows
from tests.benchmarks.test_speed import Plain

BATCH, BPTT, WIDTH, LEARNING_RATE = 32, 64, 512, 0.003
EVALUATIONS = 20


def chargens_points(path: str, minutes: float) -> Iterator[tuple[float, float]]:
    """Train by ``chargen train`` with its defaults; yield seconds and nats per character."""
    points: list[tuple[float, float]] = []

    def note(report: Any) -> None:
        if report.event == "eval":
            points.append((report.data["seconds"], report.data["nats_per_char"]))

    with tempfile.TemporaryDirectory() as folder:
        chargen.train(path, out=folder, minutes=minutes, evaluations=EVALUATIONS, on_report=note)
    yield from points


def plain_points(path: str, minutes: float) -> Iterator[tuple[float, float]]:
    """Train by a plain loop; yield seconds and nats per character."""
    text = open_text([resolve(path)])
    cut = int(text.characters * 0.9)
    train, valid, vocabulary = text.span(0, cut), text.span(cut), Vocabulary.of(text)
    network = Plain(Architecture("lstm", 1, WIDTH, 64), len(vocabulary) + 1)
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, betas=(0.9, 0.99))
    lanes = cuts(len(train) // BATCH * BATCH, BATCH)
    seconds, budget, evaluated = 0.0, 60 * minutes, 0
    while seconds < budget:
        state = None
        for window in windows(train, vocabulary, lanes, BPTT):
            began = time.perf_counter()
            for group in optimizer.param_groups:
                group["lr"] = LEARNING_RATE * max(0.0, 1 - seconds / budget)
            loss, state = plain_loss(network, window.inputs, window.targets, state)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            seconds += time.perf_counter() - began
            if int(seconds / budget * EVALUATIONS) > evaluated:
                evaluated += 1
                yield seconds, plain_score(network, valid, vocabulary)
            if seconds >= budget:
                break


def plain_loss(network: Plain, inputs: Any, targets: Any, state: Any) -> tuple[torch.Tensor, Any]:
    """Return the mean loss of a window, and the state after it, cut off from the gradient."""
    logits, state = network(torch.from_numpy(inputs), state)
    loss = functional.cross_entropy(
        logits.flatten(0, 1), torch.from_numpy(targets).long().flatten(), ignore_index=-1
    )
    return loss, tuple(part.detach() for part in state)


@torch.no_grad()
def plain_score(network: Plain, valid: Span, vocabulary: Vocabulary) -> float:
    """Return nats per character of a text read once from its beginning."""
    nats, state = 0.0, None
    for window in windows(valid, vocabulary, cuts(len(valid), 1), 1000):
        loss, state = plain_loss(network, window.inputs, window.targets, state)
        nats += float(loss) * window.characters
    return nats / len(valid)


def draw(results: Path, figure: str) -> None:
    """Draw every line of the results, one curve for each budget of each competitor."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    pyplot.rcParams["svg.fonttype"] = "none"
    axes: Any
    drawing, axes = pyplot.subplots(figsize=(7, 4))
    for line in results.read_text(encoding="utf-8").splitlines():
        run = json.loads(line)
        style = {"color": "#0b7285"} if run["who"] == "chargen" else {"color": "#adb5bd"}
        label = f"{run['who']}, {run['minutes']:g} min: {run['points'][-1][1]:.3f}"
        axes.plot(*zip(*run["points"], strict=True), label=label, marker=".", **style)
    axes.set_xlabel("seconds of training on two cores")
    axes.set_ylabel("held-out nats per character")
    axes.set_ylim(top=2.2)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    drawing.tight_layout()
    drawing.savefig(figure, metadata={"Date": None} if figure.endswith("svg") else None)


def main(path: str, minutes: str, results: str, figure: str | None = None) -> None:
    """Run the race once, and draw all races so far."""
    for who, run in (("chargen", chargens_points), ("torch.nn", plain_points)):
        points = list(run(path, float(minutes)))
        print(f"{who}: {points[-1][1]:.4f} nats a character after {points[-1][0]:.0f} s")
        with open(results, "a", encoding="utf-8") as file:
            entry = {"who": who, "minutes": float(minutes), "points": points}
            file.write(json.dumps(entry) + "\n")
    if figure:
        draw(Path(results), figure)


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
