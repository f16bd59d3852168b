"""Two stacks that read whole texts, in NumPy; see `chargen.networks.encoder`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from chargen.architecture import Architecture
from chargen.engine.language_model import WINDOW
from chargen.engine.stack import Stack
from chargen.engine.transformer import standardized

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Bools = NDArray[np.bool_]
    Ids = NDArray[np.int32]


class Encoder:
    """Reads texts side by side."""

    def __init__(self, architecture: Architecture, weights: Mapping[str, Floats]) -> None:
        self.architecture, self.weights = architecture, weights
        self.left = Stack(architecture, weights, "layers")
        self.backward = Stack(architecture, weights, "backward")
        self.bos = len(weights["embedding.weight"]) - 1

    def sides(
        self, texts: Sequence[Ids], described: Floats | None = None
    ) -> tuple[Floats, Floats, Bools]:
        """Return h and g (B, S, H) at each place of texts, and which places there are (B, S).

        Args:
            texts: (S,) ids of each.
            described: (B, E), what is added to each character's vector.
        """
        lengths = np.array([len(text) for text in texts])
        rows = np.full((2, len(texts), lengths.max()), self.bos, dtype=np.int32)
        for row, text in enumerate(texts):
            rows[0, row, : len(text)] = text
            rows[1, row, : len(text)] = text[::-1]
        left = self._through(self.left, rows[0], described)
        back = self._through(self.backward, rows[1], described)
        places = np.arange(rows.shape[2])
        there: Bools = places < lengths[:, None]
        turned = np.where(there, lengths[:, None] - 1 - places, places)
        return left, np.take_along_axis(back, turned[:, :, None], axis=1), there

    def joined(self, left: Floats, right: Floats) -> Floats:
        """Return what places are remembered as."""
        both: Floats = left @ self.weights["left.weight"].T
        both += right @ self.weights["right.weight"].T
        return np.tanh(both, out=both)

    def settled(self, x: Floats) -> Floats:
        """Return a stack's outputs as they are read: a transformer's stream is standardized."""
        return standardized(x) if self.architecture.family.attends else x

    def _through(self, stack: Stack, ids: Ids, described: Floats | None) -> Floats:
        """Return a stack's outputs (B, S, H)."""
        added = None if described is None else stack.addition(described)
        parts, state = [], stack.start(len(ids))
        for at in range(0, ids.shape[1], WINDOW):
            read, state = stack.forward(ids[:, at : at + WINDOW], state, added)
            parts.append(read)
        return self.settled(np.concatenate(parts, axis=1))
