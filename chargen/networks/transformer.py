r"""A transformer's block (Vaswani et al. 2017, arXiv:1706.03762), read like a recurrent layer.

Its state is the keys and values of the last characters. They are carried from window to window
without a gradient (Dai et al. 2019, arXiv:1901.02860). So every character attends to the last C
characters in each layer, itself included. This is the same in training, scoring and sampling. A
text is not cut into blocks at whose start the model would know nothing. Let x be the stream
(T, B, H):

    x' = x  + W_mixed attend(W_attention norm(x))
    x'' = x' + W_outer max(0, W_inner norm(x'))²

The squared rectifier learns as fast as a GELU and costs less (So et al. 2021, arXiv:2109.08668).
The norms come before attention and before the inner layer (Xiong et al. 2020, arXiv:2002.04745);
they have no bias. Queries and keys are turned by their position (rotary; Su et al. 2021,
arXiv:2104.09864): so the product of a query and a key depends on their distance and not on where
in the text they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from chargen.architecture import EXPANSION, Architecture

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SLOWEST = 10_000.0


def turn(x: Tensor, start: int = 0) -> Tensor:
    """Rotate the pairs (i, i + d/2) of x (B, heads, T, d) by angles that grow with start + t."""
    time, size = x.shape[-2:]
    rates = SLOWEST ** (-torch.arange(size // 2, device=x.device) * 2 / size)
    angles = torch.arange(start, start + time, device=x.device)[:, None] * rates
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, first * sin + second * cos), dim=-1)


def attend(query: Tensor, key: Tensor, value: Tensor, seen: Tensor) -> Tensor:
    """Return for each query (B, heads, T, d) the mean of the values, weighted by their keys' fit.

    Args:
        key, value: (B, heads, S, d).
        seen: (T, S) or (B, 1, T, S), which keys a query may attend to.
    """
    if query.device.type != "cpu":
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
    # On a CPU, torch's fused kernel takes twice as long as these products (in windows of hundreds).
    bias = torch.zeros(seen.shape, dtype=query.dtype).masked_fill_(~seen, -torch.inf)
    batch, heads, time, size = query.shape
    query, key, value = (x.reshape(batch * heads, -1, size) for x in (query, key, value))
    bias = bias.expand(batch, heads, -1, -1).reshape(-1, *seen.shape[-2:])
    fit = torch.baddbmm(bias, query * size**-0.5, key.transpose(1, 2))
    return (fit.softmax(-1).to(value.dtype) @ value).view(batch, heads, time, size)


class Block(nn.Module):
    """Attention and an inner layer, each added to the stream; see `chargen.networks.layer`."""

    @classmethod
    def above(cls, architecture: Architecture, inputs: int) -> Block:  # noqa: ARG003 - as layers
        """Return a block of a stack; its inputs are as wide as itself."""
        return cls(architecture)

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        wide, inner = architecture.hidden, EXPANSION * architecture.hidden
        self.heads, self.context = architecture.heads, architecture.context
        self.before_attention = nn.LayerNorm(wide, bias=False)
        self.attention = nn.Linear(wide, 3 * wide, bias=False)
        self.mixed = nn.Linear(wide, wide, bias=False)
        self.before_inner = nn.LayerNorm(wide, bias=False)
        self.inner = nn.Linear(wide, inner, bias=False)
        self.outer = nn.Linear(inner, wide, bias=False)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator | None) -> None:
        """Set the weights so that the block adds nothing at first: any depth then starts alike."""
        for linear in (self.attention, self.inner):
            linear.weight.normal_(0, linear.in_features**-0.5, generator=generator)
        for linear in (self.mixed, self.outer):
            nn.init.zeros_(linear.weight)

    def start(self, batch: int) -> tuple[Tensor, ...]:
        """Return the keys and values (B, heads, 0, d) of nothing read yet."""
        weight = self.mixed.weight
        size = len(weight) // self.heads
        nothing = torch.zeros(batch, self.heads, 0, size, device=weight.device)
        return nothing, nothing

    def forward(
        self,
        x: Tensor,
        state: tuple[Tensor, ...],
        drop: Callable[..., Tensor],
        ages: NDArray[np.int32] | None = None,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the stream (T, B, H) after this block, and the keys and values now kept.

        Args:
            ages: (B, T), how many places back a row's text goes; None for all the way.
        """
        time, batch, wide = x.shape
        qkv = self.attention(self.before_attention(x))
        query, key, value = qkv.view(time, batch, 3, self.heads, -1).permute(2, 1, 3, 0, 4)
        # Keys are kept unturned and are turned again in each window, so that positions stay small.
        key, value = (
            torch.cat((kept.to(new.dtype), new), dim=2)
            for kept, new in zip(state, (key, value), strict=True)
        )
        before = key.shape[2] - time
        seen = self._seen(before, time, x.device, ages)
        mixed = attend(turn(query, before), turn(key), value, seen)
        mixed = mixed.permute(2, 0, 1, 3).reshape(time, batch, wide)
        x = x + drop(self.mixed(mixed), 1)
        inner = functional.relu(self.inner(self.before_inner(x)))
        x = x + drop(self.outer(inner * inner), 1)
        last = max(0, before + time - (self.context - 1))
        return x, (key[:, :, last:], value[:, :, last:])

    def _seen(
        self, before: int, time: int, device: torch.device, ages: NDArray[np.int32] | None
    ) -> Tensor:
        """Return which keys (before + T) each query (T) attends to: the last C of its text."""
        there = torch.arange(before + time, device=device)
        away = there[before:, None] - there
        seen = (away >= 0) & (away < self.context)
        if ages is None:
            return seen
        reach = torch.from_numpy(ages).to(device)[:, None, :, None]
        return seen & (away <= reach)
