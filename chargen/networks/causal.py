"""The network that predicts each next character from all before it.

``forward(ids, state) -> logits, state`` is the whole interface. Its twin in NumPy is
`chargen.engine.causal.Causal`; a test holds the two equal.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from chargen.architecture import Architecture
from chargen.networks.base import State, Trainable, summed_nats

FORGET = 0.1
"""Share of the lanes that begin anew at each window of labelled texts."""


class Causal(Trainable):
    """Predicts each next character from all before it, and from the label if it has labels."""

    def __init__(
        self,
        architecture: Architecture,
        characters: int,
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(architecture, characters, dropout, generator)
        if architecture.family.attends:
            self.norm = nn.LayerNorm(architecture.hidden, bias=False)
        if architecture.labels:
            # A label's vector is added to each character's: it cannot be forgotten.
            self.label = nn.Embedding(architecture.labels, architecture.embed)
        self.output = nn.Linear(architecture.hidden, characters)
        self._initialise()
        if architecture.labels:
            with torch.no_grad():
                self.label.weight.normal_(generator=generator)
        if architecture.tied:
            self.output.register_parameter("weight", None)

    def forward(
        self, ids: Tensor, state: State, labels: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Return logits (B, T, V) for the character after each of ``ids`` (B, T), and the state.

        Args:
            labels: (B, T) or (B, 1), for a network that has labels.
        """
        x = self.embedding(ids.t())
        if labels is not None and self.architecture.labels:
            x = x + self.label(labels.t())
        x, after = self.run(self.layers, x, state)
        if self.architecture.family.attends:
            x = self.norm(x)
        weight = self.embedding.weight[:-1] if self.architecture.tied else self.output.weight
        return functional.linear(x, weight, self.output.bias).transpose(0, 1), after

    def cost(
        self, inputs: Tensor, targets: Tensor, state: State, labels: Tensor | None
    ) -> tuple[Tensor, State]:
        """Return the nats of each target after its input."""
        if self.architecture.labels and not self.architecture.family.attends:
            inputs, state = self._begin_anew(inputs, state)
        logits, after = self(inputs, state, labels)
        return summed_nats(logits, targets), after

    def _begin_anew(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """Let some rows forget what came before, as if a text began here.

        Labelled texts are mostly written and judged from their beginning, when the network has read
        nothing. In training, it has almost always read something: only the first text of each lane
        has nothing before it.
        """
        chance = torch.rand(len(inputs), 1, generator=self.generator, device=inputs.device)
        forgets = chance < FORGET
        inputs = inputs.clone()
        inputs[:, :1] = torch.where(forgets, self.characters, inputs[:, :1])
        kept = (~forgets).float()
        return inputs, [tuple(part * kept for part in parts) for parts in state]
