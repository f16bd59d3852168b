"""Scoring with the network in PyTorch: while it is in training, and of long texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from chargen.architecture import Architecture
from chargen.bidirectional import Bidirectional, Classifier
from chargen.checkpoint import Checkpoint
from chargen.corpus import Span
from chargen.devices import autocast, keep_freed_memory, pick_precision
from chargen.networks import Network, State, Trainable
from chargen.scoring import SHORTEST_LANE, GapScore, Score, score
from chargen.vocabulary import Vocabulary

if TYPE_CHECKING:
    import numpy as np
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
    """Scores with a network in PyTorch; see `chargen.scoring.Predictor`."""

    def __init__(self, network: Trainable) -> None:
        self.network = network
        self.device = network.output.bias.device

    def start(self, batch: int) -> State:
        """Return the state before any character."""
        return self.network.start(batch)

    def charge(self, inputs: Ids, targets: Ids, state: State) -> tuple[Floats, Bools, State]:
        """Return nats and hits (B, T), and the state."""
        wanted = torch.from_numpy(targets).to(self.device).long()
        logits, state = self._logits(torch.from_numpy(inputs).to(self.device), wanted, state)
        wanted = torch.where((wanted >= 0) & (wanted < self.network.characters), wanted, 0)
        logits = logits.float()
        nats = functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none")
        hits = logits.argmax(-1) == wanted
        return nats.view(wanted.shape).cpu().numpy(), hits.cpu().numpy(), state

    def _logits(self, inputs: Tensor, targets: Tensor, state: State) -> tuple[Tensor, State]:
        if not isinstance(self.network, Bidirectional):
            logits, state = self.network(inputs, state)
            return logits, state
        # Each character as a gap of one, between all that came before and the rest of the window.
        left, right, state = self.network.read(inputs, targets, state)
        one = torch.ones(len(left), 1, dtype=torch.long, device=self.device)
        return self.network(left, right[1:], one).transpose(0, 1), state


def evaluate(
    network: Trainable,
    span: Span,
    vocabulary: Vocabulary,
    precision: str,
    progress: Callable[[int, int], None] | None = None,
) -> Score:
    """Score a text, and leave no trace in the network; of a bidirectional one, a `GapScore`."""
    network.eval()
    predictor = TorchPredictor(network)
    with torch.no_grad(), autocast(predictor.device, precision):
        if not isinstance(network, Bidirectional):
            return score(predictor, span, vocabulary, progress=progress)
        lanes = max(1, min(GAP_LANES, len(span) // SHORTEST_LANE))
        plain = score(
            predictor, span, vocabulary, lanes=lanes, window=GAP_WINDOW, progress=progress
        )
        return GapScore(**vars(plain))


def score_long(
    saved: Checkpoint, span: Span, progress: Callable[[int, int], None] | None = None
) -> Score:
    """Score a text that is long enough to be worth importing PyTorch for, on the CPU."""
    keep_freed_memory()
    network = build(saved.architecture, len(saved.vocabulary))
    network.assign(saved.weights)
    precision = pick_precision("auto", torch.device("cpu"))
    return evaluate(network, span, saved.vocabulary, precision, progress)
