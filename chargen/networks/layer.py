"""What the recurrent layers share: their four tensors, how these begin, and how they are run.

`chargen.networks.transformer.Block` has the same three methods: ``initialise``, ``start``,
``forward``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

from chargen.architecture import FAMILIES, Architecture
from chargen.networks.recurrence import Cell, Recurrence


class Layer(nn.Module):
    """One recurrent layer of H units over inputs of size I.

    Gates are stacked as rows: ``weight_ih`` (G·H, I), ``weight_hh`` (G·H, H) and two biases (G·H),
    in the order and with the meaning of `torch.nn`, so that a tensor means the same here and there.
    """

    arch: ClassVar[str]
    cell: ClassVar[Cell]

    @classmethod
    def above(cls, architecture: Architecture, inputs: int) -> Layer:
        """Return a layer of a stack, above one of ``inputs`` units or above the embedding."""
        return cls(inputs, architecture.hidden)

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        rows = FAMILIES[self.arch].gates * hidden
        self.hidden = hidden
        self.weight_ih = nn.Parameter(torch.empty(rows, inputs))
        self.weight_hh = nn.Parameter(torch.empty(rows, hidden))
        self.bias_ih = nn.Parameter(torch.empty(rows))
        self.bias_hh = nn.Parameter(torch.empty(rows))

    @torch.no_grad()
    def initialise(self, generator: torch.Generator | None) -> None:
        """Set each gate's input weights by Glorot & Bengio 2010, its recurrent ones orthogonal.

        Orthogonal recurrent weights keep a gradient's length over many steps (Saxe et al. 2014,
        arXiv:1312.6120).
        """
        for weight in torch.split(self.weight_ih, self.hidden):
            nn.init.xavier_uniform_(weight, generator=generator)
        for weight in torch.split(self.weight_hh, self.hidden):
            nn.init.orthogonal_(weight, generator=generator)
        nn.init.zeros_(self.bias_ih)
        nn.init.zeros_(self.bias_hh)

    def start(self, batch: int) -> tuple[Tensor, ...]:
        """Return zeros, (B, H) each: h, and for the LSTM c as well."""
        return (self.bias_hh.new_zeros(batch, self.hidden),) * FAMILIES[self.arch].states

    def forward(
        self, x: Tensor, state: tuple[Tensor, ...], drop: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run over x (T, B, I) from the state, (B, H) each; return all h (T, B, H) and the last.

        ``drop`` applies dropout in training: to the recurrent weights and to the outputs.
        """
        weights = [self.weight_ih, drop(self.weight_hh), self.bias_ih, self.bias_hh]
        if x.device.type != "cpu":
            out, last = self.fused(x, tuple(part.to(x.dtype) for part in state), weights)
            return drop(out), tuple(part.float() for part in last)
        autocast = torch.is_autocast_enabled("cpu")
        dtype = torch.get_autocast_dtype("cpu") if autocast else x.dtype
        out, *last = Recurrence.apply(self.cell, dtype, x, *weights, *state)  # type: ignore[no-untyped-call]  # PyTorch's
        return drop(out), tuple(last)

    def fused(
        self, x: Tensor, state: tuple[Tensor, ...], weights: list[Tensor]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Do the same by a kernel for the whole window (cuDNN's)."""
        raise NotImplementedError
