"""Learning while reading: a text makes a model better at what comes later in the same text.

The text is read once, from its start. What was counted is counted on: each character after it was
scored. The network learns from windows, each after it was scored; so no character is ever scored by
a network that has seen it (dynamic evaluation: Krause et al. 2018, arXiv:1709.07432). All weights
learn. Each weight's step is divided by the gradient's root mean square, which is averaged while
reading; the paper takes it from the training text instead, which a model file does not have.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.utils import clip_grad_norm_

from chargen.architecture import NGRAMS, ORDER, below
from chargen.checkpoint import Checkpoint
from chargen.networks.base import State
from chargen.networks.causal import Causal
from chargen.tasks.compressing import MOST_COUNTED
from chargen.tasks.scoring import Score, score
from chargen.text.ngrams import Ngrams
from chargen.text.told import Told
from chargen.training.adamw import AdamW
from chargen.training.counting import both, count
from chargen.training.devices import keep_freed_memory
from chargen.training.evaluate import CausalPredictor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chargen.text.corpus import Span
    from chargen.text.windows import Window
    from chargen.training.evaluate import Bools, Floats
    from chargen.training.texts import Progress

    Ids = NDArray[np.int32]
    Doubles = NDArray[np.floating[Any]]

WINDOW = 64
"""Characters that are scored before the network learns from them together. Of 32, figures are
better by a thousandth, and take half as long again."""

RATE = 0.0003

MEMORY = 0.999
"""What a mean square keeps at each step."""

CLIP = 1.0
"""The longest gradient of a window; a longer one is shortened."""


class Adapting(CausalPredictor):
    """Scores each window of one text, and then learns from it.

    A `chargen.tasks.scoring.Predictor`.
    """

    def __init__(self, network: Causal, label: int = 0) -> None:
        super().__init__(network.train(), label)
        # Adam without its mean of gradients: each step follows the latest window.
        self.optimizer = AdamW([(list(network.parameters()), 0.0)], (0.0, MEMORY))

    def charge(self, window: Window, state: State) -> tuple[Floats, Bools, State]:
        """Return nats and hits (B, T) from before the window was learned, and the state."""
        network, batch = self.network, self.batch(window)
        known = (batch.targets >= 0) & (batch.targets < network.characters)
        with torch.enable_grad():
            nats, hits, after = network.charge(batch, state)
            network.zero_grad(set_to_none=True)
            torch.autograd.backward(nats[known].sum() / max(1, int(known.sum())))
        if bool(clip_grad_norm_(network.parameters(), CLIP).isfinite()):
            self.optimizer.step(RATE)
        figures = nats.detach().cpu().numpy(), hits.cpu().numpy()
        return *figures, [tuple(part.detach() for part in carried) for carried in after]


def adapt(
    saved: Checkpoint, span: Span, label: int = 0, progress: Progress | None = None
) -> tuple[Score, Checkpoint]:
    """Read a text and learn from it.

    Returns:
        What the text cost, each character scored before it was learned from; and the model that
        has learned from all of it.

    Raises:
        ValueError: the span is empty.
    """
    keep_freed_memory()
    architecture, vocabulary = saved.architecture, saved.vocabulary
    counts = architecture.counts and len(vocabulary) <= MOST_COUNTED
    if counts:
        # The numbers become right when the model is saved.
        architecture = replace(architecture, ngrams=architecture.ngrams or 1)
    network = Causal(architecture, len(vocabulary))
    network.assign(saved.weights)
    before = below(saved.weights, NGRAMS)
    if counts:
        ngrams = Ngrams(before, len(vocabulary)) if before else None
        network.ngrams = Told(ngrams, len(vocabulary), len(span))
    with torch.no_grad():
        found = score(
            Adapting(network, label), span, vocabulary, lanes=1, window=WINDOW, progress=progress
        )
    if counts and network.ngrams is not None:
        now = count(span, vocabulary, ORDER)
        if before:
            now = both(before, now)
        network.give(now | {"powers": network.ngrams.powers})
    return found, replace(saved, architecture=network.described(), weights=network.arrays())
