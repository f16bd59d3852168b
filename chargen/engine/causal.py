"""The network that predicts each next character, in NumPy.

It was written separately from its twin, `chargen.networks.causal`, so that tests can check each
against the other. Sampling passes one character in each call, scoring passes a window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from chargen.architecture import NGRAMS, Architecture, below
from chargen.engine.language_model import WINDOW, State
from chargen.engine.likelihood import log_softmax
from chargen.engine.product import product
from chargen.engine.stack import Stack
from chargen.engine.transformer import layer_norm
from chargen.text.ngrams import Ngrams

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chargen.engine.recurrent import RecurrentLayer
    from chargen.engine.transformer import Block
    from chargen.engine.writer import Writer

    Floats = NDArray[np.float32]
    Ids = NDArray[np.int32]

FEW, SMALL = 64, 1 << 21
"""NumPy is faster than compiled code only for more texts than `FEW` side by side and more recurrent
weights than `SMALL` (measured on two processors, up to 1,024 units)."""


class Causal:
    """A trained network as a `chargen.engine.language_model.LanguageModel`.

    Args:
        architecture: family and sizes.
        weights: the arrays named by ``architecture.shapes``.
        label: the label of the texts that it predicts, for a network that has labels.
    """

    def __init__(
        self, architecture: Architecture, weights: Mapping[str, Floats], label: int | None = None
    ) -> None:
        self.stack = Stack(architecture, weights, label=label)
        self.norm = weights.get("norm.weight")
        output = weights["embedding.weight"][:-1] if architecture.tied else weights["output.weight"]
        self.output = output.T
        self.output_bias = weights["output.bias"]
        self.common = architecture.common
        if self.common:
            self.narrow = weights["narrow.weight"].T
            self.rare, self.rare_bias = weights["rare.weight"].T, weights["rare.bias"]
        counted = below(weights, NGRAMS)
        self.ngrams = Ngrams(counted, self.bos) if architecture.ngrams else None

    @property
    def bos(self) -> int:
        """V, the id that stands for "no character"."""
        return len(self.output_bias) + (len(self.rare_bias) - 1 if self.common else 0)

    def start(self, batch: int) -> State:
        """Return the state of ``batch`` texts that have not begun."""
        state = self.stack.start(batch)
        return state if self.ngrams is None else [*state, self.ngrams.start(batch)]

    def forward(self, ids: Ids, state: State) -> tuple[Floats, State]:
        """Return logits (B, T, V) for the character after each of ``ids`` (B, T), and the state.

        The state given may be overwritten.
        """
        x, after = self.stack.forward(ids, state[: len(self.stack.layers)])
        logits = self.read_out(x)
        if self.ngrams is not None:
            logs, cases, last = self.ngrams.forward(ids, *state[-1])
            logits = self.ngrams.mixed(logits, logs, cases)
            after.append(last)
        return logits, after

    def outputs(self, ids: Ids) -> Floats:
        """Return each layer's output (L, T, H) after each of ``ids`` (T,), from the beginning."""
        start = np.array([[self.bos]], dtype=np.int32)
        outputs, state = self.stack.outputs(start, self.stack.start(1))
        parts = [np.stack(outputs)[:, 0, :0]]
        for at in range(0, len(ids), WINDOW):
            outputs, state = self.stack.outputs(ids[None, at : at + WINDOW], state)
            parts.append(np.stack(outputs)[:, 0])
        return np.concatenate(parts, axis=1)

    def attention(self, ids: Ids) -> Floats:
        """Return what each head attends to (L, heads, T + 1, T + 1), as one reads ``ids`` (T,).

        A row for each place that reads, a column for each that is read; the first of both is the
        beginning of the text. Each row sums to one. Only for a transformer.
        """
        blocks = cast("list[Block]", self.stack.layers)
        read = np.concatenate([np.array([self.bos], dtype=np.int32), ids])
        shares: list[Floats] = []
        for block in blocks:
            block.watched = shares
        self.stack.forward(read[None], self.stack.start(1))
        for block in blocks:
            block.watched = None
        return np.concatenate(shares)

    def writer(
        self, filters: Sequence[float], texts: int = 1, *, steady: bool = False
    ) -> Writer | None:
        """Return the same network in compiled code; None for a transformer, and where it is slower.

        Args:
            filters: temperature, top-k, top-p and min-p; zero for no filter.
            texts: how many are written side by side.
            steady: whether all of it is computed in a fixed order, to be the same on every machine.
        """
        if self.norm is not None:
            return None
        layers = cast("list[RecurrentLayer]", self.stack.layers)
        # Compiled code reads the weights anew for each text, NumPy once for all of them.
        if texts > FEW and sum(layer.recurrent.size for layer in layers) > SMALL:
            return None
        from chargen.engine.writer import Writer  # It loads the compiler, which takes a while.

        return Writer(self, layers, filters, steady)

    def read_out(self, x: Floats) -> Floats:
        """Return the network's part of the logits (…, V) from the stack's outputs (…, H)."""
        if self.norm is not None:
            x = layer_norm(x, self.norm)
        logits = product(x, self.output)
        logits += self.output_bias
        if not self.common:
            return logits
        # The last wide output is for all rare characters together, the narrow ones say which.
        which = log_softmax(product(product(x, self.narrow), self.rare) + self.rare_bias)
        which += logits[..., self.common :]
        return np.concatenate((logits[..., : self.common], which), axis=-1)
