r"""Backpropagation through time on a CPU, written once for cells that have no kernel of their own.

`torch.nn`'s recurrences on a CPU take a matrix product of their own for each time step's weight
gradient, and let autograd record every small operation. Here a window is one operation:

- forward, only the product h_{t-1} W_hh^T is inside the loop over time; the inputs' part of all
  steps was one product before it, and what the cell does with the sum is a few calls in place;
- backward, what does not depend on the gradient arriving from later steps, the cell's *slopes*, is
  computed for all steps at once. Inside the loop remain, for each step, the slopes times that
  gradient, δ_t (B, G·H), and the product δ_t W_hh that carries it one step back:

      dL/dh_{t-1} = δ_t W_hh + (what the cell passes on by itself) + dL/dout_{t-1}

- the weights' gradient is one product after the loop, Σ_t δ_t^T h_{t-1} (Werbos 1990, Proceedings
  of the IEEE 78); the biases' likewise, a product with ones.

Products may be in bfloat16; states, gates and slopes are float32 throughout. A cell brings five
functions (see `Cell`); a test compares values and gradients with `torch.nn`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

Multiply = Callable[[Tensor], Tensor]


class Cell(Protocol):
    """What a kind of layer does with its pre-activations; T, B, H as everywhere, G gates."""

    inner: int
    """How many of the last gates have their ``bias_hh`` within the cell, not on the sum."""

    def views(self, gates: Tensor) -> tuple[Tensor, ...]:
        """Return the parts of ``gates`` (T, B, G·H) that `advance` works on."""

    def advance(
        self,
        parts: tuple[Tensor, ...],
        product: Tensor,
        bias: Tensor,
        before: Tensor,
        after: Tensor,
        kept: Tensor,
    ) -> None:
        """Make one step: turn ``parts`` into activations in place, and write ``after`` (B, H).

        ``product`` (B, G·H) is h W_hh^T, ``bias`` the inner one; ``kept`` (B, H) is for anything
        that the slopes will need.
        """

    def slopes(self, gates: Tensor, track: Tensor, kept: Tensor) -> tuple[Tensor, ...]:
        """Return what `retreat` needs of every step, each (T, B, ...); ``track`` is all h."""

    def retreat(self, slopes: tuple[Tensor, ...], grad: Tensor, delta: Tensor) -> Tensor | None:
        """Go one step back from the gradient of h': write ``delta`` (B, G·H).

        Returns the gradient that passes on to h by itself; None for nothing.
        """

    def inputs(self, delta: Tensor, grads: Tensor, slopes: tuple[Tensor, ...]) -> Tensor:
        """Return the gradient of the inputs' part (T, B, G·H); δ itself, if it is the same."""


def multiplier(weight: Tensor, batch: int) -> Multiply:
    """Return a function x (B, K) -> x @ weight^T in float32, for a weight (N, K) used many times.

    oneDNN reorders a bfloat16 weight at every product unless that was done beforehand; the calls
    for it are those that torch's own compiler emits, and where they are missing a plain product
    gives the same result.
    """
    if weight.dtype == torch.bfloat16:
        try:
            packed = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), batch)
            linear = torch.ops.mkldnn._linear_pointwise
            linear(weight.new_zeros(batch, weight.shape[1]), packed, None, "none", [], "")
        except (AttributeError, RuntimeError):
            pass
        else:
            return lambda x: linear(x, packed, None, "none", [], "").float()
    transposed = weight.t()
    return lambda x: torch.mm(x, transposed).float()


class Recurrence(torch.autograd.Function):
    """A window of a recurrent layer, differentiable by hand."""

    @staticmethod
    def forward(
        ctx: Any,
        cell: Cell,
        dtype: torch.dtype,
        projected: Tensor,
        input_bias: Tensor,
        weight: Tensor,
        bias: Tensor,
        start: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Run over ``projected``, W_ih x (T, B, G·H); return all h (T, B, H) and the last."""
        time, batch, rows = projected.shape
        hidden = weight.shape[1]
        split = rows - cell.inner * hidden
        outer, inner = input_bias.clone(), bias[split:]
        outer[:split] += bias[:split]
        gates = projected + outer
        track = gates.new_empty(time + 1, batch, hidden)
        track[0] = start
        # The hidden state once more, in the precision of the products.
        rounded = track if dtype == track.dtype else track.to(dtype)
        kept = gates.new_empty(time, batch, hidden)
        multiply = multiplier(weight.to(dtype), batch)
        # Cut into steps beforehand: a slice costs as much as a small sum.
        parts = zip(*(view.unbind(0) for view in cell.views(gates)), strict=True)
        for part, keep, (before, after), (h, h_next) in zip(
            parts, kept, itertools.pairwise(track), itertools.pairwise(rounded), strict=True
        ):
            cell.advance(part, multiply(h), inner, before, after, keep)
            if h_next.dtype != after.dtype:
                h_next.copy_(after)
        ctx.cell, ctx.dtype = cell, dtype
        ctx.save_for_backward(gates, kept, rounded, weight, track)
        return track[1:], track[-1]

    @staticmethod
    def backward(ctx: Any, grad_out: Tensor, grad_last: Tensor) -> Any:
        """Return the gradients of everything that went in."""
        cell: Cell = ctx.cell
        gates, kept, rounded, weight, track = ctx.saved_tensors
        time, batch, rows = gates.shape
        multiply = multiplier(weight.t().to(ctx.dtype), batch)
        slopes = cell.slopes(gates, track, kept)
        deltas = gates.new_empty(time, batch, rows, dtype=ctx.dtype)
        grads = torch.empty_like(grad_out)
        steps = list(
            zip(zip(*(slope.unbind(0) for slope in slopes), strict=True), deltas, grads, grad_out,
                strict=True)
        )  # fmt: skip
        later = grad_last
        for slope, delta, grad, arriving in reversed(steps):
            torch.add(later, arriving, out=grad)
            passed = cell.retreat(slope, grad, delta)
            later = multiply(delta)
            if passed is not None:
                later.add_(passed)
        ones = deltas.new_ones(1, time * batch)
        flat = deltas.view(-1, rows)
        inputs = cell.inputs(deltas, grads, slopes)
        grad_weight = flat.t() @ rounded[:-1].reshape(time * batch, -1)
        # As products: sums down the columns of a bfloat16 matrix are slow, and rounded as they go.
        grad_bias, grad_input_bias = ones @ flat, ones @ inputs.view(-1, rows)
        weights = (grad_input_bias[0], grad_weight, grad_bias[0])
        return None, None, inputs, *(grad.to(weight.dtype) for grad in weights), later
