"""The network that tells labels, in NumPy; see `chargen.networks.bidirectional`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from chargen.architecture import Architecture
from chargen.engine.language_model import WINDOW
from chargen.engine.likelihood import log_softmax
from chargen.engine.stack import Stack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ids = NDArray[np.int32]


class Classifier:
    """Both stacks, and which label they see at each place of a text."""

    def __init__(self, architecture: Architecture, weights: Mapping[str, Floats]) -> None:
        self.weights = weights
        self.left = Stack(architecture, weights, "layers")
        self.backward = Stack(architecture, weights, "backward")
        self.bos = len(weights["embedding.weight"]) - 1

    def forward(self, texts: Sequence[Ids]) -> list[Floats]:
        """Return the log-probabilities (T, labels) at the places of each text."""
        left = self._read(self.left, texts)
        right = self._read(self.backward, [text[::-1] for text in texts])
        told = []
        for text, h, g in zip(texts, left, right, strict=True):
            both = np.tanh(
                h[: len(text)] @ self.weights["left.weight"].T
                + g[len(text) : 0 : -1] @ self.weights["right.weight"].T
            )
            logits = both @ self.weights["output.weight"].T + self.weights["output.bias"]
            told.append(log_softmax(logits))
        return told

    def _read(self, stack: Stack, texts: Sequence[Ids]) -> Floats:
        """Return a stack's outputs (B, 1 + T, H): before a text, and after each character."""
        rows = np.full((len(texts), 1 + max(map(len, texts))), self.bos, dtype=np.int32)
        for row, text in enumerate(texts):
            rows[row, 1 : 1 + len(text)] = text
        parts, state = [], stack.start(len(rows))
        for at in range(0, rows.shape[1], WINDOW):
            read, state = stack.forward(rows[:, at : at + WINDOW], state)
            parts.append(read)
        return np.concatenate(parts, axis=1)
