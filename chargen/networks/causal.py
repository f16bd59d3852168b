"""The network that predicts each next character from all before it.

``forward(ids, state) -> logits, state`` is the whole interface. Its twin in NumPy is
`chargen.engine.causal.Causal`; a test holds the two equal.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from chargen.architecture import Architecture
from chargen.networks.base import Batch, State, Trainable, summed_nats
from chargen.networks.ngrams import Ngrams

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        self.ngrams = Ngrams(self.characters) if architecture.ngrams else None

    def start(self, batch: int) -> State:
        """Return the state of ``batch`` texts that have not begun."""
        before = super().start(batch)
        return before if self.ngrams is None else [*before, self.ngrams.start(batch)]

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
        x, after = self.run(self.layers, x, state[: len(self.layers)], ages)
        if self.architecture.family.attends:
            x = self.norm(x)
        weight = self.embedding.weight[:-1] if self.architecture.tied else self.output.weight
        logits = functional.linear(x, weight, self.output.bias)
        if self.ngrams is not None:
            (past,) = state[-1]
            added, last = self.ngrams(ids, past, ages)
            logits = logits + added
            after.append(last)
        return logits.transpose(0, 1), after

    def heads(self, batch: Batch, state: State) -> dict[nn.Linear, Tensor]:
        """Return the logits of the one output."""
        return {self.output: self(batch.inputs, state, batch.labels, batch.ages)[0]}

    def cost(self, batch: Batch, state: State) -> tuple[Tensor, State]:
        """Return the nats of each target after its input."""
        logits, after = self(batch.inputs, state, batch.labels, batch.ages)
        return summed_nats(logits, batch.targets), after

    def grown(self) -> Architecture:
        """Return the architecture with the number of n-grams that have learned."""
        if self.ngrams is None:
            return self.architecture
        return replace(self.architecture, ngrams=len(self.ngrams.learned()))

    def learn(self, characters: int, share: float) -> None:
        """Let the n-grams learn."""
        if self.ngrams is not None:
            self.ngrams.learn(characters, share)

    def moments(self) -> dict[str, NDArray[np.float32]]:
        """Return what the n-grams keep."""
        return {} if self.ngrams is None else self.ngrams.moments()

    def restore(self, moments: Mapping[str, NDArray[np.float32]]) -> None:
        """Give the n-grams what they kept."""
        if self.ngrams is not None:
            self.ngrams.restore(moments)

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return a copy of the weights as NumPy arrays, named as in a checkpoint."""
        return super().arrays() | ({} if self.ngrams is None else self.ngrams.arrays())

    def assign(self, arrays: Mapping[str, NDArray[np.float32]]) -> None:
        """Set the weights from NumPy arrays named as in a checkpoint."""
        super().assign(arrays)
        if self.ngrams is not None:
            self.ngrams.assign(arrays)
