"""The gated recurrent unit of Cho et al. 2014, arXiv:1406.1078.

In the form of cuDNN and `torch.nn.GRU`, where the reset gate acts after the recurrent product (the
first version of the paper multiplied the state before it): one product serves all three gates.
"""

from __future__ import annotations

import torch
from torch import Tensor

from chargen.layer import Layer


class GRUCell:
    """The step below, with q = W_hn h + b_hn kept; see `chargen.recurrence.Cell`.

    With d = dL/dh', the gradients of the pre-activations are, by the chain rule,

    candidate  d ∘ (1 - z) ∘ (1 - n²) =: d ∘ s     and of q  d ∘ s ∘ r
    update     d ∘ (h - n) ∘ z ∘ (1 - z)
    reset      d ∘ s ∘ q ∘ r ∘ (1 - r)

    and d ∘ z passes on to h by itself. δ holds those of r, z and q, one multiple of d.
    """

    inner = 1

    def views(self, gates: Tensor) -> tuple[Tensor, ...]:
        """Return r and z together, r, z, and n."""
        size = gates.shape[-1] // 3
        return gates[..., : 2 * size], *gates.chunk(3, dim=-1)

    def advance(
        self,
        parts: tuple[Tensor, ...],
        product: Tensor,
        bias: Tensor,
        before: Tensor,
        after: Tensor,
        kept: Tensor,
    ) -> None:
        """Step; q is kept."""
        both, reset, update, candidate = parts
        size = both.shape[1]
        both.add_(product[:, :size]).sigmoid_()
        torch.add(product[:, size:], bias, out=kept)
        candidate.addcmul_(reset, kept).tanh_()
        torch.lerp(candidate, before, update, out=after)

    def slopes(self, gates: Tensor, track: Tensor, kept: Tensor) -> tuple[Tensor, ...]:
        """Return the three factors of d as (T, B, 3, H), then z, then s."""
        time, batch, rows = gates.shape
        reset, update, candidate = gates.chunk(3, dim=-1)
        factors = gates.new_empty(time, batch, 3, rows // 3)
        slope = (1 - candidate.square()).mul_(1 - update)
        of_reset, of_update, of_kept = factors.unbind(2)
        torch.mul(slope, kept, out=of_reset).mul_(reset).mul_(1 - reset)
        torch.sub(track[:-1], candidate, out=of_update).mul_(update).mul_(1 - update)
        torch.mul(slope, reset, out=of_kept)
        return factors, update, slope

    def retreat(self, slopes: tuple[Tensor, ...], grad: Tensor, delta: Tensor) -> Tensor:
        """Step back."""
        factors, update, _ = slopes
        torch.mul(factors, grad.unsqueeze(1), out=delta.view(factors.shape))
        return grad * update

    def inputs(self, delta: Tensor, grads: Tensor, slopes: tuple[Tensor, ...]) -> Tensor:
        """Return δ with the candidate's gradient in place of q's."""
        inputs = delta.clone()
        torch.mul(grads, slopes[2], out=inputs.chunk(3, dim=-1)[2])
        return inputs


class GRU(Layer):
    """A state that each unit keeps or replaces by itself; rows are stacked r, z, n.

    r = σ(W_ir x + b_ir + W_hr h + b_hr)           reset: how much of the past the candidate sees
    z = σ(W_iz x + b_iz + W_hz h + b_hz)           update: how much of the past stays
    n = tanh(W_in x + b_in + r ∘ (W_hn h + b_hn))  candidate
    h' = (1 - z) ∘ n + z ∘ h
    """

    kind = "gru"
    cell = GRUCell()

    def fused(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run the device's own kernel."""
        out, hidden = torch.gru(
            x, state[0][None], self.tensors(), True, 1, 0.0, self.training, False, False
        )
        return out, (hidden[0],)
