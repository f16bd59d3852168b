r"""Backpropagation through time on a CPU, written once for every kind of cell.

On a CPU, the recurrences of `torch.nn` do a separate matrix product for the weight gradient of each
time step, or let autograd record every small operation. Here a window is one operation:

- forward, only the product h_{t-1} W_hh^T is inside the loop over time. One product before the loop
  does the inputs' part of all steps. One compiled call does the cell's work on the sum;
- backward, a step is again one product and one compiled call. The call turns the gradient at h_t
  into two things: δ_t (B, G·H), the gradient of the recurrent product, and the part that the cell
  passes on directly. The product carries δ_t one step back:

      dL/dh_{t-1} = δ_t W_hh + (the part that the cell passes on directly) + dL/dout_{t-1}

- the weights' gradient is one product after the loop, Σ_t δ_t^T h_{t-1} (Werbos 1990, Proceedings
  of the IEEE 78); the biases' gradient is a product with ones.

A row may begin anew at any step: then its state before that step is zero, and no gradient goes back
past it.

Products may be in bfloat16; states, gates and what is computed from them are float32 throughout. A
cell brings two functions (see `Cell`); a test compares values and gradients with `torch.nn`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

Multiply = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Cell:
    """What a kind of layer does with its pre-activations: compiled functions of step t.

    Both take NumPy arrays. The arrays of a whole window have the precision of the products. Later
    results overwrite earlier ones, because a step spends most of its time waiting for memory:

    ``gates`` (T, B, G, H): the inputs' part of the pre-activations. A step forward overwrites it
    with the gates' activations, and a step back overwrites these with δ.
    ``track`` (T + 1, B, H): h at the start and after every step.
    ``memory`` (T + 1, B, H): whatever else a step leaves behind.
    ``work`` (G + 1, H) in float32: scratch.

    Attributes:
        advance: ``(t, gates, product, bias, state, track, memory, work)``, a step forward from t to
            t + 1, with product h W_hh^T (B, G, H) and bias (G + inner, H); ``state`` (2, B, H), in
            float32, is h and, in a layer that has one, its other state.
        retreat: ``(t, gates, track, memory, arriving, product, grad, work)``, a step back, where
            ``arriving`` (T, B, H) is dL/dout and ``product`` (B, H) is δ_{t+1} W_hh. ``grad``
            (2, B, H), in float32, is the gradient that the step back at t + 1 passed on directly to
            both states; this step overwrites it with the gradient that it passes on.
        inner: the number of last gates whose recurrent product and ``bias_hh`` enter inside the
            cell, apart from the inputs' part. For these gates, δ is the gradient of the product,
            and ``retreat`` leaves the gradient of the inputs' part in memory (at t + 1).
    """

    advance: Callable[..., None]
    retreat: Callable[..., None]
    inner: int = 0


def multiplier(weight: Tensor, batch: int) -> Multiply:
    """Return a function x (B, K) -> x @ weight^T, for a weight (N, K) used many times.

    oneDNN (bfloat16) and MKL (float32) reorder a weight at every product, unless it was reordered
    beforehand. We reorder it with the calls that torch's own compiler uses. If these are missing, a
    plain product gives the same result.
    """
    weight = weight.contiguous()
    if reorders(weight.dtype):
        return _prepacked(weight, batch)
    transposed = weight.t()
    return lambda x: torch.mm(x, transposed)


@cache
def reorders(dtype: torch.dtype) -> bool:
    """Return whether this build of torch has the calls for reordered weights, by trying them."""
    try:
        _prepacked(torch.zeros(16, 16, dtype=dtype), 2)(torch.zeros(2, 16, dtype=dtype))
    except (AttributeError, RuntimeError) as error:
        log.warning("torch %s has no fast products in %s: %s", torch.__version__, dtype, error)
        return False
    return True


def _prepacked(weight: Tensor, batch: int) -> Multiply:
    onednn, mkl = torch.ops.mkldnn, torch.ops.mkl
    if weight.dtype == torch.bfloat16:
        packed = onednn._reorder_linear_weight(weight, batch)
        return lambda x: onednn._linear_pointwise(x, packed, None, "none", [], "")
    packed = mkl._mkl_reorder_linear_weight(weight, batch)
    return lambda x: mkl._mkl_linear(x, packed, weight, None, batch)


def beginnings(ages: NDArray[np.int32] | None, time: int) -> list[NDArray[np.intp] | None]:
    """Return for each step the rows that begin anew there, None for no row; see `Window.ages`."""
    if ages is None:
        return [None] * time
    return [rows if len(rows) else None for rows in map(np.flatnonzero, ages.T == 0)]


def array(tensor: Tensor) -> Any:
    """Return a tensor's memory as a NumPy array; bfloat16, which NumPy lacks, as its bits."""
    return (tensor.view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor).numpy()


