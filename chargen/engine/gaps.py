"""The network that fills gaps, in NumPy; see `chargen.networks.bidirectional`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from chargen.architecture import Architecture
from chargen.engine.language_model import State
from chargen.engine.likelihood import log_softmax
from chargen.engine.product import product
from chargen.engine.stack import Stack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ids = NDArray[np.int32]


class Side:
    """One stack with an output of its own: a `chargen.engine.language_model.LanguageModel`.

    The left stack predicts the character that follows; the backward stack, which reads texts from
    their end, the character that precedes.
    """

    def __init__(self, stack: Stack, weight: Floats, bias: Floats) -> None:
        self.stack, self.weight, self.bias = stack, weight.T, bias

    @property
    def bos(self) -> int:
        """V, the id that stands for "no character"."""
        return len(self.bias)

    def start(self, batch: int) -> State:
        """Return the state of ``batch`` texts that have not begun."""
        return self.stack.start(batch)

    def forward(self, ids: Ids, state: State) -> tuple[Floats, State]:
        """Return logits (B, T, V) for the character next to each of ``ids``, and the state."""
        x, after = self.stack.forward(ids, state)
        logits = product(x, self.weight)
        logits += self.bias
        return logits, after


class GapFiller:
    """Both stacks, and what they say together about the next character of a gap."""

    def __init__(self, architecture: Architecture, weights: Mapping[str, Floats]) -> None:
        self.weights = weights
        self.left = Stack(architecture, weights, "layers")
        self.backward = Stack(architecture, weights, "backward")
        self.following, self.preceding = (
            Side(stack, weights[f"{name}.weight"], weights[f"{name}.bias"])
            for name, stack in (("following", self.left), ("preceding", self.backward))
        )

    @property
    def bos(self) -> int:
        """V, the id that stands for "no character"."""
        return self.following.bos

    def look(self, after: Ids) -> Floats:
        """Return W_right g (1, H); g is the backward stack's output for the text on the right."""
        backwards = np.concatenate(([self.bos], after[::-1])).astype(np.int32)
        read, _ = self.backward.forward(backwards[None], self.backward.start(1))
        seen: Floats = read[:, -1] @ self.weights["right.weight"].T
        return seen

    def predict(self, read: Floats, right: Floats, remaining: int) -> Floats:
        """Return the log-probabilities (B, V + 1) of a gap's next character; the last is "no more".

        Args:
            read: (B, H), the left stack's outputs.
            right: as from `look`.
            remaining: characters still missing; 0 for an unknown number.
        """
        left = read @ self.weights["left.weight"].T
        both = np.tanh(left + right + self.weights["remaining.weight"][remaining])
        return log_softmax(both @ self.weights["output.weight"].T + self.weights["output.bias"])
