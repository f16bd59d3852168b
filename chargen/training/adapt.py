"""Learning while reading: a text makes a model better at what comes later in the same text.

The text is read once, from its start, in windows. Each window is scored first and learned from
after that, so no character is ever scored by a network that has seen it (dynamic evaluation:
Krause et al. 2018, arXiv:1709.07432). All weights learn. Each weight's step is divided by the
gradient's root mean square, which is averaged while reading; the paper takes it from the training
text instead, which a model file does not have. Where the alphabet is small, weights of n-grams
learn as well, whether or not the model was trained with them: what was read once is known at once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch.nn.utils import clip_grad_norm_

from chargen.checkpoint import Checkpoint
from chargen.networks.base import State
from chargen.networks.causal import Causal
from chargen.options import LARGEST_ORDER
from chargen.tasks.scoring import Score, score
from chargen.text.contexts import MOST_COUNTED
from chargen.training.devices import keep_freed_memory
from chargen.training.evaluate import CausalPredictor

if TYPE_CHECKING:
    from chargen.text.corpus import Span
    from chargen.text.windows import Window
    from chargen.training.evaluate import Bools, Floats
    from chargen.training.texts import Progress

WINDOW = 64
"""Characters that are scored before they are learned from together. Of 32, figures are better by a
thousandth, and take half as long again."""

RATE = 0.0003
SHARE = 0.6
"""Of the n-grams' highest rate (`chargen.text.contexts.RATE`)."""

MEMORY = 0.999
"""What a mean square keeps at each step."""

CLIP = 1.0
"""The longest gradient of a window; a longer one is shortened."""


class Adapting(CausalPredictor):
    """Scores each window, and then learns from it; a `chargen.tasks.scoring.Predictor`."""

    def __init__(self, network: Causal, label: int = 0) -> None:
        super().__init__(network.train(), label)
        # Adam without its mean of gradients: each step follows the latest window.
        self.optimizer = torch.optim.Adam(
            network.parameters(), lr=RATE, betas=(0.0, MEMORY), fused=True
        )

    def charge(self, window: Window, state: State) -> tuple[Floats, Bools, State]:
        """Return nats and hits (B, T) from before the window was learned, and the state."""
        network = self.network
        batch = self.batch(window)
        known = (batch.targets >= 0) & (batch.targets < network.characters)
        network.forget()
        with torch.enable_grad():
            nats, hits, after = network.charge(
                batch.inputs, batch.targets, state, batch.labels, batch.ages
            )
            characters = int(known.sum())
            self.optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(nats[known].sum() / max(1, characters))
        if bool(clip_grad_norm_(network.parameters(), CLIP).isfinite()):
            self.optimizer.step()
            network.learn(characters, SHARE, LARGEST_ORDER)
        told = nats.detach().cpu().numpy(), hits.cpu().numpy()
        return *told, [tuple(part.detach() for part in carried) for carried in after]


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
    architecture = saved.architecture
    if architecture.counts and len(saved.vocabulary) <= MOST_COUNTED:
        # The number becomes right when the model is saved.
        architecture = replace(architecture, ngrams=architecture.ngrams or 1)
    network = Causal(architecture, len(saved.vocabulary))
    # A model that was trained without n-grams begins with an empty table.
    network.assign(network.arrays() | dict(saved.weights))
    with torch.no_grad():
        found = score(
            Adapting(network, label),
            span,
            saved.vocabulary,
            lanes=1,
            window=WINDOW,
            progress=progress,
        )
    learned = replace(saved, architecture=network.grown(), weights=network.arrays())
    return found, learned
