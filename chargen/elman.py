"""The simple recurrent network of Elman 1990, "Finding structure in time", Cognitive Science 14."""

from __future__ import annotations

import torch
from torch import Tensor

from chargen.layer import Layer


class Elman(Layer):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh)."""

    kind = "elman"

    def forward(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run over x (B, T, I) from h (B, H); return all h' (B, T, H) and the last."""
        out, hidden = torch.rnn_tanh(
            x, state[0][None].to(x.dtype), self.tensors(), True, 1, 0.0, self.training, False, True
        )
        return out, (hidden[0],)
