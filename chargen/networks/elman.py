"""The simple recurrent network of Elman 1990, "Finding structure in time", Cognitive Science 14."""

from __future__ import annotations

import torch

from chargen.kernels import elman_advance, elman_retreat
from chargen.networks.layer import Layer
from chargen.networks.recurrence import Cell


class Elman(Layer):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh)."""

    arch = "elman"
    cell = Cell(elman_advance, elman_retreat)
    kernel = staticmethod(torch.rnn_tanh)
