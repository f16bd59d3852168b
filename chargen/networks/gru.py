"""The gated recurrent unit of Cho et al. 2014, arXiv:1406.1078.

This is the form of cuDNN and `torch.nn.GRU`: the reset gate acts after the recurrent product, so
one product serves all three gates. In the first version of the paper, the gate multiplies the state
before the product.
"""

from __future__ import annotations

import torch

from chargen.architecture import FAMILIES
from chargen.kernels import gru_advance, gru_retreat
from chargen.networks.layer import Layer
from chargen.networks.recurrence import Cell


class GRU(Layer):
    """A state that each unit keeps or replaces by itself; rows are stacked r, z, n.

    r = σ(W_ir x + b_ir + W_hr h + b_hr)           reset: how much of the past the candidate sees
    z = σ(W_iz x + b_iz + W_hz h + b_hz)           update: how much of the past stays
    n = tanh(W_in x + b_in + r ∘ (W_hn h + b_hn))  candidate
    h' = (1 - z) ∘ n + z ∘ h
    """

    arch = "gru"
    cell = Cell(gru_advance, gru_retreat, FAMILIES["gru"].inner)
    kernel = staticmethod(torch.gru)
