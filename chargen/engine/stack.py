"""A stack of layers over an embedding; what all networks in NumPy are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np

from chargen.architecture import Architecture, below
from chargen.engine.language_model import Carried, State
from chargen.engine.recurrent import RecurrentLayer
from chargen.engine.transformer import Block

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ids = NDArray[np.int32]


class Layer(Protocol):
    """What a family of layers brings."""

    def __init__(self, architecture: Architecture, weights: Mapping[str, Floats]) -> None: ...

    def start(self, batch: int) -> Carried:
        """Return the state of ``batch`` texts that have not begun."""

    def project(self, x: Floats) -> Floats:
        """Return the part of the work on x (…, I) that does not depend on the state."""

    def forward(self, projected: Floats, state: Carried) -> tuple[Floats, Carried]:
        """Return outputs (B, T, H) and the state; both arguments may be overwritten."""


LAYERS: dict[str, type[Layer]] = {
    "elman": RecurrentLayer,
    "gru": RecurrentLayer,
    "lstm": RecurrentLayer,
    "transformer": Block,
}


class Stack:
    """A stack of layers over an embedding.

    Args:
        architecture: family and sizes.
        weights: the arrays named by ``architecture.shapes``.
        name: of the stack, one of ``architecture.kind.stacks``.
        label: the label whose vector is added to each character's; None for none.
        vectors: the name of the embedding.
    """

    def __init__(
        self,
        architecture: Architecture,
        weights: Mapping[str, Floats],
        name: str = "layers",
        label: int | None = None,
        vectors: str = "embedding.weight",
    ) -> None:
        family = LAYERS[architecture.arch]
        self.layers: list[Layer] = [
            family(architecture, below(weights, f"{name}.{number}."))
            for number in range(architecture.layers)
        ]
        # A character's whole contribution to the first layer is a row of this table.
        rows = weights[vectors]
        if label is not None:
            rows = rows + weights["label.weight"][label]
        self.rows = rows
        self.table = self.layers[0].project(rows)

    def start(self, batch: int) -> State:
        """Return the state of ``batch`` texts that have not begun."""
        return [layer.start(batch) for layer in self.layers]

    def addition(self, vectors: Floats) -> Floats:
        """Return what vectors (B, E), added to each character's, add to the first layer's input."""
        first = self.layers[0]
        added: Floats = first.project(vectors) - first.project(np.zeros_like(vectors[:1]))
        return added

    def forward(self, ids: Ids, state: State, added: Floats | None = None) -> tuple[Floats, State]:
        """Return the last layer's outputs (B, T, H) for ``ids`` (B, T), and the state.

        The state given may be overwritten.

        Args:
            added: as from `addition`, to each row's characters.
        """
        outputs, after = self.outputs(ids, state, added)
        return outputs[-1], after

    def outputs(
        self, ids: Ids, state: State, added: Floats | None = None
    ) -> tuple[list[Floats], State]:
        """Return each layer's outputs (B, T, H), from the first to the last, and the state."""
        x = self.table[ids]
        if added is not None:
            x = x + added[:, None]
        outputs: list[Floats] = []
        after: State = []
        for number, (layer, carried) in enumerate(zip(self.layers, state, strict=True)):
            x, carried = layer.forward(layer.project(x) if number else x, carried)
            outputs.append(x)
            after.append(carried)
        return outputs, after
