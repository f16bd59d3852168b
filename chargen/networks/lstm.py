"""Long short-term memory: Hochreiter & Schmidhuber 1997; the forget gate: Gers et al. 2000."""

from __future__ import annotations

import torch
from torch import nn

from chargen.kernels import lstm_advance, lstm_retreat
from chargen.networks.layer import Layer
from chargen.networks.recurrence import Cell


class LSTM(Layer):
    """A cell that gates write to, keep and read; rows are stacked i, f, g, o.

    i = σ(W_ii x + b_ii + W_hi h + b_hi)      input: how much is written
    f = σ(W_if x + b_if + W_hf h + b_hf)      forget: how much of the cell stays
    g = tanh(W_ig x + b_ig + W_hg h + b_hg)   what is written
    o = σ(W_io x + b_io + W_ho h + b_ho)      output: how much is shown
    c' = f ∘ c + i ∘ g
    h' = o ∘ tanh(c')
    """

    arch = "lstm"
    cell = Cell(lstm_advance, lstm_retreat)
    kernel = staticmethod(torch.lstm)
    onednn = True

    @torch.no_grad()
    def initialise(self, generator: torch.Generator | None) -> None:
        """Begin like every layer, but with an open forget gate (Jozefowicz et al. 2015)."""
        super().initialise(generator)
        nn.init.ones_(self.bias_ih[self.hidden : 2 * self.hidden])
