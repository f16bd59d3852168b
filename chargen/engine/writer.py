"""A recurrent network that writes texts in compiled code, many characters in a call.

It computes what `chargen.engine.causal.Causal` and `chargen.tasks.filters` compute, up to the
rounding of float32; a test holds them equal. Each text is written by one thread, and as many are
written at once as there are processors. Loading the compiler takes half a second, which pays for
long texts only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chargen import kernels
from chargen.engine.language_model import State
from chargen.engine.rounding import packed
from chargen.text.contexts import LONGEST
from chargen.text.told import Told
from chargen.threads import divided

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from chargen.engine.causal import Causal
    from chargen.engine.recurrent import RecurrentLayer

    Floats = NDArray[np.float32]
    Ids = NDArray[np.int32]


class Writer:
    """Writes texts.

    Args:
        model: a recurrent network.
        layers: its layers.
        filters: temperature, top-k, top-p and min-p; zero for no filter.
        steady: whether the table of characters is computed in a fixed order, too.
    """

    def __init__(
        self,
        model: Causal,
        layers: Sequence[RecurrentLayer],
        filters: Sequence[float],
        steady: bool = False,
    ) -> None:
        hidden = layers[0].hidden
        rows = layers[0].recurrent.shape[1]
        self.gates = rows // hidden
        self.filters = np.array(filters, np.float64)
        self.weights = kernels.Weights(
            _table(model.stack.rows, layers[0]) if steady else model.stack.table,
            packed(_stacked([layer.inputs for layer in layers[1:]], (hidden, rows))),
            packed(_stacked([layer.recurrent for layer in layers], (hidden, rows))),
            _biases(layers).reshape(len(layers), -1, hidden),
            packed(np.ascontiguousarray(model.output)),
            model.output_bias,
            *_rare(model),
        )
        self.told, self.bos = Told(model.ngrams, model.bos), model.bos

    def write(
        self, last: Ids, state: State, uniform: NDArray[np.float64]
    ) -> tuple[Ids, Floats, State]:
        """Read each text's last character and draw its next, as often as there is a random number.

        Args:
            last: (B,), ids.
            state: before them.
            uniform: (B, N), random numbers in [0, 1).

        Returns:
            ids (B, N), their nats (B, N) at temperature 1 without filters, and the state before the
            last of them.
        """
        layers, states = len(self.weights.recurrent), len(state[0])
        carried, before = self.carried(state)
        ids = np.empty(uniform.shape, np.int32)
        nats = np.empty(uniform.shape, np.float32)
        given = (
            self.gates, last.astype(np.int32), self.weights, self.told.counted, carried, before,
            self.told.seen, np.ascontiguousarray(uniform), self.filters, ids, nats,
        )  # fmt: skip

        def some(first: int, stop: int) -> None:
            kernels.write(first, stop, *given)

        divided(some, len(last), len(last))
        after: State = [
            tuple(carried[:, layer, part, 0] for part in range(states)) for layer in range(layers)
        ]
        past = [(before.astype(np.int32),)] if len(state) > layers else []
        return ids, nats, after + past

    def carried(self, state: State) -> tuple[Floats, NDArray[np.int64]]:
        """Return a state as compiled code has it.

        Returns:
            The layers' (B, L, 2, 1, H), and the characters before (B, `LONGEST` - 1).
        """
        layers, states = len(self.weights.recurrent), len(state[0])
        batch, hidden = state[0][0].shape
        carried = np.zeros((batch, layers, 2, 1, hidden), np.float32)
        for layer, parts in enumerate(state[:layers]):
            for number in range(states):
                carried[:, layer, number, 0] = parts[number]
        # A model without n-grams carries no characters.
        past = [part.astype(np.int64) for (part,) in state[layers:]]
        return carried, past[0] if past else np.full((batch, LONGEST - 1), self.bos)


class Frequencies:
    """How often each character comes next, as whole numbers: the same ones on every machine.

    Args:
        writer: of the model.
        state: of one text that has not begun.
        escape: the probability of a character that is none of the vocabulary.
        bits: the numbers sum to 2 to this power.
        learns: characters of the text, if its n-grams are counted while it is read; see
            `chargen.kernels.Seen`.
    """

    def __init__(
        self, writer: Writer, state: State, escape: float, bits: int, learns: int = 0
    ) -> None:
        self.gates, self.escape, self.bits = writer.gates, escape, bits
        self.weights = writer.weights
        (self.carried,), (self.past,) = writer.carried(state)
        self.likely = np.zeros((3, writer.bos), np.float32)
        self.told = Told(writer.told.ngrams, writer.bos, learns)

    def after(self, ids: Ids) -> NDArray[np.float64]:
        """Read characters (N,), and return the shares (N, V + 1) of the next after each.

        The last column is that of the escape. Each share is a whole number divided by 2^bits.
        """
        whole = float(1 << self.bits)
        shares = np.empty((len(ids), len(self.weights.table)), np.float64)
        kernels.frequencies(
            self.gates, ids, self.weights, self.told.counted, self.carried, self.past,
            self.told.seen, self.likely, self.escape, whole, shares,
        )  # fmt: skip
        return shares / whole


def _rare(model: Causal) -> tuple[NDArray[Any], NDArray[Any], Floats]:
    """Return the narrow outputs of rare characters, all empty where there are none."""
    if not model.common:
        none = np.zeros((0, 0), np.float32)
        return none, none, none.ravel()
    narrow, rare = (np.ascontiguousarray(one) for one in (model.narrow, model.rare))
    return packed(narrow), packed(rare), model.rare_bias


def _table(rows: Floats, first: RecurrentLayer) -> Floats:
    """Return what `chargen.engine.stack.Stack` has as its table, summed in a fixed order."""
    table = np.empty((len(rows), len(first.input_bias)), np.float32)
    kernels.project(rows, np.ascontiguousarray(first.inputs), first.input_bias, table)
    return table


def _stacked(views: Sequence[Floats], shape: tuple[int, int]) -> Floats:
    """Return transposed weights one above the other, each in the order in which it is read."""
    stacked = np.empty((len(views), *shape), np.float32)
    for into, view in zip(stacked, views, strict=True):
        into[:] = view
    return stacked


def _biases(layers: Sequence[RecurrentLayer]) -> Floats:
    """Return what each layer adds to its products; see `chargen.networks.recurrence.Cell`."""
    added = []
    for number, layer in enumerate(layers):
        # The table has the biases of the first layer's inputs.
        bias = layer.input_bias.copy() if number else np.zeros_like(layer.input_bias)
        inner = len(bias) - layer.inner * layer.hidden
        bias[:inner] += layer.recurrent_bias[:inner]
        added.append(np.concatenate((bias, layer.recurrent_bias[inner:])))
    return np.stack(added)
