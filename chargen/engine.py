"""The same networks in NumPy, for sampling and scoring without PyTorch.

Written apart from `chargen.networks`, from the equations in `chargen.elman`, `chargen.gru` and
`chargen.lstm`; each is the other's oracle. The interface is the same, ``forward(ids, state) ->
logits, state``; one character a call is sampling, a window a call is scoring.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from chargen.architecture import STATES, Architecture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ids = NDArray[np.int32]

State = list[tuple["Floats", ...]]
"""For each layer, the (B, H) arrays it carries: hidden, and for the LSTM the cell as well."""


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(-x)), through tanh, which cannot overflow; in place."""
    x *= 0.5
    np.tanh(x, out=x)
    x += 1
    x *= 0.5
    return x


def elman_step(gates: Floats, recurrent: Floats, _state: tuple[Floats, ...]) -> tuple[Floats, ...]:
    """Return h' from the input's part and the state's part of the pre-activation, (B, H) each."""
    gates += recurrent
    return (np.tanh(gates, out=gates),)


def gru_step(gates: Floats, recurrent: Floats, state: tuple[Floats, ...]) -> tuple[Floats, ...]:
    """Return h' from the two parts of the pre-activations, (B, 3H) each, and h (B, H)."""
    (hidden,) = state
    size = hidden.shape[1]
    both = gates[:, : 2 * size]
    both += recurrent[:, : 2 * size]
    sigmoid(both)
    reset, update = both[:, :size], both[:, size:]
    candidate = reset * recurrent[:, 2 * size :]
    candidate += gates[:, 2 * size :]
    np.tanh(candidate, out=candidate)
    after = hidden - candidate
    after *= update
    after += candidate
    return (after,)


def lstm_step(gates: Floats, recurrent: Floats, state: tuple[Floats, ...]) -> tuple[Floats, ...]:
    """Return h' and c' from the two parts of the pre-activations, (B, 4H) each, and h, c (B, H)."""
    hidden, cell = state
    size = hidden.shape[1]
    gates += recurrent
    sigmoid(gates[:, : 2 * size])
    np.tanh(gates[:, 2 * size : 3 * size], out=gates[:, 2 * size : 3 * size])
    sigmoid(gates[:, 3 * size :])
    write, keep, new, show = (gates[:, size * n : size * (n + 1)] for n in range(4))
    after = keep * cell
    after += write * new
    return show * np.tanh(after), after


Step = Callable[["Floats", "Floats", tuple["Floats", ...]], tuple["Floats", ...]]
STEPS: dict[str, Step] = {"elman": elman_step, "gru": gru_step, "lstm": lstm_step}


class Engine:
    """A trained network that runs forward only.

    Args:
        architecture: kind and sizes.
        weights: the arrays named by ``architecture.shapes``.
    """

    def __init__(self, architecture: Architecture, weights: Mapping[str, Floats]) -> None:
        self.architecture = architecture
        self.step = STEPS[architecture.arch]
        # Products are written x @ W, with W transposed once into the order that it is read in.
        self.inputs = [
            np.ascontiguousarray(weights[f"layers.{layer}.weight_ih"].T)
            for layer in range(architecture.layers)
        ]
        self.recurrent = [
            np.ascontiguousarray(weights[f"layers.{layer}.weight_hh"].T)
            for layer in range(architecture.layers)
        ]
        self.input_bias = [weights[f"layers.{n}.bias_ih"] for n in range(architecture.layers)]
        self.recurrent_bias = [weights[f"layers.{n}.bias_hh"] for n in range(architecture.layers)]
        # A character's whole contribution to the first layer is a row of this table, (V + 1, G·H).
        self.table = weights["embedding.weight"] @ self.inputs[0] + self.input_bias[0]
        output = weights["embedding.weight"][:-1] if architecture.tied else weights["output.weight"]
        self.output = np.ascontiguousarray(output.T)
        self.output_bias = weights["output.bias"]

    @property
    def none(self) -> int:
        """V, the id that stands for "no character"."""
        return len(self.output_bias)

    def start(self, batch: int) -> State:
        """Return the zero state of ``batch`` texts that have not begun."""
        shape = (batch, self.architecture.hidden)
        count = STATES[self.architecture.arch]
        return [
            tuple(np.zeros(shape, dtype=np.float32) for _ in range(count))
            for _ in range(self.architecture.layers)
        ]

    def forward(self, ids: Ids, state: State) -> tuple[Floats, State]:
        """Return logits (B, T, V) for the character after each of ``ids`` (B, T), and the state."""
        batch, time = ids.shape
        after: State = []
        projected = self.table[ids]
        for layer in range(self.architecture.layers):
            carried = state[layer]
            outputs = np.empty((batch, time, self.architecture.hidden), dtype=np.float32)
            for t in range(time):
                recurrent = carried[0] @ self.recurrent[layer]
                recurrent += self.recurrent_bias[layer]
                carried = self.step(projected[:, t], recurrent, carried)
                outputs[:, t] = carried[0]
            after.append(carried)
            if layer + 1 < self.architecture.layers:
                projected = outputs @ self.inputs[layer + 1]
                projected += self.input_bias[layer + 1]
        logits = outputs @ self.output
        logits += self.output_bias
        return logits, after
