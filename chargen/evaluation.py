"""Scoring with the network in PyTorch: while it is in training, and of long texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from chargen.checkpoint import Checkpoint
from chargen.corpus import Span
from chargen.devices import autocast, keep_freed_memory, pick_precision
from chargen.networks import Network, State
from chargen.scoring import Score, score
from chargen.vocabulary import Vocabulary

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Bools = NDArray[np.bool_]
    Ids = NDArray[np.int32]


class TorchPredictor:
    """Scores with `chargen.networks.Network`; see `chargen.scoring.Predictor`."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.device = network.output.bias.device

    def start(self, batch: int) -> State:
        """Return the state before any character."""
        return self.network.start(batch)

    def charge(self, inputs: Ids, targets: Ids, state: State) -> tuple[Floats, Bools, State]:
        """Return nats and hits (B, T), and the state."""
        logits, state = self.network(torch.from_numpy(inputs).to(self.device), state)
        wanted = torch.from_numpy(targets).to(self.device).long()
        wanted = torch.where((wanted >= 0) & (wanted < self.network.characters), wanted, 0)
        logits = logits.float()
        nats = functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none")
        hits = logits.argmax(-1) == wanted
        return nats.view(wanted.shape).cpu().numpy(), hits.cpu().numpy(), state


def evaluate(
    network: Network,
    span: Span,
    vocabulary: Vocabulary,
    precision: str,
    progress: Callable[[int, int], None] | None = None,
) -> Score:
    """Score a text, and leave no trace in the network."""
    network.eval()
    predictor = TorchPredictor(network)
    with torch.no_grad(), autocast(predictor.device, precision):
        return score(predictor, span, vocabulary, progress=progress)


def score_long(
    saved: Checkpoint, span: Span, progress: Callable[[int, int], None] | None = None
) -> Score:
    """Score a text that is long enough to be worth importing PyTorch for, on the CPU."""
    keep_freed_memory()
    network = Network(saved.architecture, len(saved.vocabulary))
    network.assign(saved.weights)
    precision = pick_precision("auto", torch.device("cpu"))
    return evaluate(network, span, saved.vocabulary, precision, progress)