class Recurrence(torch.autograd.Function):
    """A window of a recurrent layer, differentiable by hand, once."""

    @staticmethod
    def forward(
        ctx: Any,
        cell: Cell,
        dtype: torch.dtype,
        ages: NDArray[np.int32] | None,
        x: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor,
        bias_hh: Tensor,
        *start: Tensor,
    ) -> tuple[Tensor, ...]:
        """Run over x (T, B, I) from the state ``start``, (B, H) each, with products in ``dtype``.

        ``ages`` (B, T) is zero where a row begins anew.

        Returns all h (T, B, H) in ``dtype``, and the state after the last step.
        """
        time, batch, _ = x.shape
        gate_rows, hidden = weight_hh.shape
        split = gate_rows - cell.inner * hidden
        bias = torch.cat((bias_ih, bias_hh[split:])).view(-1, hidden)
        bias.view(-1)[:split] += bias_hh[:split]
        x, weight_ih = x.to(dtype), weight_ih.to(dtype)
        gates = functional.linear(x, weight_ih).view(time, batch, -1, hidden)
        track, memory = gates.new_empty(2, time + 1, batch, hidden)
        state = bias.new_zeros(2, batch, hidden)
        for part, before, kept in zip(state, start, (track, memory), strict=False):
            part.copy_(before)
            kept[0] = before
        multiply = multiplier(weight_hh.to(dtype), batch)
        work = bias.new_empty(gate_rows // hidden + 1, hidden)
        window = [array(tensor) for tensor in (track, memory, work)]
        known, biases, now = array(gates), array(bias), array(state)
        begin = beginnings(ages, time)
        for t, h in enumerate(track[:-1].unbind(0)):
            product = array(multiply(h)).reshape(known.shape[1:])
            rows = begin[t]
            if rows is not None:
                product[rows] = 0
                now[:, rows] = 0
            cell.advance(t, known, product, biases, now, *window)
        ctx.cell, ctx.begin, ctx.count, ctx.spent = cell, begin, len(start), False
        ctx.save_for_backward(x, gates, track, memory, weight_ih, weight_hh)
        return track[1:], *state[: len(start)]

    @staticmethod
    def backward(ctx: Any, grad_out: Tensor, *grad_last: Tensor) -> Any:
        """Return the gradients of everything that went in."""
        if ctx.spent:
            raise RuntimeError("the gates were overwritten by the first backward pass")
        ctx.spent = True
        cell: Cell = ctx.cell
        x, gates, track, memory, weight_ih, weight_hh = ctx.saved_tensors
        time, batch, _, hidden = gates.shape
        multiply = multiplier(weight_hh.t().to(gates.dtype), batch)
        grad = weight_hh.new_zeros(2, batch, hidden)
        for part, given in zip(grad, grad_last, strict=False):
            part.copy_(given)
        window = [array(tensor) for tensor in (gates, track, memory, grad_out.contiguous())]
        passed, work = array(grad), array(grad.new_empty(gates.shape[2] + 1, hidden))
        product = gates.new_zeros(batch, hidden)
        deltas = gates.view(time, batch, -1).unbind(0)
        hs, others = array(track), array(memory)
        for t in range(time - 1, -1, -1):
            rows = ctx.begin[t]
            if rows is None:
                cell.retreat(t, *window, array(product), passed, work)
                product = multiply(deltas[t])
                continue
            # What was the state before this step is also the state after the step before it.
            kept = hs[t, rows], others[t, rows]
            hs[t, rows], others[t, rows] = 0, 0
            cell.retreat(t, *window, array(product), passed, work)
            product = multiply(deltas[t])
            hs[t, rows], others[t, rows] = kept
            array(product)[rows] = 0
            passed[:, rows] = 0
        grad[0] += product
        delta = gates.view(time * batch, -1)
        # We use products, because sums over the columns of a bfloat16 matrix are slow, and they
        # round each partial sum.
        ones = delta.new_ones(1, time * batch)
        grad_bias_hh = grad_bias_ih = (ones @ delta)[0]
        before = track[:-1]
        if any(rows is not None for rows in ctx.begin):
            before = before.clone()
            for t, rows in enumerate(ctx.begin):
                if rows is not None:
                    array(before)[t, rows] = 0
        grad_weight_hh = delta.t() @ before.reshape(time * batch, hidden)
        if cell.inner:
            inner = memory[1:].view(time * batch, hidden)
            grad_bias_ih = torch.cat((grad_bias_hh[:-hidden], (ones @ inner)[0]))
            delta[:, -hidden:] = inner
        grad_weight_ih = delta.t() @ x.view(time * batch, -1)
        grad_x = delta @ weight_ih if ctx.needs_input_grad[3] else None
        weights = (grad_weight_ih, grad_weight_hh, grad_bias_ih, grad_bias_hh)
        return (
            None,
            None,
            None,
            None if grad_x is None else grad_x.view_as(x),
            *(part.to(weight_hh.dtype) for part in weights),
            *grad[: ctx.count],
        )
