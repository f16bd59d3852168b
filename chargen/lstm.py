"""Long short-term memory: Hochreiter & Schmidhuber 1997; the forget gate: Gers et al. 2000."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chargen.layer import Layer


class LSTMCell:
    """The step below, with tanh(c') kept; see `chargen.recurrence.Cell`.

    With d = dL/dh' and e = dL/dc' + d ∘ o ∘ (1 - tanh²(c')), the pre-activations' gradients are

    input   e ∘ g ∘ i ∘ (1 - i)     forget  e ∘ c ∘ f ∘ (1 - f)
    new     e ∘ i ∘ (1 - g²)        output  d ∘ tanh(c') ∘ o ∘ (1 - o)

    and e ∘ f passes on to c by itself.
    """

    inner = 0

    def views(self, gates: Tensor) -> tuple[Tensor, ...]:
        """Return all gates, i and f together, and i, f, g, o."""
        size = gates.shape[-1] // 4
        return gates, gates[..., : 2 * size], *gates.chunk(4, dim=-1)

    def advance(
        self,
        parts: tuple[Tensor, ...],
        product: Tensor,
        _bias: Tensor,
        before: tuple[Tensor, ...],
        after: tuple[Tensor, ...],
        kept: Tensor,
    ) -> None:
        """Step; tanh(c') is kept."""
        whole, both, write, keep, new, show = parts
        whole.add_(product)
        both.sigmoid_()
        new.tanh_()
        show.sigmoid_()
        torch.mul(keep, before[1], out=after[1]).addcmul_(write, new)
        torch.tanh(after[1], out=kept)
        torch.mul(show, kept, out=after[0])

    def slopes(self, gates: Tensor, tracks: tuple[Tensor, ...], kept: Tensor) -> tuple[Tensor, ...]:
        """Return the factors of e as (T, B, 3, H), of d in δ, of d in e, and f."""
        time, batch, rows = gates.shape
        write, keep, new, show = gates.chunk(4, dim=-1)
        factors = gates.new_empty(time, batch, 3, rows // 4)
        of_write, of_keep, of_new = factors.unbind(2)
        torch.mul(new, write, out=of_write).mul_(1 - write)
        torch.mul(tracks[1][:-1], keep, out=of_keep).mul_(1 - keep)
        torch.mul(1 - new.square(), write, out=of_new)
        of_show = (kept * show).mul_(1 - show)
        into_cell = (1 - kept.square()).mul_(show)
        return factors, of_show, into_cell, keep

    def retreat(
        self, slopes: tuple[Tensor, ...], grads: tuple[Tensor, ...], delta: Tensor
    ) -> tuple[None, tuple[Tensor]]:
        """Step back; of the hidden state all goes through the product."""
        factors, of_show, into_cell, keep = slopes
        batch, three, size = factors.shape
        both = torch.addcmul(grads[1], grads[0], into_cell)
        first = delta[:, : three * size].view(batch, three, size)
        torch.mul(factors, both.unsqueeze(1), out=first)
        torch.mul(grads[0], of_show, out=delta[:, three * size :])
        return None, (both.mul_(keep),)

    def inputs(self, delta: Tensor, _grads: Tensor, _slopes: tuple[Tensor, ...]) -> Tensor:
        """Return δ: inputs and state enter alike."""
        return delta


class LSTM(Layer):
    """A cell that gates write to, keep and read; rows are stacked i, f, g, o.

    i = σ(W_ii x + b_ii + W_hi h + b_hi)      input: how much is written
    f = σ(W_if x + b_if + W_hf h + b_hf)      forget: how much of the cell stays
    g = tanh(W_ig x + b_ig + W_hg h + b_hg)   what is written
    o = σ(W_io x + b_io + W_ho h + b_ho)      output: how much is shown
    c' = f ∘ c + i ∘ g
    h' = o ∘ tanh(c')
    """

    kind = "lstm"
    cell = LSTMCell()

    @torch.no_grad()
    def initialise(self, generator: torch.Generator | None) -> None:
        """As every layer, with a forget gate that begins open (Jozefowicz et al. 2015)."""
        super().initialise(generator)
        nn.init.ones_(self.bias_ih[self.hidden : 2 * self.hidden])

    def fused(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run the device's own kernel."""
        before = [part[None] for part in state]
        out, hidden, cell = torch.lstm(
            x, before, self.tensors(), True, 1, 0.0, self.training, False, False
        )
        return out, (hidden[0], cell[0])
