"""Scoring with the network in PyTorch: while it is in training, and of long texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from chargen.architecture import Architecture
from chargen.checkpoint import Checkpoint
from chargen.networks.bidirectional import Bidirectional, Classifier
from chargen.networks.causal import Network, State, Trainable
from chargen.tasks.scoring import SHORTEST_LANE, GapScore, LabelScore, Score, score
from chargen.text.corpus import Span
from chargen.text.vocabulary import Vocabulary
from chargen.text.windows import PAST, Window, cuts, windows
from chargen.training.devices import autocast, keep_freed_memory, pick_precision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Bools = NDArray[np.bool_]
    Ids = NDArray[np.int32]

GAP_LANES = 16
GAP_WINDOW = 1024
"""A bidirectional network sees to the end of its window: few lanes, and long windows."""


def build(
    architecture: Architecture,
    characters: int,
    dropout: float = 0.0,
    generator: torch.Generator | None = None,
) -> Trainable:
    """Return an untrained network of the kind that an architecture names."""
    kind: type[Trainable] = Network
    if architecture.bidirectional:
        kind = Classifier if architecture.labels else Bidirectional
    return kind(architecture, characters, dropout, generator)


class TorchPredictor:
    """Scores with a network in PyTorch; see `chargen.tasks.scoring.Predictor`.

    Args:
        label: for a network with labels, that of a text without marks.
    """

    def __init__(self, network: Trainable, label: int = 0) -> None:
        self.network = network
        self.label = label
        self.device = network.output.bias.device

    def start(self, batch: int) -> State:
        """Return the state before any character."""
        return self.network.start(batch)

    def charge(self, window: Window, state: State) -> tuple[Floats, Bools, State]:
        """Return nats and hits (B, T), and the state."""
        wanted = self.on_device(window.targets)
        logits, state = self._logits(window, wanted, state)
        wanted = torch.where((wanted >= 0) & (wanted < self.network.characters), wanted, 0)
        logits = logits.float()
        nats = functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none")
        hits = logits.argmax(-1) == wanted
        return nats.view(wanted.shape).cpu().numpy(), hits.cpu().numpy(), state

    def on_device(self, ids: Ids) -> Tensor:
        """Return ids where the network is."""
        return torch.from_numpy(ids).to(self.device).long()

    def _logits(self, window: Window, targets: Tensor, state: State) -> tuple[Tensor, State]:
        inputs = self.on_device(window.inputs)
        if not isinstance(self.network, Bidirectional):
            labels = torch.full_like(inputs[:, :1], self.label)
            if window.labels is not None:
                labels = self.on_device(window.labels)
            logits, state = self.network(inputs, state, labels)
            return logits, state
        # Each character as a gap of one, between all that came before and the rest of the window.
        left, right, state = self.network.read(inputs, targets, state)
        one = torch.ones(len(left), 1, dtype=torch.long, device=self.device)
        return self.network(left, right[1:], one).transpose(0, 1), state


def label_score(network: Classifier, span: Span, vocabulary: Vocabulary) -> LabelScore:
    """Score the examples of a labelled text, by the mean over each one's places."""
    marks = span.marks
    assert marks is not None
    predictor = TorchPredictor(network)
    lanes = cuts(len(span), max(1, min(GAP_LANES, len(span) // SHORTEST_LANE)))
    state = predictor.start(len(lanes))
    firsts = np.array([start for start, _ in lanes])[:, None]
    count = int(np.searchsorted(marks.starts, span.stop))
    sums = np.zeros((count, network.architecture.labels))
    places = np.zeros(count)
    for window in windows(span, vocabulary, lanes, GAP_WINDOW):
        inputs, targets = predictor.on_device(window.inputs), predictor.on_device(window.targets)
        left, right, state = network.read(inputs, targets, state)
        logs = network(left, right[:-1]).float().log_softmax(-1).transpose(0, 1).cpu().numpy()
        at = span.start + firsts + window.start + np.arange(logs.shape[1])
        there = window.targets != PAST
        rows = np.searchsorted(marks.starts, at[there], side="right") - 1
        np.add.at(sums, rows, logs[there])
        np.add.at(places, rows, 1)
    whole = places > 0
    means = sums[whole] / places[whole, None]
    means -= np.log(np.exp(means).sum(axis=1, keepdims=True))
    truth = marks.labels[:count][whole]
    nats = -means[np.arange(len(truth)), truth].sum()
    return LabelScore(len(truth), int((means.argmax(axis=1) == truth).sum()), float(nats))


def evaluate(
    network: Trainable,
    span: Span,
    vocabulary: Vocabulary,
    precision: str,
    progress: Callable[[int, int], None] | None = None,
) -> Score | LabelScore:
    """Score a text, and leave no trace in the network.

    Returns:
        A `Score`; of a bidirectional network a `GapScore`, of a classifier a `LabelScore`.
    """
    network.eval()
    predictor = TorchPredictor(network)
    with torch.no_grad(), autocast(predictor.device, precision):
        if isinstance(network, Classifier):
            return label_score(network, span, vocabulary)
        if not isinstance(network, Bidirectional):
            return score(predictor, span, vocabulary, progress=progress)
        lanes = max(1, min(GAP_LANES, len(span) // SHORTEST_LANE))
        plain = score(
            predictor, span, vocabulary, lanes=lanes, window=GAP_WINDOW, progress=progress
        )
        return GapScore(**vars(plain))


def score_long(
    saved: Checkpoint,
    span: Span,
    label: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Score:
    """Score a text that is long enough to be worth importing PyTorch for, on the CPU."""
    keep_freed_memory()
    network = build(saved.architecture, len(saved.vocabulary)).eval()
    network.assign(saved.weights)
    device = torch.device("cpu")
    with torch.no_grad(), autocast(device, pick_precision("auto", device)):
        return score(TorchPredictor(network, label), span, saved.vocabulary, progress=progress)
