"""The same networks in NumPy, for sampling and scoring without PyTorch.

Written apart from `chargen.networks.causal`; each is the other's oracle. The interface is the same,
``forward(ids, state) -> logits, state``; one character a call is sampling, a window a call is
scoring.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from chargen.architecture import Architecture
from chargen.engine.recurrent import RecurrentLayer
from chargen.engine.transformer import Block, layer_norm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ids = NDArray[np.int32]

Carried = tuple["NDArray[Any]", ...]

State = list[Carried]
"""For each layer, the arrays it carries, a row for each text of the batch."""


class Layer(Protocol):
    """What a kind of layer brings."""

    def start(self, batch: int) -> Carried:
        """Return the state of ``batch`` texts that have not begun."""

    def project(self, x: Floats) -> Floats:
        """Return the part of the work on x (…, I) that no state takes part in."""

    def forward(self, projected: Floats, state: Carried) -> tuple[Floats, Carried]:
        """Return outputs (B, T, H) and the state; both arguments may be overwritten."""


class Tower:
    """A stack of layers over an embedding.

    Args:
        architecture: kind and sizes.
        weights: the arrays named by ``architecture.shapes``.
        stack: which of its stacks; see there.
        label: whose vector is added to each character's; None for none.
    """

    def __init__(
        self,
        architecture: Architecture,
        weights: Mapping[str, Floats],
        stack: str = "layers",
        label: int | None = None,
    ) -> None:
        kind = Block if architecture.arch == "transformer" else RecurrentLayer
        self.layers: list[Layer] = [
            kind(architecture, _below(weights, f"{stack}.{number}."))
            for number in range(architecture.layers)
        ]
        # A character's whole contribution to the first layer is a row of this table.
        vectors = weights["embedding.weight"]
        if label is not None:
            vectors = vectors + weights["label.weight"][label]
        self.table = self.layers[0].project(vectors)

    def start(self, batch: int) -> State:
        """Return the state of ``batch`` texts that have not begun."""
        return [layer.start(batch) for layer in self.layers]

    def climb(self, ids: Ids, state: State) -> tuple[Floats, State]:
        """Return the last layer's outputs (B, T, H) for ``ids`` (B, T), and the state.

        The state given may be overwritten.
        """
        x = self.table[ids]
        after: State = []
        for number, (layer, carried) in enumerate(zip(self.layers, state, strict=True)):
            x, carried = layer.forward(layer.project(x) if number else x, carried)
            after.append(carried)
        return x, after


class Engine(Tower):
    """A trained network that runs forward only, and predicts each next character.

    Args:
        label: of the texts that it predicts, for one that has labels.
    """

    def __init__(
        self,
        architecture: Architecture,
        weights: Mapping[str, Floats],
        label: int | None = None,
    ) -> None:
        super().__init__(architecture, weights, label=label)
        self.norm = weights.get("norm.weight")
        output = weights["embedding.weight"][:-1] if architecture.tied else weights["output.weight"]
        self.output = output.T
        self.output_bias = weights["output.bias"]

    @property
    def none(self) -> int:
        """V, the id that stands for "no character"."""
        return len(self.output_bias)

    def forward(self, ids: Ids, state: State) -> tuple[Floats, State]:
        """Return logits (B, T, V) for the character after each of ``ids`` (B, T), and the state.

        The state given may be overwritten.
        """
        x, after = self.climb(ids, state)
        return self.read_out(x), after

    def read_out(self, x: Floats) -> Floats:
        """Return logits (…, V) from the last layer's outputs (…, H)."""
        if self.norm is not None:
            x = layer_norm(x, self.norm)
        logits: Floats = x @ self.output
        logits += self.output_bias
        return logits


def _below(weights: Mapping[str, Floats], prefix: str) -> dict[str, Floats]:
    """Return the weights whose names begin with a prefix, without it."""
    return {
        name.removeprefix(prefix): array
        for name, array in weights.items()
        if name.startswith(prefix)
    }
