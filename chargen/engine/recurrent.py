"""The recurrent layers in NumPy, from the equations in `chargen.networks`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from chargen.architecture import Architecture
from chargen.engine.product import product

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]


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


class RecurrentLayer:
    """One layer of elman, gru or lstm cells; see `chargen.engine.stack.Layer`."""

    def __init__(self, architecture: Architecture, weights: Mapping[str, Floats]) -> None:
        self.step = STEPS[architecture.arch]
        self.states = architecture.family.states
        self.hidden = architecture.hidden
        self.inner = architecture.family.inner
        # Transposed views: with one row, x @ W.T reads W in the order that it lies in.
        self.inputs = weights["weight_ih"].T
        self.recurrent = weights["weight_hh"].T
        self.input_bias = weights["bias_ih"]
        self.recurrent_bias = weights["bias_hh"]

    def start(self, batch: int) -> tuple[Floats, ...]:
        """Return zeros, (B, H) each: h, and for the LSTM c as well."""
        return tuple(np.zeros((batch, self.hidden), np.float32) for _ in range(self.states))

    def project(self, x: Floats) -> Floats:
        """Return the inputs' part of the pre-activations, (…, G·H), of x (…, I)."""
        projected = product(x, self.inputs)
        projected += self.input_bias
        return projected

    def forward(
        self, projected: Floats, state: tuple[Floats, ...]
    ) -> tuple[Floats, tuple[Floats, ...]]:
        """Return all h (B, T, H) and the state, from the inputs' part (B, T, G·H), used up."""
        batch, time, _ = projected.shape
        outputs = np.empty((batch, time, self.hidden), dtype=np.float32)
        for t in range(time):
            recurrent = state[0] @ self.recurrent
            recurrent += self.recurrent_bias
            state = self.step(projected[:, t], recurrent, state)
            outputs[:, t] = state[0]
        return outputs, state
