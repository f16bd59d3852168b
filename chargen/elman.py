"""The simple recurrent network of Elman 1990, "Finding structure in time", Cognitive Science 14."""

from __future__ import annotations

import torch
from torch import Tensor

from chargen.layer import Layer


class ElmanCell:
    """h' = tanh(a), with a the whole pre-activation; see `chargen.recurrence.Cell`."""

    inner = 0

    def views(self, gates: Tensor) -> tuple[Tensor, ...]:
        """Return the pre-activations as they are."""
        return (gates,)

    def advance(
        self,
        parts: tuple[Tensor, ...],
        product: Tensor,
        _bias: Tensor,
        _before: Tensor,
        after: Tensor,
        _kept: Tensor,
    ) -> None:
        """Step."""
        torch.tanh(parts[0].add_(product), out=after)

    def slopes(self, _gates: Tensor, track: Tensor, _kept: Tensor) -> tuple[Tensor, ...]:
        """Return 1 - h'², the slope of tanh."""
        return (1 - track[1:].square(),)

    def retreat(self, slopes: tuple[Tensor, ...], grad: Tensor, delta: Tensor) -> None:
        """Step back; all of the past goes through the product."""
        torch.mul(grad, slopes[0], out=delta)

    def inputs(self, delta: Tensor, _grads: Tensor, _slopes: tuple[Tensor, ...]) -> Tensor:
        """Return δ: inputs and state enter alike."""
        return delta


class Elman(Layer):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh)."""

    kind = "elman"
    cell = ElmanCell()

    def fused(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run the device's own kernel."""
        out, hidden = torch.rnn_tanh(
            x, state[0][None], self.tensors(), True, 1, 0.0, self.training, False, False
        )
        return out, (hidden[0],)
