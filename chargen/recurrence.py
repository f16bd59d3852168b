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

from collections.abc import Callable, Iterable
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
        before: tuple[Tensor, ...],
        after: tuple[Tensor, ...],
        kept: Tensor,
    ) -> None:
        """Make one step: turn ``parts`` into activations in place, and write ``after``.

        ``product`` (B, G·H) is h W_hh^T, ``bias`` the inner one; ``kept`` (B, H) is for anything
        that the slopes will need.
        """

    def slopes(self, gates: Tensor, tracks: tuple[Tensor, ...], kept: Tensor) -> tuple[Tensor, ...]:
        """Return what `retreat` needs of every step, each (T, B, ...)."""

    def retreat(
        self, slopes: tuple[Tensor, ...], grads: tuple[Tensor, ...], delta: Tensor
    ) -> tuple[Tensor | None, tuple[Tensor, ...]]:
        """Go one step back: write ``delta`` (B, G·H) from the gradients of the step's states.

        Returns the gradient that passes on to the hidden state before by itself, None for nothing,
        and those of the other states before.
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


def steps(tensors: Iterable[Tensor]) -> zip[tuple[Tensor, ...]]:
    """Yield each time step's slices, cut beforehand: a slice costs as much as a small sum."""
    return zip(*(tensor.unbind(0) for tensor in tensors), strict=True)


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
        *state: Tensor,
    ) -> tuple[Tensor, ...]:
        """Run over ``projected``, W_ih x (T, B, G·H); return all h (T, B, H), the last states."""
        time, batch, rows = projected.shape
        hidden = weight.shape[1]
        split = rows - cell.inner * hidden
        outer, inner = input_bias.clone(), bias[split:]
        outer[:split] += bias[:split]
        gates = projected + outer
        tracks = tuple(
            projected.new_empty(time + 1, batch, hidden, dtype=bias.dtype) for _ in state
        )
        for track, start in zip(tracks, state, strict=True):
            track[0] = start
        # The hidden state once more, in the precision of the products.
        rounded = tracks[0] if dtype == bias.dtype else tracks[0].to(dtype)
        kept = gates.new_empty(time, batch, hidden)
        multiply = multiplier(weight.to(dtype), batch)
        parts = steps(cell.views(gates))
        before, after = steps(t[:-1] for t in tracks), steps(t[1:] for t in tracks)
        for part, old, new, keep, h, h_next in zip(
            parts, before, after, kept.unbind(0), rounded[:-1].unbind(0), rounded[1:].unbind(0),
            strict=True,
        ):  # fmt: skip
            cell.advance(part, multiply(h), inner, old, new, keep)
            if h_next.dtype != bias.dtype:
                h_next.copy_(new[0])
        ctx.cell, ctx.dtype = cell, dtype
        ctx.save_for_backward(gates, kept, rounded, weight, *tracks)
        return tracks[0][1:], *(track[-1] for track in tracks)

    @staticmethod
    def backward(ctx: Any, grad_out: Tensor, *grad_last: Tensor) -> Any:
        """Return the gradients of everything that went in."""
        cell: Cell = ctx.cell
        gates, kept, rounded, weight, *tracks = ctx.saved_tensors
        time, batch, rows = gates.shape
        multiply = multiplier(weight.t().to(ctx.dtype), batch)
        slopes = cell.slopes(gates, tuple(tracks), kept)
        deltas = gates.new_empty(time, batch, rows, dtype=ctx.dtype)
        hidden_grads = torch.empty_like(grad_out)
        grads: list[Tensor] = [grad.float() for grad in grad_last]
        sides = list(
            zip(steps(slopes), deltas.unbind(0), hidden_grads.unbind(0), grad_out.unbind(0),
                strict=True)
        )  # fmt: skip
        for slope, delta, total, arriving in reversed(sides):
            torch.add(grads[0], arriving, out=total)
            grads[0] = total
            passed, others = cell.retreat(slope, tuple(grads), delta)
            grads = [multiply(delta), *others]
            if passed is not None:
                grads[0].add_(passed)
        ones = deltas.new_ones(1, time * batch)
        flat = deltas.view(-1, rows)
        inputs = cell.inputs(deltas, hidden_grads, slopes)
        grad_weight = flat.t() @ rounded[:-1].reshape(time * batch, -1)
        # As products: sums down the columns of a bfloat16 matrix are slow, and rounded as they go.
        grad_bias, grad_input_bias = ones @ flat, ones @ inputs.view(-1, rows)
        weights = (grad_input_bias[0], grad_weight, grad_bias[0])
        return None, None, inputs, *(grad.to(weight.dtype) for grad in weights), *grads
