"""The network that predicts each next character from all before it.

``forward(ids, state) -> logits, state`` is the whole interface. Its twin in NumPy is
`chargen.engine.causal.Causal`; a test holds the two equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from chargen.networks.base import Batch, State, Trainable, summed_nats

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Causal(Trainable):
    """Predicts each next character from all before it, and from the label if it has labels."""

    def _make(self) -> None:
        architecture = self.architecture
        if architecture.family.attends:
            self.norm = nn.LayerNorm(architecture.hidden, bias=False)
        if architecture.labels:
            # A label's vector is added to each character's: it cannot be forgotten.
            self.label = nn.Embedding(architecture.labels, architecture.embed)
        self.output = nn.Linear(architecture.hidden, self.characters)

    @torch.no_grad()
    def _initialise(self) -> None:
        super()._initialise()
        if self.architecture.labels:
            self.label.weight.normal_(generator=self.generator)
        if self.architecture.tied:
            self.output.register_parameter("weight", None)

    def forward(
        self,
        ids: Tensor,
        state: State,
        labels: Tensor | None = None,
        ages: NDArray[np.int32] | None = None,
    ) -> tuple[Tensor, State]:
        """Return logits (B, T, V) for the character after each of ``ids`` (B, T), and the state.

        Args:
            labels: (B, T) or (B, 1), for a network that has labels.
            ages: (B, T), zero where a text begins; None if none does.
        """
        x = self.embedding(ids.t())
        if labels is not None and self.architecture.labels:
            x = x + self.label(labels.t())
        x, after = self.run(self.layers, x, state, ages)
        if self.architecture.family.attends:
            x = self.norm(x)
        weight = self.embedding.weight[:-1] if self.architecture.tied else self.output.weight
        return functional.linear(x, weight, self.output.bias).transpose(0, 1), after

    def heads(self, batch: Batch, state: State) -> dict[nn.Linear, Tensor]:
        """Return the logits of the one output."""
        return {self.output: self(batch.inputs, state, batch.labels, batch.ages)[0]}

    def cost(self, batch: Batch, state: State) -> tuple[Tensor, State]:
        """Return the nats of each target after its input."""
        logits, after = self(batch.inputs, state, batch.labels, batch.ages)
        return summed_nats(logits, batch.targets), after
