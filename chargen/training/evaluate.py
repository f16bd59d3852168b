"""Scoring with the network in PyTorch: while it is in training, and of long texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from chargen.checkpoint import Checkpoint
from chargen.engine.likelihood import log_softmax
from chargen.kinds import load
from chargen.networks.base import State, Trainable
from chargen.networks.bidirectional import Classifier, GapFiller
from chargen.networks.causal import Causal
from chargen.tasks.scoring import SHORTEST_LANE, GapScore, LabelScore, Score, score
from chargen.text.corpus import Span
from chargen.text.vocabulary import Vocabulary
from chargen.text.windows import PAST, Window, cuts, windows
from chargen.training.devices import autocast, keep_freed_memory, pick_precision
from chargen.training.texts import Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Bools = NDArray[np.bool_]
    Ids = NDArray[np.int32]

GAP_LANES = 16
GAP_WINDOW = 1024
"""A bidirectional network sees to the end of its window: few lanes, and long windows."""


def on_device(ids: Ids, network: Trainable) -> Tensor:
    """Return ids where a network is."""
    return torch.from_numpy(ids).to(network.output.bias.device).long()


def charge(logits: Tensor, targets: Tensor) -> tuple[Floats, Bools]:
    """Return nats and hits (B, T) of targets (B, T) under logits (B, T, V)."""
    wanted = targets.clamp(0, logits.shape[-1] - 1)
    logits = logits.float()
    nats = functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none")
    hits = logits.argmax(-1) == wanted
    return nats.view(wanted.shape).cpu().numpy(), hits.cpu().numpy()


class CausalPredictor:
    """Scores with a network that predicts each next character; a `chargen.tasks.scoring.Predictor`.

    Args:
        label: for a network with labels, that of a text without marks.
    """

    def __init__(self, network: Causal, label: int = 0) -> None:
        self.network = network
        self.label = label

    def start(self, batch: int) -> State:
        """Return the state before any character."""
        return self.network.start(batch)

    def charge(self, window: Window, state: State) -> tuple[Floats, Bools, State]:
        """Return nats and hits (B, T), and the state."""
        inputs = on_device(window.inputs, self.network)
        labels = torch.full_like(inputs[:, :1], self.label)
        if window.labels is not None:
            labels = on_device(window.labels, self.network)
        logits, state = self.network(inputs, state, labels)
        return *charge(logits, on_device(window.targets, self.network)), state


class GapPredictor:
    """Scores each character as a gap of one, between all before it and the rest of the window."""

    def __init__(self, network: GapFiller) -> None:
        self.network = network

    def start(self, batch: int) -> State:
        """Return the state before any character."""
        return self.network.start(batch)

    def charge(self, window: Window, state: State) -> tuple[Floats, Bools, State]:
        """Return nats and hits (B, T), and the state."""
        inputs = on_device(window.inputs, self.network)
        targets = on_device(window.targets, self.network)
        left, right, state = self.network.read(inputs, targets, state)
        one = torch.ones(len(left), 1, dtype=torch.long, device=left.device)
        logits = self.network(left, right[1:], one).transpose(0, 1)
        return *charge(logits, targets), state


def score_causal(network: Causal, span: Span, vocabulary: Vocabulary) -> Score:
    """Score a text by a network that predicts each next character."""
    return score(CausalPredictor(network), span, vocabulary)


def score_gaps(network: GapFiller, span: Span, vocabulary: Vocabulary) -> GapScore:
    """Score a text by a network that fills gaps."""
    lanes = max(1, min(GAP_LANES, len(span) // SHORTEST_LANE))
    plain = score(GapPredictor(network), span, vocabulary, lanes=lanes, window=GAP_WINDOW)
    return GapScore(**vars(plain))


def score_labels(network: Classifier, span: Span, vocabulary: Vocabulary) -> LabelScore:
    """Score the examples of a labelled text, by the mean over each one's places."""
    marks = span.marks
    assert marks is not None
    lanes = cuts(len(span), max(1, min(GAP_LANES, len(span) // SHORTEST_LANE)))
    state = network.start(len(lanes))
    firsts = np.array([start for start, _ in lanes])[:, None]
    count = int(np.searchsorted(marks.starts, span.stop))
    sums = np.zeros((count, network.architecture.labels))
    places = np.zeros(count)
    for window in windows(span, vocabulary, lanes, GAP_WINDOW):
        inputs, targets = on_device(window.inputs, network), on_device(window.targets, network)
        left, right, state = network.read(inputs, targets, state)
        logs = network(left, right[:-1]).float().log_softmax(-1).transpose(0, 1).cpu().numpy()
        at = span.start + firsts + window.start + np.arange(logs.shape[1])
        there = window.targets != PAST
        rows = np.searchsorted(marks.starts, at[there], side="right") - 1
        np.add.at(sums, rows, logs[there])
        np.add.at(places, rows, 1)
    whole = places > 0
    means = log_softmax(sums[whole] / places[whole, None])
    truth = marks.labels[:count][whole]
    nats = -means[np.arange(len(truth)), truth].sum()
    return LabelScore(len(truth), int((means.argmax(axis=1) == truth).sum()), float(nats))


def evaluate(
    network: Trainable,
    span: Span,
    vocabulary: Vocabulary,
    precision: str,
) -> Score | LabelScore:
    """Score a text by the measure of the network's kind; do not change weights or state."""
    network.eval()
    device = network.output.bias.device
    with torch.no_grad(), autocast(device, precision):
        scored: Score | LabelScore = load(network.architecture.kind.evaluate)(
            network, span, vocabulary
        )
    return scored


def score_long(
    saved: Checkpoint,
    span: Span,
    label: int = 0,
    progress: Progress | None = None,
) -> Score:
    """Score a text that is long enough to be worth importing PyTorch for, on the CPU."""
    keep_freed_memory()
    network = Causal(saved.architecture, len(saved.vocabulary)).eval()
    network.assign(saved.weights)
    device = torch.device("cpu")
    with torch.no_grad(), autocast(device, pick_precision("auto", device)):
        return score(CausalPredictor(network, label), span, saved.vocabulary, progress=progress)
